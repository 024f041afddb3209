import { partitionKey } from '@trimaran/common'
import type { ClusterError, TopicId } from '@trimaran/common'
import type { PartitionLog } from '@trimaran/log'
import { configKey, deltaBetween, emptyImage } from '@trimaran/metadata'
import type { Image, LocalChanges, LocalPartition, PartitionImage } from '@trimaran/metadata'
import { errorCodes } from '@trimaran/protocol'
import type { BrokerId } from '@trimaran/common'
import type { ControllerChannel, ReplicaFetchRequest, ReplicaFetchResponse } from '../channels.ts'
import { BrokerMetrics } from '../metrics.ts'
import { ConsumerReads } from './consumer-reads.ts'
import type { ReplicationContext } from './context.ts'
import { DamagedReplicas } from './damaged-replicas.ts'
import { Deletions } from './deletions.ts'
import { Flusher } from './flusher.ts'
import { FollowerSide } from './follower-side.ts'
import { Housekeeping } from './housekeeping.ts'
import { LeaderSide } from './leader-side.ts'
import { isCounted } from './isr.ts'
import { LostReplicas } from './lost-replicas.ts'
import { PartitionTable } from './partition-table.ts'
import { PartitionEvents } from './partition-events.ts'
import { type PartitionOwner, Partition } from './partition.ts'
import { statusOf } from './status.ts'
import { TimerQueue } from './timers.ts'
import { Turns } from './turns.ts'
import type {
  AppendRequest,
  AppendResult,
  DeleteRecordsRequest,
  DeleteRecordsResult,
  FetchRequest,
  FetchResult,
  HostedPartition,
  LeadershipListener,
  ListOffsetRequest,
  ListOffsetResult,
  LogDirDescription,
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResult,
  ReplicaManagerOptions,
  Replicas,
  ReplicationStatus,
  Waiting,
} from './types.ts'

/** What of a Delta concerns replicas. */
export interface ReplicaDelta {
  readonly changedBrokers: ReadonlySet<BrokerId>
  readonly changedConfigs: ReadonlySet<string>
  localChanges(brokerId: BrokerId): LocalChanges
}

/** At some 20 µs each, a turn of the event loop takes a few milliseconds however much a delta changes. */
const replicasPerTurn = 250
/** Until the own registration is seen, its answer may be a turn away. */
const registrationCheckMs = 20

/**
 * The replicas of this broker. Metadata says which there are and who leads; this makes it so, and hands requests to the
 * side that serves them.
 *
 * Nothing is led or followed before the metadata has this incarnation of the broker: a leadership from before a restart
 * belongs to a log that may have been longer, and must not go on in the same epoch.
 */
export class ReplicaManager implements Replicas {
  readonly #options: ReplicaManagerOptions
  readonly #context: ReplicationContext
  readonly #table = new PartitionTable(emptyImage)
  readonly #reads: ConsumerReads
  readonly #leaderSide: LeaderSide
  readonly #followerSide: FollowerSide
  readonly #housekeeping: Housekeeping
  readonly #deletions: Deletions
  readonly #lost: LostReplicas
  readonly #damage: DamagedReplicas
  readonly #listeners = new Set<LeadershipListener>()
  readonly #turns: Turns
  readonly #owner: PartitionOwner = {
    settleProduce: (part, errorCode) =>
      part.produce.settle(this.#context.timers, part.index, errorCode),
    highWatermarkMoved: this.#table.highWatermarkMoved,
  }
  #isStarted = false
  #isStopped = false
  #cancelRegistrationCheck: (() => void) | null = null

  constructor(options: ReplicaManagerOptions) {
    this.#options = options
    const { brokerId, clock, random, config, logEvent, logs } = options
    const context: ReplicationContext = {
      brokerId,
      clock,
      random,
      timers: new TimerQueue(clock),
      table: this.#table,
      config,
      logEvent,
      metrics: options.metrics ?? new BrokerMetrics().replication,
      events: new PartitionEvents(clock, logEvent),
      brokerEpoch: () => options.epochs.brokerEpoch(),
      bugs: options.bugs ?? new Set(),
    }
    this.#context = context
    const storageFailed = (partition: Partition, error: ClusterError): void =>
      this.#storageFailed(partition, error)
    const flusher = new Flusher({
      durable: (partition, wasUnwritten) => {
        if (partition.leading) this.#leaderSide.durable(partition)
        else this.#followerSide.durable(partition, wasUnwritten)
      },
      failed: storageFailed,
    })
    this.#reads = new ConsumerReads(context)
    const fetches = this.#reads.purgatory
    const controller: ControllerChannel = options.controller
    this.#leaderSide = new LeaderSide({ context, controller, fetches, flusher, storageFailed })
    const { peers } = options
    this.#followerSide = new FollowerSide({ context, peers, fetches, flusher, storageFailed })
    const leaderSide = this.#leaderSide
    this.#housekeeping = new Housekeeping({ context, logs, leaderSide, flusher, storageFailed })
    this.#turns = new Turns({
      clock,
      stepsPerTurn: options.replicasPerTurn ?? replicasPerTurn,
      turnEnded: () => this.#followerSide.send(),
    })
    this.#deletions = new Deletions({ context, controller })
    this.#lost = new LostReplicas({ context, controller })
    this.#damage = new DamagedReplicas({
      context,
      lost: this.#lost,
      unfollow: partition => this.#followerSide.unfollow(partition),
    })
    logs.onDamage((topicId, number, error) => {
      const partition = this.#table.get(topicId, number)
      if (partition) this.#damage.found(partition, error)
    })
  }

  // Metadata

  onMetadata(delta: ReplicaDelta, image: Image): void {
    if (this.#isStopped) return
    this.#table.image = image
    if (!this.#isStarted) {
      this.#startWhenRegistered()
      return
    }
    const changes = delta.localChanges(this.#context.brokerId)
    this.#turns.run(this.#apply(changes, delta.changedConfigs, delta.changedBrokers.size > 0))
  }

  #startWhenRegistered(): void {
    const { brokerId, clock, brokerEpoch } = this.#context
    const { image } = this.#table
    this.#cancelRegistrationCheck?.()
    this.#cancelRegistrationCheck = null
    const registered = image.brokers.get(brokerId)?.epoch
    if (registered === undefined) return
    if (registered !== brokerEpoch()) {
      this.#cancelRegistrationCheck = clock.wakeAt(clock.monotonicMs() + registrationCheckMs, () =>
        this.#startWhenRegistered(),
      )
      return
    }
    this.#isStarted = true
    const changes = deltaBetween(emptyImage, image).localChanges(brokerId)
    this.#turns.run(this.#start(changes))
  }

  *#start(changes: LocalChanges): Generator<void> {
    // What the controller wants gone goes; only what nobody knows is kept aside.
    for (const { topicId, partitions } of changes.deletions) {
      for (const partition of partitions) yield this.#delete(topicId, partition)
    }
    const hosted = new Set<string>()
    for (const { topicId, image: partition } of [...changes.leaders, ...changes.followers]) {
      hosted.add(`${topicId}/${partition.partition}`)
    }
    this.#options.logs.strays((topicId, partition) => hosted.has(`${topicId}/${partition}`))
    this.#housekeeping.start()
    yield* this.#apply(changes, new Set(), false)
  }

  /** A replica a step. Deltas are applied in their order, each wholly before the next. */
  *#apply(
    changes: LocalChanges,
    changedConfigs: ReadonlySet<string>,
    areBrokersChanged: boolean,
  ): Generator<void> {
    // First: a topic of the same name may come in the same delta, and its logs take the same directories (B72).
    for (const { topicId, partition } of changes.deletes) yield this.#delete(topicId, partition)
    for (const { topicId, partitions } of changes.deletions) {
      for (const partition of partitions) yield this.#delete(topicId, partition)
      this.#deletions.acknowledge(topicId)
    }
    for (const local of changes.leaders) yield this.#lead(local)
    for (const local of changes.followers) yield this.#follow(local)
    if (changedConfigs.size > 0) yield* this.#reconfigure(changedConfigs)
    if (!areBrokersChanged) return
    this.#leaderSide.brokersChanged()
    this.#damage.brokersChanged()
  }

  #lead({ topicId, topicName, image }: LocalPartition): void {
    const partition = this.#host(topicId, topicName, image)
    if (!partition) return
    if (partition.failure) {
      partition.image = image
      this.#lost.giveUp(topicId, image.partition)
      return
    }
    if (partition.leading?.leaderEpoch === image.leaderEpoch) {
      this.#leaderSide.metadata(partition, image)
      this.#damage.handOver(partition)
      return
    }
    this.#followerSide.unfollow(partition)
    // Led on in a newer epoch: what is parked was appended in the old one, and its fate is open.
    this.#resign(partition, errorCodes.NOT_LEADER_OR_FOLLOWER)
    this.#leaderSide.lead(partition, image)
    this.#damage.handOver(partition)
    this.#context.events.tell('partition leader', () => ({
      topic: topicName,
      partition: image.partition,
      leaderEpoch: image.leaderEpoch,
      partitionEpoch: image.partitionEpoch,
      logEndOffset: partition.logEndOffset,
      highWatermark: partition.highWatermark,
      isr: image.isr,
    }))
    for (const listener of this.#listeners) {
      listener.elected(topicName, image.partition, image.leaderEpoch)
    }
  }

  #follow({ topicId, topicName, image }: LocalPartition): void {
    const hosted = this.#table.get(topicId, image.partition)
    if (hosted && this.#damage.mayBeginAnew(hosted, image)) {
      this.#unhost(topicId, image.partition)
      this.#beginAnew(topicId, topicName, image.partition)
    }
    const partition = this.#host(topicId, topicName, image)
    if (!partition) return
    const before = partition.following
    const { partitionEpoch } = partition.image
    this.#resign(partition, errorCodes.NOT_LEADER_OR_FOLLOWER)
    partition.image = image
    if (partition.failure) return this.#lost.giveUp(topicId, image.partition)
    if (this.#damage.mustLeave(topicId, image)) return this.#damage.handOver(partition)
    const isSame = before?.leader === image.leader && before.leaderEpoch === image.leaderEpoch
    if (isSame) {
      // The leader takes it into the ISR only if it knows that it is not there.
      const isOut = !image.isr.includes(this.#context.brokerId)
      if (isOut && image.partitionEpoch > partitionEpoch) this.#followerSide.renew(partition)
      return
    }
    this.#followerSide.unfollow(partition)
    if (partition.hasLeader) this.#followerSide.follow(partition)
    // Consumers and followers that asked this broker in another epoch.
    this.#reads.purgatory.wake(partition)
    this.#leaderSide.sessions.changed(partition.positions)
  }

  /** Null: its log is damaged. */
  #host(topicId: TopicId, topicName: string, image: PartitionImage): Partition | null {
    const known = this.#table.get(topicId, image.partition)
    if (known) return known
    if (this.#isDamaged(topicId, topicName, image)) return null
    const { logs } = this.#options
    const config = this.#context.config.topic(this.#table.image, topicName)
    const number = image.partition
    const log: PartitionLog =
      logs.log(topicId, number) ??
      logs.create({ topicId, topicName, partition: number, config: config.log })
    log.config = config.log
    const partition = new Partition({
      owner: this.#owner,
      log,
      image,
      config,
      highWatermark: logs.highWatermark(topicName, number) ?? 0,
    })
    this.#table.add(partition)
    this.#leaderSide.sessions.hosted(partition)
    return partition
  }

  /**
   * A damaged log may hold what is committed, so a member of the ISR or the ELR must not begin anew with an empty one: it
   * stays offline until it is in neither any more, as it asks to be, and then fetches everything again.
   */
  #isDamaged(topicId: TopicId, topicName: string, image: PartitionImage): boolean {
    const { logs, brokerId } = this.#options
    const key = partitionKey(topicId, image.partition)
    const damaged = [...logs.damaged()].find(
      log => log.topicId === topicId && log.partition === image.partition,
    )
    this.#table.damaged.delete(key)
    if (!damaged) return false
    if (isCounted(image, brokerId)) {
      this.#table.damaged.add(key)
      const fields = { topic: topicName, partition: image.partition, err: damaged.error }
      this.#context.logEvent('error', 'partition offline', fields)
      this.#lost.giveUp(topicId, image.partition)
      return true
    }
    this.#beginAnew(topicId, topicName, image.partition, damaged.error)
    return false
  }

  /** The error, unless it has been told when it was found. */
  #beginAnew(topicId: TopicId, topic: string, partition: number, err?: ClusterError): void {
    this.#options.logs.setAside(topicId, partition)
    this.#damage.begun(topicId, partition)
    const fields = { topic, partition, ...(err && { err }) }
    this.#context.logEvent('warn', 'damaged replica begins anew', fields)
  }

  #unhost(topicId: TopicId, number: number): void {
    const partition = this.#table.get(topicId, number)
    if (!partition) return
    this.#followerSide.unfollow(partition)
    this.#resign(partition, errorCodes.NOT_LEADER_OR_FOLLOWER)
    this.#table.remove(partition)
    this.#leaderSide.sessions.unhosted(partition)
    this.#reads.purgatory.wake(partition)
  }

  #delete(topicId: TopicId, number: number): void {
    this.#table.damaged.delete(partitionKey(topicId, number))
    this.#damage.forget(topicId, number)
    this.#unhost(topicId, number)
    const { logs } = this.#options
    if (logs.log(topicId, number)) logs.delete(topicId, number)
    else logs.setAside(topicId, number)
  }

  #resign(partition: Partition, errorCode: number): void {
    if (!partition.leading) return
    this.#leaderSide.resign(partition, errorCode)
    for (const listener of this.#listeners) {
      listener.resigned(partition.topicName, partition.partition)
    }
  }

  *#reconfigure(changedConfigs: ReadonlySet<string>): Generator<void> {
    const { config } = this.#context
    const { image } = this.#table
    // Defaults of the brokers reach every topic; an override only its own.
    const isBrokerWide = [...changedConfigs].some(key => !key.startsWith('topic:'))
    for (const partition of this.#table) {
      if (!isBrokerWide && !changedConfigs.has(configKey('topic', partition.topicName))) continue
      partition.config = config.topic(image, partition.topicName)
      partition.log.config = partition.config.log
      this.#table.configured(partition)
      // What it waited for before it claimed its log need not come any more.
      this.#followerSide.renew(partition)
      yield this.#leaderSide.configured(partition)
    }
  }

  /** Takes this partition offline; the others go on. A failure of the whole directory shows in `logs.failed`. */
  #storageFailed(partition: Partition, error: ClusterError): void {
    if (partition.failure) return
    partition.failure = error
    this.#context.logEvent('error', 'partition offline', {
      topic: partition.topicName,
      partition: partition.partition,
      err: error,
    })
    this.#followerSide.unfollow(partition)
    this.#resign(partition, errorCodes.KAFKA_STORAGE_ERROR)
    this.#reads.purgatory.wake(partition)
    this.#leaderSide.sessions.changed(partition.positions)
    this.#lost.giveUp(partition.topicId, partition.partition)
  }

  // Requests

  partition(topicId: TopicId, partition: number): HostedPartition | undefined {
    return this.#table.get(topicId, partition)
  }

  partitions(): Iterable<HostedPartition> {
    return this.#table
  }

  append(request: AppendRequest): Promise<readonly AppendResult[]> {
    return this.#leaderSide.append(request)
  }

  fetch(request: FetchRequest, waiting: Waiting): Promise<readonly FetchResult[]> {
    return this.#reads.fetch(request, waiting)
  }

  replicaFetch(request: ReplicaFetchRequest): Promise<ReplicaFetchResponse> {
    return this.#leaderSide.replicaFetch(request)
  }

  listOffset(request: ListOffsetRequest): ListOffsetResult {
    return this.#reads.listOffset(request)
  }

  offsetForLeaderEpoch(request: OffsetForLeaderEpochRequest): OffsetForLeaderEpochResult {
    return this.#reads.offsetForLeaderEpoch(request)
  }

  deleteRecords(request: DeleteRecordsRequest): Promise<DeleteRecordsResult> {
    return this.#leaderSide.deleteRecords(request)
  }

  describeLogDirs(): LogDirDescription {
    const replicas = []
    for (const partition of this.#table) {
      replicas.push({
        topicId: partition.topicId,
        topicName: partition.topicName,
        partition: partition.partition,
        sizeBytes: partition.sizeBytes,
        offsetLag: partition.following?.lag ?? 0,
      })
    }
    const errorCode = this.#options.logs.failed ? errorCodes.KAFKA_STORAGE_ERROR : errorCodes.NONE
    return { errorCode, replicas }
  }

  onLeadership(listener: LeadershipListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  status(): ReplicationStatus {
    const { counts, sessions } = this.#leaderSide
    return statusOf(this.#table, {
      ...counts,
      parkedFetches: this.#reads.purgatory.size,
      fetchSessions: sessions.size,
    })
  }

  /** Answers everything parked, stops fetching and writes the high watermarks down. The logs stay open. */
  shutdown(): Promise<void> {
    if (this.#isStopped) return Promise.resolve()
    this.#isStopped = true
    this.#cancelRegistrationCheck?.()
    this.#turns.stop()
    this.#housekeeping.stop()
    this.#deletions.stop()
    this.#lost.stop()
    this.#followerSide.stop()
    for (const partition of this.#table) this.#resign(partition, errorCodes.NOT_LEADER_OR_FOLLOWER)
    this.#reads.purgatory.stop()
    this.#leaderSide.stop()
    if (this.#isStarted) this.#housekeeping.checkpoint()
    this.#context.timers.stop()
    this.#context.events.stop()
    return Promise.resolve()
  }
}
