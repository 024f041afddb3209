import {
  assert,
  type BrokerId,
  type Clock,
  ClusterError,
  type LogEvent,
  type NodeId,
  type Offset,
  OffsetWaiters,
  type QuorumEpoch,
  type Random,
} from '@trimaran/common'
import {
  type ControllerRequests,
  Delta,
  effectiveBrokerConfig,
  type Image,
  type MetadataRecord,
} from '@trimaran/metadata'
import { alterPartition } from './alter-partition.ts'
import {
  continued,
  endIncarnation,
  fenceBroker,
  heartbeat,
  registerBroker,
  unregisterBroker,
} from './brokers.ts'
import {
  type Cluster,
  type ControllerBug,
  type ControllerConfig,
  type Decision,
  type Part,
  type Rest,
  recordsPerEntryMax,
  recordsPerOperationMax,
} from './cluster.ts'
import { ClusterIndex } from './cluster-index.ts'
import { alterConfigs } from './configs.ts'
import { replicasDeleted } from './deletion.ts'
import { electLeaders, rebalanceLeaders } from './elections.ts'
import { HeartbeatsSoft } from './heartbeats-soft.ts'
import { type ControllerMetrics, metricsOf, metricsWhenInactive } from './metrics.ts'
import { electLeaderless } from './partition-changes.ts'
import { allocateProducerIds } from './producer-ids.ts'
import { addRaftVoter, removeRaftVoter } from './raft-voters.ts'
import { alterPartitionReassignments } from './reassignments.ts'
import { createPartitions, createTopics, deleteTopics } from './topics.ts'

/** All or nothing. */
const userOperations: ReadonlySet<Kind> = new Set([
  'createTopics',
  'deleteTopics',
  'createPartitions',
  'alterConfigs',
  'alterPartitionReassignments',
])

/** The quorum's log, seen from its leader. */
export interface MetadataLog {
  /** One entry, all or nothing. Null: this node does not lead. */
  append(
    records: readonly MetadataRecord[],
  ): { readonly offset: Offset; readonly endOffset: Offset } | null
  /** Where the next entry will be. */
  readonly nextOffset: Offset
}

type Kind = keyof ControllerRequests
type RequestOf<K extends Kind> = ControllerRequests[K]['request']
type ResponseOf<K extends Kind> = ControllerRequests[K]['response']

interface ParkedAnswer {
  readonly response: ResponseOf<Kind>
  readonly resolve: (response: ResponseOf<Kind>) => void
  readonly reject: (error: ClusterError) => void
}

/** Everything that is only there while this node is the active controller. */
interface Term {
  readonly epoch: QuorumEpoch
  /** Committed and pending: the committed image shares its structure. */
  view: Image
  readonly index: ClusterIndex
  readonly soft: HeartbeatsSoft
  readonly waiters: OffsetWaiters<ParkedAnswer>
  committedEnd: Offset
  /** End of what this controller has appended. */
  pendingEnd: Offset
  nextRebalanceMs: number
  /** What large changes still take, by their names; a part of one in each turn. */
  readonly rests: Map<string, Rest>
}

/** Answers that wait for the quorum. One is about 1 kB; beyond this the quorum is stuck, and waiting helps nobody. */
const parkedAnswersMax = 10_000

/**
 * A wake-up that comes this part of a session late means that this process stood still: brokers' heartbeats wait unread,
 * and nobody may be fenced for it (KAFKA-15019).
 */
const stallPartOfSession = 1 / 4

const notController = (): ClusterError =>
  new ClusterError('NOT_CONTROLLER', 'this node is not the active controller')

const noLonger = (): ClusterError =>
  new ClusterError(
    'RPC_UNAVAILABLE',
    'this node stopped being the controller before it could answer',
  )

/**
 * The loop of the control plane: decide on the view → replay into the view → append → park the answer → answer when
 * committed. A decision is synchronous, so commands never interleave. Losing leadership drops the view and fails what is
 * parked; nothing is ever undone.
 */
export class Controller {
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: MetadataLog
  readonly #config: ControllerConfig
  readonly #logEvent: LogEvent
  readonly #bugs: ReadonlySet<ControllerBug>
  /** Nodes whose links are broken, whether or not this node leads: a new controller knows them at once. */
  readonly #gone = new Set<NodeId>()
  #term: Term | null = null
  #wake: { readonly atMs: number; readonly cancel: () => void } | null = null
  /** Until the turn for what large changes still take. */
  #cancelTurn: (() => void) | null = null

  constructor(options: {
    readonly clock: Clock
    readonly random: Random
    readonly log: MetadataLog
    readonly config: ControllerConfig
    readonly logEvent: LogEvent
    /** For tests of the tests. */
    readonly bugs?: ReadonlySet<ControllerBug>
  }) {
    this.#clock = options.clock
    this.#random = options.random
    this.#log = options.log
    this.#config = options.config
    this.#logEvent = options.logEvent
    this.#bugs = options.bugs ?? new Set()
  }

  get isActive(): boolean {
    return this.#term !== null
  }

  get metrics(): ControllerMetrics {
    const term = this.#term
    return term === null
      ? metricsWhenInactive
      : metricsOf(term.view, term.index, term.waiters.count)
  }

  /** This node leads the quorum in `epoch`, and `image` is everything before it. */
  activate(epoch: QuorumEpoch, image: Image): void {
    this.resign()
    const nowMs = this.#clock.monotonicMs()
    const soft = new HeartbeatsSoft(this.#config.sessionTimeoutMs)
    for (const broker of image.brokers.values()) {
      if (!broker.fenced) soft.grant(broker.id, broker.epoch, nowMs)
    }
    const term: Term = {
      epoch,
      view: image,
      index: new ClusterIndex(image),
      soft,
      waiters: new OffsetWaiters<ParkedAnswer>((answer, outcome) => {
        if (outcome === 'passed') answer.resolve(answer.response)
        else answer.reject(noLonger())
      }),
      committedEnd: image.endOffset,
      pendingEnd: image.endOffset,
      nextRebalanceMs: this.#config.autoLeaderRebalanceEnable
        ? nowMs + this.#config.leaderImbalanceCheckIntervalMs
        : Infinity,
      rests: new Map(),
    }
    this.#term = term
    this.#logEvent('info', 'controller active', { quorumEpoch: epoch })
    this.#writePart(term, this.#firstRecords(term))
    for (const nodeId of this.#gone) this.#fence(nodeId, 'peerGone')
    this.#schedule()
  }

  /** Another node leads, or none. What was appended may or may not be committed there. */
  resign(): void {
    const term = this.#term
    this.#term = null
    this.#wake?.cancel()
    this.#wake = null
    this.#cancelTurn?.()
    this.#cancelTurn = null
    if (term === null) return
    this.#logEvent('info', 'controller resigned', { quorumEpoch: term.epoch })
    term.waiters.failAll()
  }

  stop(): void {
    this.resign()
  }

  /** Entries were committed and applied. */
  committed(image: Image): void {
    const term = this.#term
    if (term === null) return
    term.committedEnd = Math.max(term.committedEnd, image.endOffset)
    // Equal in content to the view; taking it shares its memory with the rest of the node.
    if (image.endOffset >= term.pendingEnd) term.view = image
    term.waiters.advance(term.committedEnd)
  }

  /**
   * Resolves when what it wrote, or what its answer is based on, is committed. Rejects with ClusterError NOT_CONTROLLER
   * if this node is not active, and RPC_UNAVAILABLE if it is not any more: then the outcome is unknown. Throws
   * AssertionError if a decision does not fit the metadata: nothing was written, and the node must stop.
   */
  request<K extends Kind>(kind: K, request: RequestOf<K>): Promise<ResponseOf<K>> {
    const term = this.#term
    if (term === null) return Promise.reject(notController())
    if (term.waiters.count >= parkedAnswersMax) {
      const error = new ClusterError('RPC_UNAVAILABLE', 'too many requests wait for the quorum')
      return Promise.reject(error)
    }
    const decision = this.#decide(term, { kind, request } as Command)
    const isWhole = userOperations.has(kind)
    const entryMax = isWhole ? recordsPerOperationMax : recordsPerEntryMax
    const isWritten = this.#writePart(term, decision, entryMax)
    if (!isWritten) return Promise.reject(notController())
    const end = decision.waitsFor ?? term.pendingEnd
    if (end <= term.committedEnd) {
      return Promise.resolve(decision.response as ResponseOf<K>)
    }
    return new Promise((resolve, reject) => {
      const parked = { response: decision.response, resolve, reject } as unknown as ParkedAnswer
      term.waiters.park(end, parked)
    })
  }

  /** Its streams broke and a dial was refused or not answered: fenced at once if it is an unfenced broker. */
  peerGone(nodeId: NodeId): void {
    this.#gone.add(nodeId)
    this.#fence(nodeId, 'peerGone')
  }

  peerReachable(nodeId: NodeId): void {
    this.#gone.delete(nodeId)
  }

  #cluster(term: Term): Cluster {
    return {
      image: term.view,
      index: term.index,
      config: this.#config,
      random: this.#random,
      nextOffset: this.#log.nextOffset,
      bugs: this.#bugs,
    }
  }

  #decide(term: Term, command: Command): Decision<ResponseOf<Kind>> {
    const cluster = this.#cluster(term)
    switch (command.kind) {
      case 'registerBroker':
        return this.#register(term, command.request)
      case 'heartbeat':
        return this.#heartbeat(term, command.request)
      case 'alterPartition':
        return alterPartition(cluster, command.request)
      case 'replicasDeleted':
        return replicasDeleted(cluster, command.request)
      case 'allocateProducerIds':
        return allocateProducerIds(cluster, command.request)
      case 'createTopics':
        return createTopics(cluster, command.request)
      case 'deleteTopics':
        return deleteTopics(cluster, command.request)
      case 'createPartitions':
        return createPartitions(cluster, command.request)
      case 'alterConfigs':
        return alterConfigs(cluster, command.request)
      case 'electLeaders':
        return electLeaders(cluster, command.request)
      case 'alterPartitionReassignments':
        return alterPartitionReassignments(cluster, command.request)
      case 'unregisterBroker':
        term.soft.end(command.request.brokerId)
        return unregisterBroker(cluster, command.request)
      case 'addRaftVoter':
        return addRaftVoter(cluster, command.request)
      case 'removeRaftVoter':
        return removeRaftVoter(cluster, command.request)
      case 'describeQuorum':
        return { records: [], response: this.#config.describeQuorum() }
    }
  }

  #register(
    term: Term,
    request: RequestOf<'registerBroker'>,
  ): Decision<ResponseOf<'registerBroker'>> {
    const nowMs = this.#clock.monotonicMs()
    const { brokerId } = request
    const former = term.view.brokers.get(brokerId)
    const decision = registerBroker(this.#cluster(term), term.soft, request, nowMs)
    if (decision.records.length === 0) return decision
    if (former !== undefined) {
      const ending = endIncarnation(this.#cluster(term), former, request.previousBrokerEpoch)
      // Entries of their own; if leadership is lost here, the registration's append will tell.
      this.#write(term, ending)
    }
    const registered = registerBroker(this.#cluster(term), term.soft, request, nowMs)
    const { brokerEpoch } = registered.response
    this.#gone.delete(brokerId)
    term.soft.touch(brokerId, brokerEpoch, nowMs)
    this.#wakeNoLaterThan(nowMs + this.#config.sessionTimeoutMs)
    this.#logEvent('info', 'broker registered', { brokerId, brokerEpoch })
    return registered
  }

  #heartbeat(term: Term, request: RequestOf<'heartbeat'>): Decision<ResponseOf<'heartbeat'>> {
    const { brokerId, brokerEpoch, metadataOffset } = request
    const before = term.view.brokers.get(brokerId)
    if (before?.epoch === brokerEpoch) {
      const nowMs = this.#clock.monotonicMs()
      this.#gone.delete(brokerId)
      term.soft.touch(brokerId, brokerEpoch, nowMs, metadataOffset)
      this.#wakeNoLaterThan(nowMs + this.#config.sessionTimeoutMs)
    }
    const decision = heartbeat(this.#cluster(term), term.soft, request)
    const { isFenced, shouldShutDown } = decision.response
    if (before !== undefined && before.fenced !== isFenced) {
      const why = shouldShutDown ? 'controlledShutdown' : 'asked'
      this.#logEvent('info', isFenced ? 'broker fenced' : 'broker unfenced', { brokerId, why })
    }
    return decision
  }

  #fence(brokerId: BrokerId, why: 'peerGone' | 'sessionTimeout'): void {
    const term = this.#term
    if (term === null) return
    term.soft.end(brokerId)
    const part = fenceBroker(this.#cluster(term), brokerId)
    if (part.records.length === 0) return
    this.#logEvent('info', 'broker fenced', { brokerId, why })
    this.#writePart(term, part)
  }

  /**
   * min.insync.replicas is one value for the whole cluster, so that eligible leader replicas mean the same everywhere
   * (KIP-966); and what the configuration of this node allows is elected now.
   */
  #firstRecords(term: Term): Part {
    const key = 'min.insync.replicas'
    const cluster = this.#cluster(term)
    const elections = electLeaderless(cluster)
    if (term.view.configs.get('broker:')?.has(key) === true) return elections
    const text = effectiveBrokerConfig(term.view, this.#config.staticBrokerConfig, null, key)
    const value = text ?? '1'
    const record = { kind: 'config', resourceType: 'broker', resourceName: '', key, value } as const
    return { ...elections, records: [record, ...elections.records] }
  }

  /** And what is left of it follows, each part in a turn of its own. */
  #writePart(term: Term, { records, rest }: Part, entryMax?: number): boolean {
    if (!this.#write(term, records, entryMax)) return false
    if (rest !== undefined) term.rests.set(JSON.stringify(rest), rest)
    if (term.rests.size > 0) {
      this.#cancelTurn ??= this.#clock.wakeAt(this.#clock.monotonicMs(), () => this.#goOn())
    }
    return true
  }

  #goOn(): void {
    this.#cancelTurn = null
    const term = this.#term
    const [next] = term?.rests ?? []
    if (term === null || next === undefined) return
    const [name, rest] = next
    term.rests.delete(name)
    this.#writePart(term, continued(this.#cluster(term), rest))
  }

  /**
   * Replays first, so that what does not fit is never appended. False: this node does not lead any more, and has
   * resigned.
   */
  #write(
    term: Term,
    records: readonly MetadataRecord[],
    entryMax: number = recordsPerEntryMax,
  ): boolean {
    if (this.#term !== term) return false
    if (records.length === 0) return true
    const delta = new Delta(term.view)
    for (const record of records) delta.replay(record)
    let endOffset = term.pendingEnd
    for (let at = 0; at < records.length; at += entryMax) {
      const entry = records.slice(at, at + entryMax)
      const appended = this.#log.append(entry)
      if (appended === null) {
        this.resign()
        return false
      }
      for (const record of entry) this.#checkWritten(record, appended.offset)
      endOffset = appended.endOffset
    }
    term.view = delta.apply(endOffset)
    term.index.update(delta)
    term.pendingEnd = endOffset
    return true
  }

  #checkWritten(record: MetadataRecord, offset: Offset): void {
    if (record.kind === 'registerBroker') {
      const epoch: number = record.brokerEpoch
      assert(epoch === offset, 'a broker epoch is the offset of its registration')
    }
    if (record.kind === 'partitionChange' && record.recovering === true) {
      const { topicId, partition, leader } = record
      this.#logEvent('warn', 'unclean leader elected', { topicId, partition, leader })
    }
  }

  #wakeNoLaterThan(atMs: number): void {
    if (this.#wake === null || this.#wake.atMs > atMs) this.#wakeAt(atMs)
  }

  #wakeAt(atMs: number): void {
    this.#wake?.cancel()
    this.#wake = { atMs, cancel: this.#clock.wakeAt(atMs, () => this.#onWake(atMs)) }
  }

  #schedule(): void {
    const term = this.#term
    if (term === null) return
    const atMs = Math.min(term.soft.nextEndMs, term.nextRebalanceMs)
    this.#wake?.cancel()
    this.#wake = null
    if (atMs < Infinity) this.#wakeAt(atMs)
  }

  #onWake(dueMs: number): void {
    this.#wake = null
    const term = this.#term
    if (term === null) return
    const nowMs = this.#clock.monotonicMs()
    const lateMs = nowMs - dueMs
    if (lateMs > this.#config.sessionTimeoutMs * stallPartOfSession) {
      this.#logEvent('warn', 'controller stood still', { lateMs })
      term.soft.restartAll(nowMs)
    }
    for (const brokerId of term.soft.takeExpired(nowMs)) this.#fence(brokerId, 'sessionTimeout')
    if (nowMs >= term.nextRebalanceMs && this.#term === term) {
      term.nextRebalanceMs = nowMs + this.#config.leaderImbalanceCheckIntervalMs
      this.#write(term, rebalanceLeaders(this.#cluster(term)))
    }
    this.#schedule()
  }
}

type Command = { [K in Kind]: { readonly kind: K; readonly request: RequestOf<K> } }[Kind]
