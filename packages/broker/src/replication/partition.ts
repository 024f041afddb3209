import { OffsetWaiters, assert, noLeader } from '@trimaran/common'
import type { BrokerId, ClusterError, LeaderEpoch, Offset, TopicId } from '@trimaran/common'
import type { PartitionLog } from '@trimaran/log'
import type { PartitionImage } from '@trimaran/metadata'
import type { FollowerPosition } from './fetch-sessions.ts'
import type { PartitionFollower } from './follower.ts'
import type { PartitionLeader } from './leader.ts'
import type { ParkedDeletion, ParkedFetch, ProducePart } from './purgatory.ts'
import type { CurrentLeader, HostedPartition, TopicReplicaConfig } from './types.ts'

const noFetches: ReadonlySet<ParkedFetch> = new Set()
const noDeletions: ReadonlySet<ParkedDeletion> = new Set()

/** What is parked on a partition and why it fails, if it does. */
export type FailProducePart = (part: ProducePart, errorCode: number) => void

/**
 * A replica on this broker: its log, its role in the current leader epoch, its high watermark, and who waits for it.
 * At most one of `leading` and `following` is set; neither without a leader, or after the log failed.
 */
export class Partition implements HostedPartition {
  readonly topicId: TopicId
  readonly topicName: string
  readonly partition: number
  readonly log: PartitionLog
  readonly me: BrokerId
  image: PartitionImage
  config: TopicReplicaConfig
  leading: PartitionLeader | null = null
  following: PartitionFollower | null = null
  failure: ClusterError | null = null
  #produces: OffsetWaiters<ProducePart> | null = null
  #localProduces: OffsetWaiters<ProducePart> | null = null
  /** Null where nobody waits, as in most. */
  #fetches: Set<ParkedFetch> | null = null
  #deletions: Set<ParkedDeletion> | null = null
  /** Where followers stand: one per session that has this partition. */
  readonly positions: FollowerPosition[] = []
  isFlushing = false
  #highWatermark: Offset
  readonly #highWatermarkMoved: Set<Partition> | undefined
  #failureCode = 0
  readonly #settleProduce: FailProducePart

  constructor(options: {
    readonly me: BrokerId
    readonly log: PartitionLog
    readonly image: PartitionImage
    readonly config: TopicReplicaConfig
    readonly highWatermark: Offset
    /** Shared by all partitions. */
    readonly settleProduce: FailProducePart
    /** Where to enter whenever the high watermark is not any more what a checkpoint may say. */
    readonly highWatermarkMoved?: Set<Partition>
  }) {
    const { log } = options
    this.me = options.me
    this.log = log
    this.topicId = log.topicId
    this.topicName = log.topicName
    this.partition = log.partition
    this.image = options.image
    this.config = options.config
    this.#highWatermarkMoved = options.highWatermarkMoved
    // A checkpoint may be ahead of a log that lost its tail, or behind one whose head is gone.
    this.#highWatermark = Math.max(
      log.logStartOffset,
      Math.min(options.highWatermark, log.logEndOffset),
    )
    if (this.#highWatermark !== options.highWatermark) this.#highWatermarkMoved?.add(this)
    this.#settleProduce = options.settleProduce
  }

  get fetches(): ReadonlySet<ParkedFetch> {
    return this.#fetches ?? noFetches
  }
  get deletions(): ReadonlySet<ParkedDeletion> {
    return this.#deletions ?? noDeletions
  }

  get role(): 'leader' | 'follower' | 'offline' {
    return this.leading ? 'leader' : this.following ? 'follower' : 'offline'
  }
  get leader(): BrokerId {
    return this.image.leader
  }
  get leaderEpoch(): LeaderEpoch {
    return this.image.leaderEpoch
  }
  get isr(): readonly BrokerId[] {
    return this.leading ? [...this.leading.isrState.isr] : this.image.isr
  }
  get isrState(): HostedPartition['isrState'] {
    return this.leading?.isrState.kind ?? 'committed'
  }
  get replicas(): readonly BrokerId[] {
    return this.image.replicas
  }
  get effectiveMinIsr(): number {
    return Math.min(this.config.minInsyncReplicas, this.image.replicas.length)
  }
  get highWatermark(): Offset {
    return this.#highWatermark
  }
  get lastStableOffset(): Offset {
    return this.log.lastStableOffset(this.#highWatermark)
  }
  get logStartOffset(): Offset {
    return this.log.logStartOffset
  }
  get logEndOffset(): Offset {
    return this.log.logEndOffset
  }
  get sizeBytes(): number {
    return this.log.sizeBytes
  }
  get currentLeader(): CurrentLeader {
    return { leaderId: this.image.leader, leaderEpoch: this.image.leaderEpoch }
  }
  get hasLeader(): boolean {
    return this.image.leader !== noLeader
  }
  /** flush.messages=1: nothing is claimed before it is on the device. */
  get fsyncsBeforeAck(): boolean {
    return this.config.log.flushMessages === 1
  }
  /** What this replica may count for itself. */
  get claimableEndOffset(): Offset {
    if (this.fsyncsBeforeAck) return this.log.recoveryPoint
    return this.log.unwritten === null ? this.log.logEndOffset : 0
  }
  /** What was appended is claimed only when the flusher has said so. */
  get claimsLater(): boolean {
    return this.fsyncsBeforeAck || this.log.unwritten !== null
  }

  /** True if it rose. */
  raiseHighWatermark(offset: Offset): boolean {
    if (offset === this.#highWatermark) return false
    assert(offset > this.#highWatermark, 'the high watermark never falls within an epoch')
    this.#highWatermark = offset
    this.#highWatermarkMoved?.add(this)
    this.checkOrder()
    return true
  }

  /** The log was cut or restarted: nothing above its end is committed here. */
  truncated(): void {
    const { logStartOffset, logEndOffset } = this.log
    this.#highWatermark = Math.max(logStartOffset, Math.min(this.#highWatermark, logEndOffset))
    this.#highWatermarkMoved?.add(this)
    this.checkOrder()
  }

  /** The log's start moved up to at most the high watermark, or past it when a follower's leader has nothing older. */
  checkOrder(): void {
    const { logStartOffset, logEndOffset } = this.log
    const lastStableOffset = this.log.lastStableOffset(this.#highWatermark)
    assert(logStartOffset <= lastStableOffset, 'log start ≤ last stable offset')
    assert(lastStableOffset <= this.#highWatermark, 'last stable offset ≤ high watermark')
    assert(this.#highWatermark <= logEndOffset, 'high watermark ≤ log end')
  }

  /** Acks all: until the high watermark. */
  park(endOffset: Offset, part: ProducePart): void {
    this.#produces ??= this.#newWaiters()
    this.#produces.park(endOffset, part)
  }

  /** Fsync before acks 1, or a first record: until this replica may claim it. */
  parkLocally(endOffset: Offset, part: ProducePart): void {
    this.#localProduces ??= this.#newWaiters()
    this.#localProduces.park(endOffset, part)
  }

  /** The high watermark rose. */
  settleProduces(): void {
    this.#produces?.advance(this.#highWatermark)
  }

  settleLocalProduces(): void {
    this.#localProduces?.advance(this.claimableEndOffset)
  }

  failProduces(errorCode: number): void {
    this.#failureCode = errorCode
    this.#produces?.failAll()
    this.#localProduces?.failAll()
  }

  #newWaiters(): OffsetWaiters<ProducePart> {
    return new OffsetWaiters((part, outcome) =>
      this.#settleProduce(part, outcome === 'passed' ? 0 : this.#failureCode),
    )
  }

  addFetch(fetch: ParkedFetch): void {
    this.#fetches ??= new Set()
    this.#fetches.add(fetch)
  }

  removeFetch(fetch: ParkedFetch): void {
    this.#fetches?.delete(fetch)
    if (this.#fetches?.size === 0) this.#fetches = null
  }

  addDeletion(deletion: ParkedDeletion): void {
    this.#deletions ??= new Set()
    this.#deletions.add(deletion)
  }

  removeDeletion(deletion: ParkedDeletion): void {
    this.#deletions?.delete(deletion)
    if (this.#deletions?.size === 0) this.#deletions = null
  }
}
