import { ClusterError, Prng, assert } from '@trimaran/common'
import type { BrokerEpoch, BrokerId, Clock, Offset } from '@trimaran/common'
import { LogDirectory, defaultLogConfig, type LogConfig, type PartitionLog } from '@trimaran/log'
import { SimDisk } from '@trimaran/log/testing'
import { Delta, deltaBetween, emptyImage, type Image } from '@trimaran/metadata'
import { encodeBatch, readBatchHeader } from '@trimaran/protocol'
import type { ControllerChannel, ReplicaFetchChannel } from '../src/channels.ts'
import { maximalIsr } from '../src/replication/isr.ts'
import type { Partition } from '../src/replication/partition.ts'
import { ReplicaManager } from '../src/replication/replica-manager.ts'
import type {
  AppendResult,
  FetchResult,
  ReplicaConfig,
  ReplicationBug,
} from '../src/replication/types.ts'
import { ControllerStandIn } from './replication-controller.ts'
import { MemoryLogs } from './replication-memory-log.ts'

export const topicId = 'topicAAAAAAAAAAAAAAAAA'
const topicName = 'orders'
const brokerIds = [1, 2, 3]
const partitionCount = 2
const minInsyncReplicas = 2
/** Small, so that logs have several segments. */
const logConfig: LogConfig = { ...defaultLogConfig, segmentBytes: 1_500 }

/** Short, so that a simulated second holds many leaderships. */
const config: ReplicaConfig = {
  topic: () => ({ log: logConfig, minInsyncReplicas }),
  replicaLagTimeMaxMs: 150,
  replicaFetchWaitMaxMs: 50,
  replicaFetchMinBytes: 1,
  replicaFetchMaxBytes: 2_000,
  replicaFetchResponseMaxBytes: 10_000,
  replicaFetchBackoffMs: 60,
  highWatermarkCheckpointIntervalMs: 100,
  recoveryPointCheckpointIntervalMs: 1_000_000,
  retentionCheckIntervalMs: 1_000_000,
  cleanerBackoffMs: null,
}
const notClosed = { closed: false, onClose: () => () => {} }

interface Event {
  readonly atMs: number
  readonly sequence: number
  readonly run: () => void
}

/** The one record of the batch at `offset`; its value is its timestamp. */
function recordAt(log: PartitionLog, offset: Offset): Committed | null {
  if (offset >= log.logEndOffset) return null
  const limits = { maxBytes: 1, endOffset: log.logEndOffset, minOneBatch: true }
  const header = readBatchHeader(log.read(offset, limits), 0)
  return { epoch: header.partitionLeaderEpoch, value: header.baseTimestampMs }
}

/** A record that some replica held below its high watermark: from then on it is history. */
interface Committed {
  readonly epoch: number
  readonly value: number
}

/** Where a node keeps its logs: in memory, for speed, or in the files of the log package on a simulated disk. */
type Storage = 'memory' | 'disk'

class Node {
  readonly id: BrokerId
  readonly memory: MemoryLogs | null
  readonly disk: SimDisk | null
  readonly random: Prng
  manager: ReplicaManager | null = null
  brokerEpoch: BrokerEpoch = -1
  incarnation = 0
  /** Its log lost what was not flushed, and the controller does not know yet. */
  isLossy = false
  /** Metadata on its way arrives in order. */
  metadataAtMs = 0
  /** How far each partition's log was compared with history. */
  readonly verified = new Map<number, Offset>()

  constructor(id: BrokerId, random: Prng, storage: Storage) {
    this.id = id
    this.random = random
    this.memory = storage === 'memory' ? new MemoryLogs() : null
    this.disk = storage === 'disk' ? new SimDisk({ random }) : null
  }

  openLogs(clock: Clock): LogDirectory {
    if (this.memory) return this.memory.directory
    const disk = this.disk as SimDisk
    const options = { disk, clock, configFor: () => logConfig, birthsPerTurn: 1 }
    return LogDirectory.open({ ...options, directory: 'data', logEvent: () => {} })
  }

  crash(isPowerLoss: boolean): void {
    if (isPowerLoss) this.memory?.loseUnflushed()
    this.disk?.crash(isPowerLoss ? this.random.pick(['lose-all', 'prefix', 'torn']) : 'process')
  }

  flush(): void {
    for (const replica of this.manager?.partitions() ?? []) void (replica as Partition).log.flush()
  }
}

export interface Findings {
  readonly seed: number
  readonly events: number
  readonly acknowledged: number
  readonly committed: number
  readonly crashes: number
  readonly elections: number
}

/**
 * Three brokers with their real replica managers over logs in memory, a controller that keeps the rules, and a network
 * that delays, loses and cuts. What must hold is looked at after every event (names as in reliability.md §2.2).
 */
export class World {
  readonly #seed: number
  readonly #bugs: ReadonlySet<ReplicationBug>
  readonly #random: Prng
  readonly #nodes: readonly Node[]
  readonly #controller: ControllerStandIn
  readonly #cutOff = new Set<BrokerId>()
  readonly #history: Committed[][] = []
  readonly #acknowledged = new Map<
    number,
    { readonly partition: number; readonly offset: Offset }
  >()
  /** What producers and consumers were told by this event, to be compared with history. */
  readonly #claims: (() => void)[] = []
  #events: Event[] = []
  #nowMs = 0
  #sequence = 0
  #eventCount = 0
  #value = 0
  #crashes = 0
  #isCalm = false
  #fault: Error | null = null

  readonly #trace: ((line: string) => void) | undefined

  constructor(
    seed: number,
    bugs: readonly ReplicationBug[] = [],
    storage: Storage = 'memory',
    trace?: (line: string) => void,
  ) {
    this.#trace = trace
    this.#seed = seed
    this.#bugs = new Set(bugs)
    this.#random = new Prng(seed)
    this.#nodes = brokerIds.map(id => new Node(id, this.#random.fork(id), storage))
    this.#controller = new ControllerStandIn((delta, image) => this.#publish(delta, image))
    for (let partition = 0; partition < partitionCount; partition++) this.#history.push([])
  }

  async run(faultyMs: number): Promise<Findings> {
    for (const node of this.#nodes) {
      node.brokerEpoch = this.#controller.register(node.id, true)
      this.#controller.unfence(node.id, node.brokerEpoch)
    }
    this.#controller.createTopic(topicId, topicName, [
      [1, 2, 3],
      [2, 3, 1],
    ])
    for (const node of this.#nodes) this.#boot(node)
    this.#every(4, 12, () => this.#produce())
    this.#every(10, 30, () => this.#consume())
    this.#every(40, 160, () => this.#harm())
    await this.#runUntil(faultyMs)
    this.#calm()
    await this.#runUntil(faultyMs + 2_500)
    this.#checkEnd()
    const elections = this.#controller.partitions().map(({ image }) => image.leaderEpoch)
    return {
      seed: this.#seed,
      events: this.#eventCount,
      acknowledged: this.#acknowledged.size,
      committed: this.#history.reduce((sum, records) => sum + records.length, 0),
      crashes: this.#crashes,
      elections: elections.reduce((sum, epochs) => sum + epochs, 0),
    }
  }

  // Time

  #at(delayMs: number, run: () => void): void {
    const event = { atMs: this.#nowMs + delayMs, sequence: this.#sequence++, run }
    let low = 0
    let high = this.#events.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#events[middle] as Event).atMs <= event.atMs) low = middle + 1
      else high = middle
    }
    this.#events.splice(low, 0, event)
  }

  #every(minMs: number, maxMs: number, run: () => void): void {
    this.#at(this.#random.between(minMs, maxMs), () => {
      if (this.#isCalm) return
      run()
      this.#every(minMs, maxMs, run)
    })
  }

  async #runUntil(endMs: number): Promise<void> {
    for (let next = this.#events[0]; next && next.atMs <= endMs; next = this.#events[0]) {
      this.#events.shift()
      this.#nowMs = next.atMs
      this.#eventCount++
      next.run()
      // Promises that the event settled run to their end before anything else happens.
      await new Promise(resolve => setImmediate(resolve))
      if (this.#fault) throw this.#fault
      this.#check()
    }
    this.#nowMs = endMs
  }

  #clockOf(node: Node): Clock {
    const { incarnation } = node
    return {
      monotonicMs: () => this.#nowMs,
      wallMs: () => this.#nowMs,
      wakeAt: (deadlineMs, wake) => {
        let isCancelled = false
        this.#at(Math.max(0, deadlineMs - this.#nowMs), () => {
          if (!isCancelled && node.incarnation === incarnation) wake()
        })
        return () => {
          isCancelled = true
        }
      },
    }
  }

  // Network

  #delayMs(): number {
    if (this.#isCalm) return 1
    // Now and then one is late by several leaderships.
    return this.#random.chance(1, 40) ? this.#random.between(100, 500) : this.#random.between(1, 8)
  }

  #isLost(from: BrokerId, to: BrokerId): boolean {
    if (this.#isCalm) return false
    return this.#cutOff.has(from) || this.#cutOff.has(to) || this.#random.chance(1, 60)
  }

  /** A call of `node` that may never arrive, or whose answer may not; then it ends after `timeoutMs`. */
  #call<T>(node: Node, to: BrokerId, timeoutMs: number, serve: () => Promise<T>): Promise<T> {
    const { incarnation } = node
    return new Promise((resolve, reject) => {
      const deliver = (settle: () => void): void => {
        if (node.incarnation === incarnation) settle()
      }
      this.#at(timeoutMs, () => deliver(() => reject(new ClusterError('RPC_TIMEOUT', 'simulated'))))
      if (this.#isLost(node.id, to)) return
      this.#at(this.#delayMs(), () => {
        serve().then(
          answer => {
            if (!this.#isLost(to, node.id))
              this.#at(this.#delayMs(), () => deliver(() => resolve(answer)))
          },
          (error: unknown) => {
            this.#at(this.#delayMs(), () => deliver(() => reject(error as Error)))
          },
        )
      })
    })
  }

  #peersOf(node: Node): ReplicaFetchChannel {
    return {
      fetch: (leader, request) =>
        this.#call(node, leader, request.maxWaitMs + 60, () => {
          const { manager } = this.#node(leader)
          if (!manager) return Promise.reject(new ClusterError('RPC_UNAVAILABLE', 'simulated'))
          return manager.replicaFetch(structuredClone(request))
        }),
    }
  }

  #controllerOf(node: Node): ControllerChannel {
    const request = (kind: string, asked: unknown): Promise<unknown> =>
      this.#call(node, 0, 80, () => {
        if (kind !== 'alterPartition') return Promise.resolve({ errorCode: 0, errorMessage: null })
        // A shrink that arrives after its sender lost its tail would leave that sender alone in the ISR: without
        // eligible leader replicas (KIP-966) that is more than one fault.
        if (node.isLossy) return Promise.reject(new ClusterError('RPC_UNAVAILABLE', 'simulated'))
        return Promise.resolve(this.#controller.alterPartition(asked as never))
      })
    return { request } as ControllerChannel
  }

  // Nodes

  #node(id: BrokerId): Node {
    const node = this.#nodes[id - 1]
    assert(node !== undefined, 'brokers are numbered from 1')
    return node
  }

  #boot(node: Node): void {
    const clock = this.#clockOf(node)
    node.manager = new ReplicaManager({
      brokerId: node.id,
      clock,
      random: node.random.fork(node.incarnation),
      logs: node.openLogs(clock),
      controller: this.#controllerOf(node),
      peers: this.#peersOf(node),
      config,
      logEvent: (level, phrase, fields) => {
        this.#trace?.(`${this.#nowMs} broker ${node.id}: ${phrase} ${JSON.stringify(fields)}`)
        if (level === 'error') this.#fail(`${phrase} on broker ${node.id}`, fields)
      },
      epochs: { brokerEpoch: () => node.brokerEpoch },
      bugs: this.#bugs,
    })
    node.verified.clear()
    node.metadataAtMs = this.#nowMs
    const { image } = this.#controller
    this.#deliver(node, () => [deltaBetween(emptyImage, image), image])
  }

  #publish(delta: Delta, image: Image): void {
    const partitions = [...image.topicsById.values()].flatMap(topic => topic.partitions)
    this.#trace?.(`${this.#nowMs} metadata ${image.endOffset}: ${JSON.stringify(partitions)}`)
    for (const node of this.#nodes) if (node.manager) this.#deliver(node, () => [delta, image])
  }

  #deliver(node: Node, change: () => [Delta, Image]): void {
    const { incarnation } = node
    node.metadataAtMs = Math.max(node.metadataAtMs, this.#nowMs + this.#delayMs())
    this.#at(node.metadataAtMs - this.#nowMs, () => {
      if (node.incarnation === incarnation) node.manager?.onMetadata(...change())
    })
  }

  #stop(node: Node, how: 'clean' | 'killed' | 'powerLoss'): void {
    this.#crashes++
    if (how === 'clean') void node.manager?.shutdown()
    node.incarnation++
    node.manager = null
    node.brokerEpoch = -1
    if (how === 'powerLoss') node.isLossy = true
    node.crash(how === 'powerLoss')
    // A dead process breaks its connections; a silent one is found by its session.
    const { incarnation } = node
    this.#at(this.#random.between(5, 60), () => {
      if (node.incarnation === incarnation && !node.manager) this.#controller.fence(node.id)
    })
    this.#at(this.#random.between(20, 300), () => this.#start(node, incarnation))
  }

  #start(node: Node, incarnation: number): void {
    if (node.incarnation !== incarnation || node.manager) return
    node.brokerEpoch = this.#controller.register(node.id, !node.isLossy)
    node.isLossy = false
    this.#boot(node)
    this.#unfenceLater(node)
  }

  #unfenceLater(node: Node): void {
    const { incarnation, brokerEpoch } = node
    this.#at(this.#random.between(5, 60), () => {
      if (node.incarnation === incarnation) this.#controller.unfence(node.id, brokerEpoch)
    })
  }

  // Faults

  #harm(): void {
    const node = this.#random.pick(this.#nodes)
    const others = this.#nodes.filter(other => other !== node)
    const isQuiet = others.every(other => other.manager && !other.isLossy)
    switch (this.#random.between(0, 7)) {
      case 0:
      case 1:
        if (node.manager && !this.#someLossy()) this.#stop(node, 'killed')
        return
      case 2:
        if (node.manager && !this.#someLossy()) this.#stop(node, 'clean')
        return
      case 3:
        if (node.manager && isQuiet && this.#canLose(node)) this.#stop(node, 'powerLoss')
        return
      case 4:
        if (!this.#someLossy()) {
          this.#controller.fence(node.id)
          this.#unfenceLater(node)
        }
        return
      case 5:
        this.#cutOff.add(node.id)
        this.#at(this.#random.between(20, 400), () => this.#cutOff.delete(node.id))
        return
      case 6:
        node.flush()
        return
      default:
        this.#cutOff.clear()
    }
  }

  #someLossy(): boolean {
    return this.#nodes.some(node => node.isLossy)
  }

  /** The budget: one that loses its tail, while another of each ISR lives on with what is committed. */
  #canLose(node: Node): boolean {
    return this.#controller.partitions().every(({ image }) => {
      return image.isr.some(id => id !== node.id && this.#node(id).manager !== null)
    })
  }

  #calm(): void {
    this.#isCalm = true
    this.#cutOff.clear()
    for (const node of this.#nodes) {
      if (!node.manager) this.#start(node, node.incarnation)
      else this.#controller.unfence(node.id, node.brokerEpoch)
    }
  }

  // Workload

  #produce(): void {
    const node = this.#random.pick(this.#nodes)
    const partition = this.#random.between(0, partitionCount - 1)
    const { manager } = node
    if (!manager) return
    const value = ++this.#value
    const batch = encodeBatch({
      records: [{ key: null, value: new Uint8Array(40), headers: [], timestampMs: value }],
    })
    const acks = this.#random.chance(1, 4) ? 1 : -1
    const header = readBatchHeader(batch, 0)
    void manager
      .append({ acks, timeoutMs: 300, partitions: [{ topicId, partition, batch, header }] })
      .then(([result]) => {
        const { errorCode, baseOffset } = result as AppendResult
        if (errorCode !== 0 || acks !== -1) return
        this.#acknowledged.set(value, { partition, offset: baseOffset })
        this.#claims.push(() => {
          if (this.#history[partition]?.[baseOffset]?.value === value) return
          this.#fail('P1: acknowledged before it was committed', { partition, baseOffset, value })
        })
      })
  }

  #consume(): void {
    const { manager } = this.#random.pick(this.#nodes)
    const partition = this.#random.between(0, partitionCount - 1)
    const history = this.#history[partition] as Committed[]
    if (!manager) return
    const fetchOffset = this.#random.between(Math.max(0, history.length - 30), history.length)
    void manager
      .fetch(
        {
          maxWaitMs: this.#random.between(0, 40),
          minBytes: 1,
          maxBytes: 100_000,
          isolation: 'readUncommitted',
          allowFollower: true,
          partitions: [
            {
              topicId,
              partition,
              fetchOffset,
              currentLeaderEpoch: -1,
              lastFetchedEpoch: -1,
              maxBytes: 100_000,
            },
          ],
        },
        notClosed,
      )
      .then(([result]) => {
        if (!result || result.errorCode !== 0 || result.records.length === 0) return
        this.#claims.push(() => this.#checkConsumed(result, history))
      })
  }

  #checkConsumed(result: FetchResult, history: readonly Committed[]): void {
    for (let at = 0; at < result.records.length;) {
      const { baseOffset, baseTimestampMs, lastOffset, sizeBytes } = readBatchHeader(
        result.records,
        at,
      )
      if (history[baseOffset]?.value !== baseTimestampMs) {
        this.#fail('P12: a consumer saw what is not committed', { baseOffset, baseTimestampMs })
      }
      if (lastOffset >= result.highWatermark) this.#fail('P12: above the high watermark')
      at += sizeBytes
    }
  }

  // What must hold

  #fail(what: string, fields?: Readonly<Record<string, unknown>>): void {
    const where = `seed ${this.#seed}, ${this.#nowMs} ms`
    this.#fault ??= new Error(`${what} (${where}) ${JSON.stringify(fields ?? {})}`)
  }

  #check(): void {
    for (const { image } of this.#controller.partitions()) {
      const history = this.#history[image.partition] as Committed[]
      for (const node of this.#nodes) {
        const replica = node.manager?.partition(topicId, image.partition) as Partition | undefined
        if (!replica) continue
        this.#checkReplica(node, replica, history)
        const isLeader = replica.leading?.leaderEpoch === image.leaderEpoch
        if (isLeader && replica.leading) {
          const counted = maximalIsr(replica.leading.isrState)
          const isQuorum = image.isr.every(id => counted.has(id))
          if (!isQuorum && replica.leading.hasEnoughReplicas) {
            this.#fail('P4: the controller may elect whom the leader does not count', {
              isr: image.isr,
            })
          }
        }
      }
      for (const id of image.isr) {
        const node = this.#node(id)
        const replica = node.manager?.partition(topicId, image.partition)
        if (!replica || node.isLossy) continue
        if (replica.logEndOffset < history.length) {
          const { logEndOffset } = replica
          this.#fail('P3: a member of the ISR lacks what is committed', {
            id,
            logEndOffset,
            committed: history.length,
          })
        }
      }
    }
    for (const claim of this.#claims.splice(0)) claim()
    if (this.#fault) throw this.#fault
  }

  #checkReplica(node: Node, replica: Partition, history: Committed[]): void {
    const { highWatermark, logEndOffset, partition } = replica
    if (highWatermark > logEndOffset) this.#fail('P5: high watermark above the log end')
    const from = Math.min(node.verified.get(partition) ?? 0, highWatermark)
    if (replica.leading && highWatermark > from && node.verified.has(partition)) {
      if (replica.leading.isrState.isr.size < minInsyncReplicas) {
        this.#fail('P5: the high watermark moved with too few in sync', { highWatermark, from })
      }
    }
    for (let offset = from; offset < highWatermark; offset++) {
      const batch = recordAt(replica.log, offset)
      const known = history[offset]
      if (!batch) {
        this.#fail('P12: a hole below the high watermark', { id: node.id, offset })
        return
      }
      if (!known) history.push({ epoch: batch.epoch, value: batch.value })
      else if (known.epoch !== batch.epoch || known.value !== batch.value) {
        this.#fail('P7: two records at one committed offset', {
          id: node.id,
          offset,
          known,
          epoch: batch.epoch,
        })
      }
    }
    node.verified.set(partition, highWatermark)
  }

  #checkEnd(): void {
    for (const { image } of this.#controller.partitions()) {
      const history = this.#history[image.partition] as Committed[]
      const isrs = image.isr.toSorted((a, b) => a - b).join()
      if (isrs !== '1,2,3') this.#fail('P16: the ISR does not come back', { isr: image.isr })
      for (const node of this.#nodes) {
        const replica = node.manager?.partition(topicId, image.partition)
        const ends = [replica?.highWatermark, replica?.logEndOffset]
        if (ends.some(end => end !== history.length)) {
          this.#fail('P16: a replica does not catch up', {
            id: node.id,
            ends,
            committed: history.length,
          })
        }
      }
    }
    for (const [value, { partition, offset }] of this.#acknowledged) {
      if (this.#history[partition]?.[offset]?.value !== value)
        this.#fail('P1: an acknowledged record is lost')
    }
    if (this.#fault) throw this.#fault
  }
}
