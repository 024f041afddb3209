import { OffsetWaiters, assert, noLeader } from '@trimaran/common'
import type { BrokerId, ClusterError, LeaderEpoch, Offset, TopicId } from '@trimaran/common'
import type { PartitionLog } from '@trimaran/log'
import type { PartitionImage } from '@trimaran/metadata'
import { endOffsetAtLeader } from './epoch-ends.ts'
import type { EpochEnd } from './epoch-ends.ts'
import type { FollowerPosition } from './follower-position.ts'
import type { PartitionFollower } from './follower.ts'
import type { PartitionLeader } from './leader.ts'
import type { ParkedDeletion, ParkedFetch, ProducePart } from './purgatory.ts'
import type { CurrentLeader, HostedPartition, TopicReplicaConfig } from './types.ts'

const noPositions: readonly FollowerPosition[] = []
const noFetches: ReadonlySet<ParkedFetch> = new Set()
const noDeletions: ReadonlySet<ParkedDeletion> = new Set()

/** What is parked on a partition and why it fails, if it does. */
export type FailProducePart = (part: ProducePart, errorCode: number) => void

/** What all replicas on a broker share. */
export interface PartitionOwner {
  readonly settleProduce: FailProducePart
  /** Where to enter whenever the high watermark is not any more what a checkpoint may say. */
  readonly highWatermarkMoved?: Set<Partition>
}

/** Who waits for a partition. Each is made when there is the first, and most partitions never have one. */
interface Waiting {
  produces: OffsetWaiters<ProducePart> | null
  localProduces: OffsetWaiters<ProducePart> | null
  fetches: Set<ParkedFetch> | null
  deletions: Set<ParkedDeletion> | null
  /** Why the produces fail. */
  failureCode: number
}

/**
 * A replica on this broker: its log, its role in the current leader epoch, its high watermark, and who waits for it.
 * At most one of `leading` and `following` is set; neither without a leader, or after the log failed.
 */
export class Partition implements HostedPartition {
  readonly log: PartitionLog
  readonly #owner: PartitionOwner
  image: PartitionImage
  config: TopicReplicaConfig
  leading: PartitionLeader | null = null
  following: PartitionFollower | null = null
  failure: ClusterError | null = null
  /** Where followers stand: one per session that has this partition. Replaced when one comes or goes. */
  positions: readonly FollowerPosition[] = noPositions
  isFlushing = false
  #highWatermark: Offset
  #waiting: Waiting | null = null

  constructor(options: {
    readonly owner: PartitionOwner
    readonly log: PartitionLog
    readonly image: PartitionImage
    readonly config: TopicReplicaConfig
    readonly highWatermark: Offset
  }) {
    const { log, owner } = options
    this.log = log
    this.#owner = owner
    this.image = options.image
    this.config = options.config
    // A checkpoint may be ahead of a log that lost its tail, or behind one whose head is gone.
    this.#highWatermark = Math.max(
      log.logStartOffset,
      Math.min(options.highWatermark, log.logEndOffset),
    )
    if (this.#highWatermark !== options.highWatermark) owner.highWatermarkMoved?.add(this)
  }

  get topicId(): TopicId {
    return this.log.topicId
  }
  get topicName(): string {
    return this.log.topicName
  }
  get partition(): number {
    return this.log.partition
  }
  get fetches(): ReadonlySet<ParkedFetch> {
    return this.#waiting?.fetches ?? noFetches
  }
  get deletions(): ReadonlySet<ParkedDeletion> {
    return this.#waiting?.deletions ?? noDeletions
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
  /** With a leader's own: see `endOffsetAtLeader`. */
  get latestEpoch(): LeaderEpoch {
    return this.leading?.leaderEpoch ?? this.log.latestEpoch
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
  get mayClaimAll(): boolean {
    return this.claimableEndOffset >= this.log.logEndOffset
  }
  /** What was appended is claimed only when the flusher has said so. */
  get claimsLater(): boolean {
    return this.fsyncsBeforeAck || this.log.unwritten !== null
  }

  endOffsetForEpoch(epoch: LeaderEpoch): EpochEnd {
    const { leading, log } = this
    return leading ? endOffsetAtLeader(epoch, log, leading) : log.endOffsetForEpoch(epoch)
  }

  /** Of the record there, or of the one that will be. −1: not known. */
  leaderEpochAt(offset: Offset): LeaderEpoch {
    const { leading, log } = this
    return leading && offset >= leading.epochStartOffset
      ? leading.leaderEpoch
      : log.leaderEpochAt(offset)
  }

  /** True if it rose. */
  raiseHighWatermark(offset: Offset): boolean {
    if (offset === this.#highWatermark) return false
    assert(offset > this.#highWatermark, 'the high watermark never falls within an epoch')
    this.#highWatermark = offset
    this.#owner.highWatermarkMoved?.add(this)
    this.checkOrder()
    return true
  }

  /** The log was cut or restarted: nothing above its end is committed here. */
  truncated(): void {
    const { logStartOffset, logEndOffset } = this.log
    this.#highWatermark = Math.max(logStartOffset, Math.min(this.#highWatermark, logEndOffset))
    this.#owner.highWatermarkMoved?.add(this)
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

  #toWait(): Waiting {
    this.#waiting ??= {
      produces: null,
      localProduces: null,
      fetches: null,
      deletions: null,
      failureCode: 0,
    }
    return this.#waiting
  }

  /** Acks all: until the high watermark. */
  park(endOffset: Offset, part: ProducePart): void {
    const waiting = this.#toWait()
    waiting.produces ??= this.#newWaiters(waiting)
    waiting.produces.park(endOffset, part)
  }

  /** Fsync before acks 1, or a first record: until this replica may claim it. */
  parkLocally(endOffset: Offset, part: ProducePart): void {
    const waiting = this.#toWait()
    waiting.localProduces ??= this.#newWaiters(waiting)
    waiting.localProduces.park(endOffset, part)
  }

  /** The high watermark rose. */
  settleProduces(): void {
    this.#waiting?.produces?.advance(this.#highWatermark)
  }

  settleLocalProduces(): void {
    this.#waiting?.localProduces?.advance(this.claimableEndOffset)
  }

  failProduces(errorCode: number): void {
    const waiting = this.#waiting
    if (waiting === null) return
    waiting.failureCode = errorCode
    waiting.produces?.failAll()
    waiting.localProduces?.failAll()
  }

  #newWaiters(waiting: Waiting): OffsetWaiters<ProducePart> {
    return new OffsetWaiters((part, outcome) =>
      this.#owner.settleProduce(part, outcome === 'passed' ? 0 : waiting.failureCode),
    )
  }

  addFetch(fetch: ParkedFetch): void {
    const waiting = this.#toWait()
    waiting.fetches ??= new Set()
    waiting.fetches.add(fetch)
  }

  removeFetch(fetch: ParkedFetch): void {
    const waiting = this.#waiting
    if (waiting?.fetches?.delete(fetch) === true && waiting.fetches.size === 0)
      waiting.fetches = null
  }

  addDeletion(deletion: ParkedDeletion): void {
    const waiting = this.#toWait()
    waiting.deletions ??= new Set()
    waiting.deletions.add(deletion)
  }

  removeDeletion(deletion: ParkedDeletion): void {
    const waiting = this.#waiting
    if (waiting?.deletions?.delete(deletion) === true && waiting.deletions.size === 0)
      waiting.deletions = null
  }

  addPosition(position: FollowerPosition): void {
    this.positions = this.positions.concat([position])
  }

  removePosition(position: FollowerPosition): void {
    const left = this.positions.filter(other => other !== position)
    this.positions = left.length === 0 ? noPositions : left
  }

  /** All that were there. */
  takePositions(): readonly FollowerPosition[] {
    const { positions } = this
    this.positions = noPositions
    return positions
  }
}
