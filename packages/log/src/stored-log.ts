import { assert, ClusterError, emptyBytes, type LeaderEpoch, type Offset } from '@trimaran/common'
import {
  type BatchHeader,
  crc32c,
  type ErrorCode,
  errorCodes,
  readBatchHeader,
} from '@trimaran/protocol'
import { stampAppendTime, stampBatch } from '@trimaran/protocol'
import { formatEpochs } from './checkpoints.ts'
import { compactable, Compaction } from './compaction.ts'
import type { LogConfig } from './config.ts'
import type { LogContext } from './context.ts'
import { readMarker } from './control-batch.ts'
import { Flusher } from './flusher.ts'
import { type FollowerBatch, readFollowerBatches } from './follower-batches.ts'
import type { LeaderEpochs } from './leader-epochs.ts'
import { abortedBetween, findMaxTimestamp, findTimestamp } from './lookups.ts'
import type { RecordPosition } from './lookups.ts'
import { ProducerStates, type TransactionMarker } from './producer-state.ts'
import type { RecoveryReport } from './recovery-report.ts'
import { applyBatch, statesAt } from './replay.ts'
import { removableCount } from './retention.ts'
import { isRollDue, rollReason } from './rolling.ts'
import type { ColdRead, ReadLimits, Segment } from './segment.ts'
import type { Segments } from './segments.ts'
import { removeSnapshots, writeSnapshot } from './snapshots.ts'
import { TailCache } from './tail-cache.ts'

export type AppendResult =
  | {
      readonly kind: 'appended' | 'duplicate'
      readonly baseOffset: Offset
      readonly lastOffset: Offset
      /** −1 unless the topic takes the append time. */
      readonly logAppendTimeMs: number
    }
  | { readonly kind: 'rejected'; readonly errorCode: ErrorCode; readonly errorMessage: string }

/** One pass of compaction. */
export interface CompactionPass {
  /** Reads about a megabyte; true while there is more to do. @throws ClusterError as the log's own operations */
  step(): boolean
}

interface MarkedBatch {
  readonly header: BatchHeader
  readonly marker: TransactionMarker | null
}

/** What opening found on the disk, or what a new log begins with. */
export interface StoredLogParts {
  readonly context: LogContext
  readonly topicName: string
  readonly partition: number
  /** Shared with the segments. */
  readonly settings: { config: LogConfig }
  readonly segments: Segments
  readonly epochs: LeaderEpochs
  readonly producers: ProducerStates
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  readonly recoveryPoint: Offset
  readonly firstDirtyOffset: Offset
  readonly recovery: RecoveryReport | null
  /** The directory and its identity are perhaps not durable yet. */
  readonly isNew: boolean
}

/**
 * A log with segments, on the disk or about to be there: what a PartitionLog is from its first record on.
 *
 * Invariant: `logStartOffset` ≤ `logEndOffset`, `recoveryPoint` ≤ `logEndOffset`; the end grows by what is appended and
 * shrinks only through `truncateTo` and `truncateFullyAndStartAt`.
 */
export class StoredLog {
  readonly topicName: string
  readonly partition: number
  /** What opening had to repair; null after a clean stop. */
  readonly recovery: RecoveryReport | null
  readonly #settings: { config: LogConfig }
  readonly #context: LogContext
  readonly #segments: Segments
  readonly #epochs: LeaderEpochs
  /** Null: nothing was appended as a leader. */
  #tail: TailCache | null = null
  #producers: ProducerStates
  #logStartOffset: Offset
  #logEndOffset: Offset
  #sizeBytes: number
  #isClosed = false
  readonly #flusher: Flusher
  #firstDirtyOffset: Offset
  /** Grows with each pass and with whatever makes a pass under way pointless. */
  #compactionPass = 0

  constructor(parts: StoredLogParts) {
    this.topicName = parts.topicName
    this.partition = parts.partition
    this.recovery = parts.recovery
    this.#settings = parts.settings
    this.#context = parts.context
    this.#segments = parts.segments
    this.#epochs = parts.epochs
    this.#producers = parts.producers
    this.#logStartOffset = parts.logStartOffset
    this.#logEndOffset = parts.logEndOffset
    this.#sizeBytes = parts.segments.sizeBytes
    this.#firstDirtyOffset = parts.firstDirtyOffset
    this.#flusher = new Flusher({
      context: parts.context,
      segments: parts.segments,
      epochs: parts.epochs,
      recoveryPoint: parts.recoveryPoint,
      logEndOffset: parts.logEndOffset,
      isNew: parts.isNew,
    })
  }

  get config(): LogConfig {
    return this.#settings.config
  }

  set config(config: LogConfig) {
    this.#settings.config = config
  }

  get directory(): string {
    return this.#segments.directory
  }

  /** False: it never had a record, and there is nothing of it outside of memory. */
  get isOnDisk(): boolean {
    return this.#segments.isOnDisk
  }

  /** A new log's first records may be in memory alone for a moment: nobody claims them before this resolves. Null: none are. */
  get unwritten(): Promise<void> | null {
    return this.#segments.unwritten
  }

  /** Closed, deleted or set aside: it takes nothing, and nothing more of it becomes durable. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  get logStartOffset(): Offset {
    return this.#logStartOffset
  }

  get logEndOffset(): Offset {
    return this.#logEndOffset
  }

  /** Everything below is durable. */
  get recoveryPoint(): Offset {
    return this.#flusher.recoveryPoint
  }

  /** −1: no epoch known. */
  get latestEpoch(): LeaderEpoch {
    return this.#epochs.latestEpoch
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  get segmentCount(): number {
    return this.#segments.all.length
  }

  get producerCount(): number {
    return this.#producers.count
  }

  /** False when the log begins where its oldest segment does: then nothing about its start needs a checkpoint. */
  get startsInsideSegment(): boolean {
    return this.#logStartOffset > this.#segments.first.baseOffset
  }

  /**
   * One batch that `validateProduceBatch` took, or a control batch of a coordinator. Its bytes are stamped in place and
   * from here on belong to the log: it may serve them to readers.
   * @throws ClusterError DISK_FULL or DISK_FAILED; nothing was appended, and nothing will be any more
   */
  appendAsLeader(batch: Uint8Array, leaderEpoch: LeaderEpoch): AppendResult {
    this.#checkWritable()
    const unstamped = readBatchHeader(batch, 0)
    assert(unstamped.sizeBytes === batch.length, 'a leader appends exactly one batch')
    assert(
      leaderEpoch >= this.latestEpoch,
      `append in epoch ${leaderEpoch} after ${this.latestEpoch}`,
    )
    if (batch.length > this.config.segmentBytes) {
      const errorMessage = `a batch of ${batch.length} bytes, the segment takes ${this.config.segmentBytes}`
      return { kind: 'rejected', errorCode: errorCodes.RECORD_LIST_TOO_LARGE, errorMessage }
    }
    const marker = unstamped.isControl ? readMarker(batch) : null
    if (unstamped.producerId >= 0) {
      const verdict = this.#producers.check(unstamped, marker)
      if (verdict.kind === 'rejected') return verdict
      if (verdict.kind === 'duplicate') {
        const { lastOffset, offsetDelta, timestampMs } = verdict.batch
        const logAppendTimeMs = this.config.timestampType === 'LogAppendTime' ? timestampMs : -1
        return {
          kind: 'duplicate',
          baseOffset: lastOffset - offsetDelta,
          lastOffset,
          logAppendTimeMs,
        }
      }
    }
    stampBatch(batch, 0, this.#logEndOffset, leaderEpoch)
    let logAppendTimeMs = -1
    if (this.config.timestampType === 'LogAppendTime') {
      logAppendTimeMs = this.#context.clock.wallMs()
      stampAppendTime(batch, 0, logAppendTimeMs)
    }
    const header = readBatchHeader(batch, 0)
    this.#write(batch, [{ header, marker }])
    this.#tail ??= new TailCache(this.#context.tails)
    this.#tail.append(header.baseOffset, this.#logEndOffset, batch)
    return {
      kind: 'appended',
      baseOffset: header.baseOffset,
      lastOffset: header.lastOffset,
      logAppendTimeMs,
    }
  }

  /**
   * Whole batches as the leader has them. A log that was emptied to start inside a batch takes that batch whole.
   * @throws ClusterError CORRUPT if a checksum, an offset or an epoch is wrong; nothing was appended
   */
  appendAsFollower(records: Uint8Array): { firstOffset: Offset; endOffset: Offset } {
    this.#checkWritable()
    const isEmpty = this.#sizeBytes === 0
    const batches = readFollowerBatches(records, {
      path: this.directory,
      nextOffset: this.#logEndOffset,
      latestEpoch: this.latestEpoch,
      startsAnywhereBefore: isEmpty,
      // Compaction leaves holes that its replicas copy.
      gapsAllowed: this.config.cleanupCompact,
    })
    const first = batches[0]
    if (first === undefined)
      return { firstOffset: this.#logEndOffset, endOffset: this.#logEndOffset }
    if (first.header.baseOffset < this.#logEndOffset)
      this.#restartSegmentAt(first.header.baseOffset)
    for (const run of this.#runsOf(batches)) {
      const [head, last] = [run[0] as FollowerBatch, run.at(-1) as FollowerBatch]
      this.#write(records.subarray(head.at, last.at + last.header.sizeBytes), run)
    }
    this.#tail?.clear()
    return { firstOffset: first.header.baseOffset, endOffset: this.#logEndOffset }
  }

  /** As few writes as the segment size allows. */
  #runsOf(batches: readonly FollowerBatch[]): FollowerBatch[][] {
    const runs: FollowerBatch[][] = []
    let sizeBytes = Infinity
    for (const batch of batches) {
      if (sizeBytes + batch.header.sizeBytes > this.config.segmentBytes) {
        runs.push([])
        sizeBytes = 0
      }
      runs.at(-1)?.push(batch)
      sizeBytes += batch.header.sizeBytes
    }
    return runs
  }

  /** The only place where records get into a log. State changes after the write succeeded, and then nothing can fail. */
  #write(bytes: Uint8Array, batches: readonly MarkedBatch[]): void {
    const { header: last } = batches.at(-1) as MarkedBatch
    let maxTimestampMs = -1
    for (const { header } of batches)
      maxTimestampMs = Math.max(maxTimestampMs, header.maxTimestampMs)
    const reason = rollReason(this.#segments.active, this.config, {
      sizeBytes: bytes.length,
      lastOffset: last.lastOffset,
      maxTimestampMs,
      nowWallMs: this.#context.clock.wallMs(),
    })
    if (reason !== null) this.roll()
    const segment = this.#segments.active
    // Loaded before the write: a rebuild may fail, the write may then not have happened.
    const indexes = this.#segments.indexesOf(segment)
    try {
      segment.file.append([bytes], bytes.length)
    } catch (error) {
      throw this.#context.fail(error, segment.file.path)
    }
    for (const { header, marker } of batches) {
      segment.note(header, this.config.indexIntervalBytes)
      if (header.partitionLeaderEpoch >= 0) {
        this.#epochs.assign(header.partitionLeaderEpoch, header.baseOffset)
      }
      applyBatch(this.#producers, header, marker, indexes)
    }
    this.#sizeBytes += bytes.length
    this.#logEndOffset = last.lastOffset + 1
    this.#flusher.grewTo(this.#logEndOffset)
  }

  /**
   * Whole batches below `endOffset` (high watermark, last stable offset or log end), beginning with the one that holds
   * `offset`; they may end with their segment. `offset` lies within the log. A view, never to be changed.
   * @throws ClusterError CORRUPT if the bytes at `offset` are not what was stored, DISK_FAILED
   */
  read(offset: Offset, limits: ReadLimits): Uint8Array {
    assert(offset >= this.#logStartOffset && offset <= this.#logEndOffset, 'read within the log')
    if (offset >= limits.endOffset || offset === this.#logEndOffset) return emptyBytes
    const cached = this.#tail?.read(offset, limits)
    if (cached) return cached
    return this.#segments.read(offset, limits)
  }

  /** For a reader so far behind that the page cache may have given its bytes away. Null: they are at hand. */
  coldRead(offset: Offset, maxBytes: number): ColdRead | null {
    if (this.#isClosed || offset < this.#logStartOffset || offset >= this.#logEndOffset) return null
    return this.#segments.coldRead(offset, maxBytes)
  }

  endOffsetForEpoch(epoch: LeaderEpoch): { epoch: LeaderEpoch; endOffset: Offset } {
    return this.#epochs.endOffset(epoch, this.#logEndOffset)
  }

  leaderEpochAt(offset: Offset): LeaderEpoch {
    return this.#epochs.epochAt(offset)
  }

  /**
   * Drops what is at or after `offset`; only ever on leader-epoch evidence, which is the caller's. An offset inside a
   * batch drops the whole batch.
   */
  truncateTo(offset: Offset): void {
    if (offset >= this.#logEndOffset) {
      // An epoch that begins there has no record any more, and may be one that the leader never had.
      this.#epochs.truncateFromEnd(offset)
      return
    }
    assert(offset >= this.#logStartOffset, `truncation to ${offset} below the log's start`)
    this.#checkWritable()
    const number = this.#segments.floor(offset)
    const segment = this.#segments.at(number)
    this.#guard(() => {
      const position = segment.positionOf(offset)
      let endOffset = offset
      segment.scan({ from: position }, batch => {
        endOffset = Math.min(endOffset, batch.header.baseOffset)
        return false
      })
      if (endOffset < this.#logStartOffset) return this.#startOver(this.#logStartOffset)
      this.#segments.indexesOf(segment)
      this.#segments.removeFrom(number + 1, this.config.fileDeleteDelayMs)
      segment.truncateTo(position)
      this.#cutCaches(endOffset)
    })
  }

  /** Drops everything: the leader's log begins after this one ends. */
  truncateFullyAndStartAt(offset: Offset): void {
    this.#checkWritable()
    this.#guard(() => this.#startOver(offset))
  }

  #startOver(offset: Offset): void {
    this.#segments.removeFrom(0, this.config.fileDeleteDelayMs)
    this.#segments.create(offset)
    this.#flusher.namesChanged()
    this.#flusher.syncNames()
    this.#logStartOffset = offset
    this.#epochs.clear()
    removeSnapshots(this.#context.disk, this.directory, () => true)
    this.#producers = new ProducerStates()
    this.#cutCaches(offset)
    this.#flusher.beganAt(offset)
    this.#context.logEvent('info', 'log emptied', {
      directory: this.directory,
      startOffset: offset,
    })
  }

  /** An emptied log whose start lies inside a batch: the file must be named after the batch. */
  #restartSegmentAt(baseOffset: Offset): void {
    const startOffset = this.#logStartOffset
    this.#guard(() => this.#startOver(baseOffset))
    this.#logStartOffset = startOffset
  }

  /** Everything derived from the batches that are gone. */
  #cutCaches(endOffset: Offset): void {
    const isUntouched = this.#producers.changedAt <= endOffset
    this.#logEndOffset = endOffset
    this.#sizeBytes = this.#segments.sizeBytes
    this.#flusher.cutTo(endOffset)
    this.#compactionPass++
    this.#firstDirtyOffset = Math.min(this.#firstDirtyOffset, endOffset)
    this.#epochs.truncateFromEnd(endOffset)
    this.#tail?.clear()
    // Durable, or a snapshot of a history that was cut off could be believed after a power loss.
    removeSnapshots(this.#context.disk, this.directory, offset => offset > endOffset)
    if (!isUntouched) this.#producers = statesAt(this.#segments, endOffset)
    // Both are believed after a crash, so neither may speak of what is cut off once something else is appended there.
    this.#flusher.writeEpochs()
    this.#context.recoveryPointFell(this)
  }

  /** First record at or after the timestamp; null if there is none. One batch is decoded. */
  offsetForTimestamp(timestampMs: number): RecordPosition | null {
    return findTimestamp(this.#segments, { timestampMs, from: this.#logStartOffset })
  }

  /** The record with the largest timestamp (KIP-734); null if there is none. */
  maxTimestamp(): RecordPosition | null {
    return findMaxTimestamp(this.#segments, this.#logStartOffset)
  }

  /** Exclusive bound for read_committed. */
  lastStableOffset(highWatermark: Offset): Offset {
    const firstUnstable = this.#producers.firstUnstableOffset(highWatermark)
    if (firstUnstable === null) return highWatermark
    return Math.min(highWatermark, Math.max(firstUnstable, this.#logStartOffset))
  }

  /** Transactions that ended aborted and have data in [from, to). */
  abortedTransactions(from: Offset, to: Offset): { producerId: number; firstOffset: Offset }[] {
    return abortedBetween(this.#segments, from, to)
  }

  /** DeleteRecords, or a leader whose log begins later. The caller keeps it at or below the high watermark. */
  incrementLogStartOffset(to: Offset): void {
    assert(to <= this.#logEndOffset, 'a log starts before its end')
    if (to <= this.#logStartOffset) return
    this.#logStartOffset = to
    this.#epochs.truncateFromStart(to)
  }

  /**
   * Removes whole segments that are expired by time, by size or by the log's start, all below the high watermark; an
   * expired active segment is rolled first. Also forgets silent producers. Returns the number of segments removed.
   */
  enforceRetention(highWatermark: Offset, nowWallMs: number): number {
    this.#producers.expire(nowWallMs, this.config.producerIdExpirationMs)
    if (this.#context.failed !== null) return 0
    return this.#guard(() => {
      const window = {
        config: this.config,
        nowWallMs,
        highWatermark,
        logStartOffset: this.#logStartOffset,
        logEndOffset: this.#logEndOffset,
      }
      const count = removableCount(this.#segments, window)
      if (count === 0) return 0
      if (count === this.#segments.all.length) this.roll()
      this.#compactionPass++
      this.#segments.removeOldest(count, this.config.fileDeleteDelayMs)
      this.#sizeBytes = this.#segments.sizeBytes
      this.incrementLogStartOffset(Math.max(this.#logStartOffset, this.#segments.first.baseOffset))
      return count
    })
  }

  /**
   * A compaction pass (`cleanup.policy=compact`), to be driven by calling `step` until it says false; null if the topic
   * wants none or there is too little to gain.
   */
  startCompaction(highWatermark: Offset, nowWallMs: number): CompactionPass | null {
    if (!this.config.cleanupCompact || this.#context.failed !== null) return null
    const limits = {
      stableOffset: this.lastStableOffset(highWatermark),
      firstDirtyOffset: this.#firstDirtyOffset,
      nowWallMs,
    }
    const plan = compactable(this.#segments, this.config, limits)
    if (plan === null) return null
    const pass = ++this.#compactionPass
    const isCurrent = (): boolean =>
      pass === this.#compactionPass && !this.#isClosed && this.#context.failed === null
    const options = {
      segments: this.#segments,
      config: this.config,
      producers: this.#producers,
      limits,
      isCurrent,
      replace: (sources: readonly Segment[], cleaned: Segment): void => {
        this.#segments.replace(sources, cleaned, this.config.fileDeleteDelayMs)
        this.#tail?.clear()
        this.#sizeBytes = this.#segments.sizeBytes
      },
      done: (endOffset: Offset): void => {
        this.#firstDirtyOffset = endOffset
      },
    }
    const compaction = new Compaction(options, plan)
    return { step: () => this.#guard(() => compaction.step()) }
  }

  /** Everything below was compacted. */
  get firstDirtyOffset(): Offset {
    return this.#firstDirtyOffset
  }

  rollIfDue(nowWallMs: number): void {
    if (this.#context.failed !== null) return
    if (isRollDue(this.#segments.active, this.config, nowWallMs)) this.roll()
  }

  /** Seals the active segment and begins a new one at the log's end; nothing if the active one is empty. */
  roll(): void {
    const sealed = this.#segments.active
    if (sealed.isEmpty) return
    this.#guard(() => {
      const summary = this.#segments.settle(sealed)
      const target = { directory: this.directory, offset: this.#logEndOffset }
      writeSnapshot(this.#context.disk, target, this.#producers, { summary, epochsCrc: null })
      this.#segments.create(this.#logEndOffset)
      this.#flusher.namesChanged()
    })
    // What is sealed is made durable in the background; a failure is kept by the context and stops the next append.
    this.#flusher.flushTo(this.#logEndOffset).catch(() => undefined)
  }

  /** True when `flush.messages` or `flush.ms` ask for a flush. */
  flushDue(nowMonotonicMs: number): boolean {
    return this.#flusher.isDue(this.config, nowMonotonicMs)
  }

  /** What is in the log at the call is durable when it resolves. Callers that come while one is under way share the next. */
  flush(): Promise<void> {
    return this.#flusher.flush()
  }

  /** Clean stop: everything durable, caches written, so that opening reads next to nothing. */
  async close(): Promise<void> {
    if (this.#context.failed === null && !this.#isClosed) {
      await this.flush()
      this.#guard(() => this.#writeCaches())
    }
    this.abandon()
  }

  #writeCaches(): void {
    const active = this.#segments.active
    if (active.isEmpty) return
    const summary = this.#segments.settle(active)
    const { disk } = this.#context
    // One between two segments' starts served the last opening and is of no more use.
    const bases = new Set(this.#segments.all.map(segment => segment.baseOffset))
    removeSnapshots(
      disk,
      this.directory,
      offset => !bases.has(offset) && offset !== this.#logEndOffset,
    )
    const target = { directory: this.directory, offset: this.#logEndOffset }
    // The flush before has written the epochs as they are.
    const epochsCrc = crc32c(formatEpochs(this.#epochs.starts))
    writeSnapshot(disk, target, this.#producers, { summary, epochsCrc })
  }

  /** No more use; files stay as they are. */
  abandon(): void {
    this.#isClosed = true
    this.#flusher.abandon()
    this.#tail?.clear()
    this.#segments.close()
  }

  #checkWritable(): void {
    if (this.#context.failed !== null) throw this.#context.failed
    assert(!this.#isClosed, 'a closed log takes no append')
  }

  #guard<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      if (error instanceof ClusterError && error.code !== 'CORRUPT') {
        throw this.#context.fail(error, this.directory)
      }
      throw error
    }
  }
}
