import { assert, type Clock, must, Prng } from '@trimaran/common'
import {
  Controller,
  type ControllerBug,
  type ControllerConfig,
  type MetadataLog,
} from '@trimaran/controller'
import {
  type ControllerRequests,
  emptyImage,
  encodeRecords,
  errorCodes,
  type Image,
  type MetadataEntry,
  MetadataLoader,
  type MetadataRecord,
  type PartitionImage,
  type Transition,
} from '@trimaran/metadata'

export class SimulatedClock implements Clock {
  nowMs = 0
  readonly #wakes = new Set<{ readonly atMs: number; readonly wake: () => void }>()

  monotonicMs(): number {
    return this.nowMs
  }
  wallMs(): number {
    return 1_000_000 + this.nowMs
  }
  wakeAt(deadlineMs: number, wake: () => void): () => void {
    const entry = { atMs: deadlineMs, wake }
    this.#wakes.add(entry)
    return () => this.#wakes.delete(entry)
  }
  /** Passes the time, waking on the way. */
  pass(ms: number): void {
    const endMs = this.nowMs + ms
    for (;;) {
      const due = [...this.#wakes].filter(entry => entry.atMs <= endMs)
      const [next] = due.toSorted((a, b) => a.atMs - b.atMs)
      if (next === undefined) break
      this.nowMs = Math.max(this.nowMs, next.atMs)
      this.#wakes.delete(next)
      next.wake()
    }
    this.nowMs = endMs
  }
  /** One turn: what is due now, and not what that asks for. False: nothing was. */
  turn(): boolean {
    const due = [...this.#wakes].filter(entry => entry.atMs <= this.nowMs)
    for (const entry of due) {
      if (this.#wakes.delete(entry)) entry.wake()
    }
    return due.length > 0
  }
  /** The process stands still: what was due comes late. */
  stall(ms: number): void {
    this.nowMs += ms
    this.pass(0)
  }
}

/** The quorum's log as its leader sees it; commits when it is told to. */
export class SimulatedLog implements MetadataLog {
  readonly entries: MetadataEntry[] = []
  isLeading = true
  nextOffset = 1
  /** What was appended since the last look. */
  appended: MetadataRecord[] = []

  append(records: readonly MetadataRecord[]): { offset: number; endOffset: number } | null {
    if (!this.isLeading) return null
    const offset = this.nextOffset++
    this.entries.push({ offset, payload: encodeRecords(records) })
    this.appended.push(...records)
    return { offset, endOffset: offset + 1 }
  }
}

export const uuid = (number: number): string => `${number}`.padStart(21, 'U') + 'A'

type Requests = ControllerRequests

/** One controller on simulated ports, and a loader behind its log. */
export class TestCluster {
  readonly clock: SimulatedClock
  readonly log: SimulatedLog
  readonly loader: MetadataLoader
  readonly transitions: Transition[] = []
  readonly controller: Controller
  readonly events: string[] = []
  #incarnation = 0

  constructor(
    options: {
      readonly config?: Partial<ControllerConfig>
      readonly bugs?: readonly ControllerBug[]
      readonly seed?: number
      /** Takes over what another controller has left. */
      readonly after?: TestCluster
    } = {},
  ) {
    this.clock = options.after?.clock ?? new SimulatedClock()
    this.log = options.after?.log ?? new SimulatedLog()
    this.loader = new MetadataLoader({
      publishers: [],
      onTransition: transition => this.transitions.push(transition),
    })
    this.#incarnation = options.after === undefined ? 0 : 1000
    this.controller = new Controller({
      clock: this.clock,
      random: new Prng(options.seed ?? 1),
      log: this.log,
      config: {
        clusterId: 'cluster',
        sessionTimeoutMs: 9000,
        defaultPartitionCount: 1,
        defaultReplicationFactor: 3,
        uncleanLeaderElectionEnable: false,
        staticBrokerConfig: new Map(),
        autoLeaderRebalanceEnable: false,
        leaderImbalanceCheckIntervalMs: 300_000,
        deleteTopicEnable: true,
        describeQuorum: () => ({
          errorCode: 0,
          errorMessage: null,
          leaderId: 1,
          leaderEpoch: 1,
          highWatermark: 0,
          voters: [],
          observers: [],
        }),
        changeVoters: () => 'notLeading',
        ...options.config,
      },
      logEvent: (_level, phrase, fields) => this.events.push(`${phrase} ${JSON.stringify(fields)}`),
      bugs: new Set(options.bugs),
    })
  }

  /** A cluster whose controller is active and whose brokers are unfenced. */
  static async of(
    brokerIds: readonly number[],
    options: ConstructorParameters<typeof TestCluster>[0] = {},
  ): Promise<TestCluster> {
    const cluster = new TestCluster(options)
    cluster.activate()
    for (const brokerId of brokerIds) await cluster.start(brokerId)
    return cluster
  }

  get image(): Image {
    return this.loader.image
  }

  activate(): void {
    this.load()
    this.controller.activate(1, this.image)
    this.commit()
  }

  load(): void {
    const { endOffset } = this.image
    const fresh = this.log.entries.filter(entry => entry.offset >= endOffset)
    this.loader.committed(fresh, Math.max(endOffset, this.log.nextOffset))
  }

  commit(): void {
    this.load()
    this.controller.committed(this.image)
  }

  /** Asks, commits, answers. */
  async ask<K extends keyof Requests>(
    kind: K,
    request: Requests[K]['request'],
  ): Promise<Requests[K]['response']> {
    const answer = this.controller.request(kind, request)
    this.commit()
    return await answer
  }

  /** Another process that says it is this broker, on a data directory of its own. */
  twinOf(brokerId: number): Requests['registerBroker']['request'] {
    return this.registration(brokerId, { logDirs: [uuid(1000 + brokerId)] })
  }

  registration(
    brokerId: number,
    change: Partial<Requests['registerBroker']['request']> = {},
  ): Requests['registerBroker']['request'] {
    return {
      brokerId,
      clusterId: 'cluster',
      incarnationId: uuid(++this.#incarnation),
      endpoints: [{ listener: 'PLAINTEXT', host: 'h', port: 9092, securityProtocol: 'PLAINTEXT' }],
      nodeHost: 'h',
      nodePort: 9093,
      rack: null,
      logDirs: [uuid(brokerId)],
      previousBrokerEpoch: -1,
      ...change,
    }
  }

  /** Registers and unfences. Its epoch. */
  async start(
    brokerId: number,
    change: Partial<Requests['registerBroker']['request']> = {},
  ): Promise<number> {
    const { brokerEpoch } = await this.ask('registerBroker', this.registration(brokerId, change))
    await this.beat(brokerId)
    return brokerEpoch
  }

  epoch(brokerId: number): number {
    return must(this.image.brokers.get(brokerId), `broker ${brokerId}`).epoch
  }

  beat(
    brokerId: number,
    change: Partial<Requests['heartbeat']['request']> = {},
  ): Promise<Requests['heartbeat']['response']> {
    return this.ask('heartbeat', {
      brokerId,
      brokerEpoch: this.epoch(brokerId),
      metadataOffset: this.image.endOffset,
      wantFence: false,
      wantShutDown: false,
      ...change,
    })
  }

  /** The process dies, and everyone notices. */
  kill(brokerId: number): void {
    this.controller.peerGone(brokerId)
    this.commit()
  }

  /** Creates a topic whose replicas are given partition by partition. */
  async topic(
    name: string,
    assignments: readonly (readonly number[])[],
    configs: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const { topics } = await this.ask('createTopics', {
      validateOnly: false,
      topics: [
        {
          name,
          partitionCount: -1,
          replicationFactor: -1,
          assignments: assignments.map((brokerIds, partition) => ({ partition, brokerIds })),
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
    })
    const [answer] = topics
    assert(answer?.errorCode === 0, `topic ${name}: ${answer?.errorMessage}`)
    return answer.topicId
  }

  partition(name: string, number: number): PartitionImage {
    return must(this.image.topicsByName.get(name)?.partitions[number], `${name}-${number}`)
  }

  /** `leader/isr` and what is special: `1/1,2 elr 3 recovering`. */
  describe(name: string, number = 0): string {
    const { leader, isr, elr = [], lastKnownElr = [], recovering } = this.partition(name, number)
    const eligible =
      (elr.length === 0 ? '' : ` elr ${elr.join()}`) +
      (lastKnownElr.length === 0 ? '' : ` last ${lastKnownElr.join()}`)
    return `${leader}/${isr.join()}${eligible}${recovering ? ' recovering' : ''}`
  }

  /** The partition's leader asks for an ISR; the name of the answer's error. */
  async alterIsr(
    name: string,
    isr: readonly number[],
    change: {
      readonly leaderEpoch?: number
      readonly partitionEpoch?: number
      readonly brokerId?: number
      readonly memberEpoch?: number
      readonly recovering?: boolean
      readonly number?: number
    } = {},
  ): Promise<string> {
    const image = this.partition(name, change.number ?? 0)
    const brokerId = change.brokerId ?? image.leader
    const { partitions } = await this.ask('alterPartition', {
      brokerId,
      brokerEpoch: this.epoch(brokerId),
      partitions: [
        {
          topicId: must(this.image.topicsByName.get(name), name).id,
          partition: image.partition,
          leaderEpoch: change.leaderEpoch ?? image.leaderEpoch,
          partitionEpoch: change.partitionEpoch ?? image.partitionEpoch,
          newIsr: isr.map(id => ({
            brokerId: id,
            brokerEpoch: change.memberEpoch ?? this.image.brokers.get(id)?.epoch ?? 0,
          })),
          recovering: change.recovering ?? false,
        },
      ],
    })
    return nameOf(must(partitions[0], 'one answer').errorCode)
  }

  /** The name of the answer's error. Null cancels. */
  async reassign(
    name: string,
    replicas: readonly number[] | null,
    options: { readonly number?: number; readonly allowReplicationFactorChange?: boolean } = {},
  ): Promise<string> {
    const { number: partition = 0, allowReplicationFactorChange = true } = options
    const { partitions } = await this.ask('alterPartitionReassignments', {
      allowReplicationFactorChange,
      partitions: [{ topic: name, partition, replicas }],
    })
    return nameOf(must(partitions[0], 'one answer').errorCode)
  }

  /** `1,2,3 +3 -2 leader/isr…`. */
  describeReplicas(name: string, number = 0): string {
    const { replicas, addingReplicas, removingReplicas } = this.partition(name, number)
    const adding = addingReplicas.map(id => ` +${id}`).join('')
    const removing = removingReplicas.map(id => ` -${id}`).join('')
    return `${replicas.join()}${adding}${removing} ${this.describe(name, number)}`
  }
}

export const nameOf = (code: number): string =>
  Object.entries(errorCodes).find(([, each]) => each === code)?.[0] ?? `${code}`

export const noImage: Image = emptyImage
