import { assert, emptyBytes, type LeaderEpoch, noEpoch, type Offset } from '@trimaran/common'
import type { TopicId } from '@trimaran/common'
import type { LogConfig } from './config.ts'
import type { LogContext } from './context.ts'
import type { RecordPosition } from './lookups.ts'
import { newStoredLog } from './new-log.ts'
import type { RecoveryReport } from './recovery-report.ts'
import type { ColdRead, ReadLimits } from './segment.ts'
import type { LogHome, LogIdentity } from './segments.ts'
import type { AppendResult, CompactionPass, StoredLog } from './stored-log.ts'

const notKnown = { epoch: noEpoch, endOffset: -1 }

/**
 * One replica of a partition: an append-only sequence of batches in segments. Synchronous, with a single owner; only
 * `flush` waits for the device. It knows neither who leads nor how far replication is.
 *
 * Most partitions are idle, so a log that never had a record is this object alone: it is empty, begins and ends at 0, and
 * has no directory, no file and no segment. What comes with the first record is the StoredLog, which has all the rules.
 */
export class PartitionLog implements LogIdentity {
  readonly topicId: TopicId
  readonly topicName: string
  readonly partition: number
  readonly #context: LogContext
  readonly #home: LogHome
  #config: LogConfig
  #isClosed = false
  /** Null: it never had a record. */
  #stored: StoredLog | null

  constructor(options: {
    readonly context: LogContext
    readonly home: LogHome
    readonly log: LogIdentity
    readonly config: LogConfig
    /** What is on the disk; null: nothing. */
    readonly stored: StoredLog | null
  }) {
    const { log } = options
    this.topicId = log.topicId
    this.topicName = log.topicName
    this.partition = log.partition
    this.#context = options.context
    this.#home = options.home
    this.#config = options.config
    this.#stored = options.stored
  }

  /** For a record, or for whatever else an object cannot hold that is empty and begins at 0. */
  #store(): StoredLog {
    if (this.#stored !== null) return this.#stored
    if (this.#context.failed !== null) throw this.#context.failed
    assert(!this.#isClosed, 'a closed log takes no append')
    this.#stored = newStoredLog({
      context: this.#context,
      home: this.#home,
      directory: this.directory,
      log: this,
      config: this.#config,
    })
    return this.#stored
  }

  /** What opening had to repair; null after a clean stop. */
  get recovery(): RecoveryReport | null {
    return this.#stored?.recovery ?? null
  }

  get config(): LogConfig {
    return this.#config
  }

  set config(config: LogConfig) {
    this.#config = config
    if (this.#stored !== null) this.#stored.config = config
  }

  get directory(): string {
    return this.#stored?.directory ?? this.#home.directoryOf(this)
  }

  /** False: it never had a record, and there is nothing of it outside of memory. */
  get isOnDisk(): boolean {
    return this.#stored?.isOnDisk ?? false
  }

  /** A new log's first records may be in memory alone for a moment: nobody claims them before this resolves. Null: none are. */
  get unwritten(): Promise<void> | null {
    return this.#stored?.unwritten ?? null
  }

  /** Closed, deleted or set aside: it takes nothing, and nothing more of it becomes durable. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  get logStartOffset(): Offset {
    return this.#stored?.logStartOffset ?? 0
  }

  get logEndOffset(): Offset {
    return this.#stored?.logEndOffset ?? 0
  }

  /** Everything below is durable. */
  get recoveryPoint(): Offset {
    return this.#stored?.recoveryPoint ?? 0
  }

  /** −1: no epoch known. */
  get latestEpoch(): LeaderEpoch {
    return this.#stored?.latestEpoch ?? noEpoch
  }

  get sizeBytes(): number {
    return this.#stored?.sizeBytes ?? 0
  }

  get segmentCount(): number {
    return this.#stored?.segmentCount ?? 0
  }

  get producerCount(): number {
    return this.#stored?.producerCount ?? 0
  }

  /** False when the log begins where its oldest segment does: then nothing about its start needs a checkpoint. */
  get startsInsideSegment(): boolean {
    return this.#stored?.startsInsideSegment ?? false
  }

  /** Everything below was compacted. */
  get firstDirtyOffset(): Offset {
    return this.#stored?.firstDirtyOffset ?? 0
  }

  /**
   * One batch that `validateProduceBatch` took, or a control batch of a coordinator. Its bytes are stamped in place and
   * from here on belong to the log: it may serve them to readers.
   * @throws ClusterError DISK_FULL or DISK_FAILED; nothing was appended, and nothing will be any more
   */
  appendAsLeader(batch: Uint8Array, leaderEpoch: LeaderEpoch): AppendResult {
    return this.#store().appendAsLeader(batch, leaderEpoch)
  }

  /**
   * Whole batches as the leader has them. A log that was emptied to start inside a batch takes that batch whole.
   * @throws ClusterError CORRUPT if a checksum, an offset or an epoch is wrong; nothing was appended
   */
  appendAsFollower(records: Uint8Array): { firstOffset: Offset; endOffset: Offset } {
    return this.#store().appendAsFollower(records)
  }

  /**
   * Whole batches below `endOffset` (high watermark, last stable offset or log end), beginning with the one that holds
   * `offset`; they may end with their segment. `offset` lies within the log. A view, never to be changed.
   * @throws ClusterError CORRUPT if the bytes at `offset` are not what was stored, DISK_FAILED
   */
  read(offset: Offset, limits: ReadLimits): Uint8Array {
    if (this.#stored !== null) return this.#stored.read(offset, limits)
    assert(offset === 0, 'read within the log')
    return emptyBytes
  }

  /** For a reader so far behind that the page cache may have given its bytes away. Null: they are at hand. */
  coldRead(offset: Offset, maxBytes: number): ColdRead | null {
    return this.#stored?.coldRead(offset, maxBytes) ?? null
  }

  /** See LeaderEpochs. */
  endOffsetForEpoch(epoch: LeaderEpoch): { epoch: LeaderEpoch; endOffset: Offset } {
    return this.#stored?.endOffsetForEpoch(epoch) ?? notKnown
  }

  leaderEpochAt(offset: Offset): LeaderEpoch {
    return this.#stored?.leaderEpochAt(offset) ?? noEpoch
  }

  /**
   * Drops what is at or after `offset`; only ever on leader-epoch evidence, which is the caller's. An offset inside a
   * batch drops the whole batch.
   */
  truncateTo(offset: Offset): void {
    this.#stored?.truncateTo(offset)
  }

  /** Drops everything: the leader's log begins after this one ends. */
  truncateFullyAndStartAt(offset: Offset): void {
    this.#store().truncateFullyAndStartAt(offset)
  }

  /** First record at or after the timestamp; null if there is none. One batch is decoded. */
  offsetForTimestamp(timestampMs: number): RecordPosition | null {
    return this.#stored?.offsetForTimestamp(timestampMs) ?? null
  }

  /** The record with the largest timestamp (KIP-734); null if there is none. */
  maxTimestamp(): RecordPosition | null {
    return this.#stored?.maxTimestamp() ?? null
  }

  /** Exclusive bound for read_committed. */
  lastStableOffset(highWatermark: Offset): Offset {
    return this.#stored?.lastStableOffset(highWatermark) ?? highWatermark
  }

  /** Transactions that ended aborted and have data in [from, to). */
  abortedTransactions(from: Offset, to: Offset): { producerId: number; firstOffset: Offset }[] {
    return this.#stored?.abortedTransactions(from, to) ?? []
  }

  /** DeleteRecords, or a leader whose log begins later. The caller keeps it at or below the high watermark. */
  incrementLogStartOffset(to: Offset): void {
    if (this.#stored !== null) return this.#stored.incrementLogStartOffset(to)
    assert(to <= 0, 'a log starts before its end')
  }

  /**
   * Removes whole segments that are expired by time, by size or by the log's start, all below the high watermark; an
   * expired active segment is rolled first. Also forgets silent producers. Returns the number of segments removed.
   */
  enforceRetention(highWatermark: Offset, nowWallMs: number): number {
    return this.#stored?.enforceRetention(highWatermark, nowWallMs) ?? 0
  }

  /**
   * A compaction pass (`cleanup.policy=compact`), to be driven by calling `step` until it says false; null if the topic
   * wants none or there is too little to gain.
   */
  startCompaction(highWatermark: Offset, nowWallMs: number): CompactionPass | null {
    return this.#stored?.startCompaction(highWatermark, nowWallMs) ?? null
  }

  rollIfDue(nowWallMs: number): void {
    this.#stored?.rollIfDue(nowWallMs)
  }

  /** Seals the active segment and begins a new one at the log's end; nothing if the active one is empty. */
  roll(): void {
    this.#stored?.roll()
  }

  /** True when `flush.messages` or `flush.ms` ask for a flush. */
  flushDue(nowMonotonicMs: number): boolean {
    return this.#stored?.flushDue(nowMonotonicMs) ?? false
  }

  /** What is in the log at the call is durable when it resolves. Callers that come while one is under way share the next. */
  flush(): Promise<void> {
    if (this.#stored !== null) return this.#stored.flush()
    const { failed } = this.#context
    // Without a record there is nothing to lose.
    return failed === null ? Promise.resolve() : Promise.reject(failed)
  }

  /** Clean stop: everything durable, caches written, so that opening reads next to nothing. */
  async close(): Promise<void> {
    await this.#stored?.close()
    this.#isClosed = true
  }

  /** No more use; files stay as they are. */
  abandon(): void {
    this.#stored?.abandon()
    this.#isClosed = true
  }
}
