import { emptyBytes, type Offset } from '@trimaran/common'
import {
  type BatchHeader,
  batchBaseOffset,
  batchSizeBytes,
  BATCH_OVERHEAD,
  verifyBatchCrc,
} from '@trimaran/protocol'
import { corrupt, scanBatches, type ScannedBatch } from './batch-scan.ts'
import { PooledFile } from './file-pool.ts'
import { segmentFileName } from './file-names.ts'
import { readInt64, viewOf } from './int64.ts'
import { appendOffsetEntry, floorPosition, offsetEntryBytes } from './offset-index.ts'
import { truncateOffsetIndex } from './offset-index.ts'
import type { SegmentIndexes, SegmentSummary } from './segment-indexes.ts'
import { appendTimeEntry, lastOffsetOlderThan, timeEntryBytes } from './time-index.ts'
import { truncateTimeIndex } from './time-index.ts'
import { truncateAborted } from './transaction-index.ts'

/** Relative offsets are int32. */
const relativeOffsetMax = 2 ** 31 - 1
/** Where the last few readers stopped; a sequential reader then needs no index. */
const readHintsMax = 4
const lastOffsetDeltaAt = 23

interface ReadHint {
  readonly offset: Offset
  readonly position: number
}
const noHints: readonly ReadHint[] = []

export interface ReadLimits {
  readonly maxBytes: number
  /** Exclusive: no batch that reaches it is returned. */
  readonly endOffset: Offset
  /** The first batch is returned even if it is larger than `maxBytes`. */
  readonly minOneBatch: boolean
}

/** `load` gets the bytes off the loop, and the `read` that comes next needs no device; `release` lets go of them. */
export interface ColdRead {
  readonly sizeBytes: number
  readonly load: () => Promise<void>
  readonly release: () => void
}

export interface IndexLimits {
  readonly indexIntervalBytes: number
  readonly segmentIndexBytes: number
}

/** The log's list of segments, which knows how to load, rebuild and write indexes. */
export interface SegmentOwner {
  indexesOf(segment: Segment): SegmentIndexes
  settle(segment: Segment): SegmentSummary
}

/** One `.log` file. Invariant: every batch in it has `baseOffset` ≤ offsets, ascending, and ends within the file. */
export class Segment {
  readonly baseOffset: Offset
  readonly file: PooledFile
  readonly #owner: SegmentOwner
  /** Bytes that the indexes know of. */
  #notedBytes = 0
  #bytesSinceIndexEntry = 0
  /** Largest timestamp and the last offset of its batch; −1 if no batch has a timestamp. */
  maxTimestampMs = -1
  offsetOfMaxTimestamp: Offset = -1
  /** Of the first batch: time rolling counts from it. null: not read yet, or no batch. */
  #firstTimestampMs: number | null = null
  readonly openedAtWallMs: number
  /** null: not in memory. */
  indexes: SegmentIndexes | null = null
  /** What the index files are when they are whole; null: not known, or out of date. */
  summary: SegmentSummary | null = null
  /** True while compaction writes it: its names belong to another segment, so its indexes stay in memory. */
  isDetached = false
  #notesKnown = true
  #hints: readonly ReadHint[] = noHints

  constructor(options: {
    readonly baseOffset: Offset
    readonly file: PooledFile
    readonly owner: SegmentOwner
    readonly openedAtWallMs: number
  }) {
    this.baseOffset = options.baseOffset
    this.file = options.file
    this.#owner = options.owner
    this.openedAtWallMs = options.openedAtWallMs
    this.#notesKnown = options.file.sizeBytes === 0
  }

  static path(directory: string, baseOffset: Offset): string {
    return `${directory}/${segmentFileName(baseOffset, 'log')}`
  }

  get sizeBytes(): number {
    return this.file.sizeBytes
  }

  /** False: nothing but the file is known yet; `restoreNotes` or a scan changes that. */
  get notesKnown(): boolean {
    return this.#notesKnown
  }

  get isEmpty(): boolean {
    return this.file.sizeBytes === 0
  }

  firstTimestampMs(): number | null {
    if (this.#firstTimestampMs === null && !this.isEmpty) {
      this.scan({ from: 0 }, batch => {
        this.#firstTimestampMs = batch.header.maxTimestampMs
        return false
      })
    }
    return this.#firstTimestampMs
  }

  /** Why a batch cannot go into this segment any more, apart from time; null if it can. */
  fullFor(
    lastOffset: Offset,
    sizeBytes: number,
    limits: IndexLimits & { readonly segmentBytes: number },
  ): string | null {
    if (this.isEmpty) return null
    if (this.sizeBytes + sizeBytes > limits.segmentBytes) return 'size'
    if (lastOffset - this.baseOffset > relativeOffsetMax) return 'relative offset'
    const { offsets, times } = this.#owner.indexesOf(this)
    if ((offsets.count + 1) * offsetEntryBytes > limits.segmentIndexBytes) return 'index'
    // One entry is kept free for the final one.
    if ((times.count + 2) * timeEntryBytes > limits.segmentIndexBytes) return 'time index'
    return null
  }

  /** After the write: the indexes learn of a batch. Memory only, so it cannot fail after the data is in place. */
  note(header: BatchHeader, indexIntervalBytes: number): void {
    const { offsets } = this.#owner.indexesOf(this)
    if (this.#notedBytes === 0) this.#firstTimestampMs = header.maxTimestampMs
    if (header.maxTimestampMs > this.maxTimestampMs) {
      this.maxTimestampMs = header.maxTimestampMs
      this.offsetOfMaxTimestamp = header.lastOffset
    }
    if (this.#bytesSinceIndexEntry > indexIntervalBytes) {
      appendOffsetEntry(offsets, header.lastOffset - this.baseOffset, this.#notedBytes)
      this.noteTime()
      this.#bytesSinceIndexEntry = 0
    }
    this.summary = null
    this.#notedBytes += header.sizeBytes
    this.#bytesSinceIndexEntry += header.sizeBytes
  }

  /** The final time entry of a sealed or closed segment: its largest timestamp is then in the index. */
  noteTime(): void {
    const { times } = this.indexes ?? this.#owner.indexesOf(this)
    if (this.offsetOfMaxTimestamp < 0) return
    this.summary = null
    appendTimeEntry(times, this.maxTimestampMs, this.offsetOfMaxTimestamp - this.baseOffset)
  }

  /** The indexes are empty again and know nothing; a scan of the whole file fills them through `note`. */
  forgetNotes(): void {
    this.#notesKnown = true
    this.#notedBytes = 0
    this.#bytesSinceIndexEntry = 0
    this.maxTimestampMs = -1
    this.offsetOfMaxTimestamp = -1
    this.#firstTimestampMs = null
    this.#hints = noHints
  }

  /** What a verified summary of the segment says, so that it need not be scanned. */
  restoreNotes(notes: {
    readonly maxTimestampMs: number
    readonly offsetOfMaxTimestamp: Offset
    readonly bytesSinceIndexEntry: number
  }): void {
    this.#notesKnown = true
    this.#notedBytes = this.sizeBytes
    this.#bytesSinceIndexEntry = notes.bytesSinceIndexEntry
    this.maxTimestampMs = notes.maxTimestampMs
    this.offsetOfMaxTimestamp = notes.offsetOfMaxTimestamp
  }

  get bytesSinceIndexEntry(): number {
    return this.#bytesSinceIndexEntry
  }

  /** Frees the indexes; the summary says what their files are. */
  unload(): void {
    if (this.indexes === null || this.isDetached) return
    if (!this.file.isUnborn || !this.isEmpty) this.#owner.settle(this)
    this.indexes = null
  }

  /**
   * Batches from `offset` on, whole, below the bound: a view on what was read. Empty: the limits allow none. null: no
   * batch of this segment reaches `offset`.
   */
  read(offset: Offset, limits: ReadLimits): Uint8Array | null {
    const range = this.firstRange(offset, limits.maxBytes)
    const sizeBytes = this.sizeBytes
    let { start } = range
    if (start >= sizeBytes) return null
    let chunk = this.file.read(start, range.lengthBytes)
    let at = 0
    let skippedAt = -1
    // Over the batches before the one that holds `offset`.
    for (;;) {
      if (start + at >= sizeBytes) {
        if (skippedAt >= 0) this.#verifyAt(skippedAt)
        return null
      }
      if (chunk.length - at < BATCH_OVERHEAD) {
        start += at
        at = 0
        chunk = this.file.read(
          start,
          Math.min(Math.max(limits.maxBytes, headerSlackBytes), sizeBytes - start),
        )
      }
      this.#check(chunk, at, start)
      if (lastOffsetAt(chunk, at) >= offset) break
      skippedAt = start + at
      at += batchSizeBytes(chunk, at)
    }
    // Only compaction leaves gaps: else the batch before says wrongly where it ends.
    if (skippedAt >= 0 && batchBaseOffset(chunk, at) > offset) this.#verifyAt(skippedAt)
    return this.#take(chunk, { at, start }, limits)
  }

  /** What a read at `offset` looks at first, which nearly always is all that it needs. */
  firstRange(
    offset: Offset,
    maxBytes: number,
  ): { readonly start: number; readonly lengthBytes: number } {
    let start = this.#hintFor(offset)
    let slackBytes = 0
    if (start < 0) {
      start = floorPosition(this.#owner.indexesOf(this).offsets, this.baseOffset, offset)
      slackBytes = headerSlackBytes
    }
    return { start, lengthBytes: Math.min(maxBytes + slackBytes, this.sizeBytes - start) }
  }

  #take(
    chunk: Uint8Array,
    where: { readonly at: number; readonly start: number },
    limits: ReadLimits,
  ): Uint8Array {
    const { at, start } = where
    if (lastOffsetAt(chunk, at) >= limits.endOffset) {
      // Hardly ever: bounds lie between batches.
      this.#verifyAt(start + at)
      return emptyBytes
    }
    const firstBytes = batchSizeBytes(chunk, at)
    if (firstBytes > limits.maxBytes || firstBytes > chunk.length - at) {
      if (firstBytes > limits.maxBytes && !limits.minOneBatch) return emptyBytes
      if (firstBytes > this.sizeBytes - start - at) {
        throw corrupt(this.file.path, 'half a batch', start + at)
      }
      const batch = this.file.read(start + at, firstBytes)
      this.#verify(batch, 0, start + at)
      this.#hint(lastOffsetAt(batch, 0) + 1, start + at + firstBytes)
      return batch
    }
    const end = Math.min(chunk.length, at + limits.maxBytes)
    let taken = at
    let nextOffset = 0
    while (end - taken >= BATCH_OVERHEAD) {
      this.#check(chunk, taken, start)
      const lastOffset = lastOffsetAt(chunk, taken)
      const batchBytes = batchSizeBytes(chunk, taken)
      if (lastOffset >= limits.endOffset || batchBytes > end - taken) break
      // What is good before the damage is given out; who reads on from there learns of it.
      if (taken > at && !verifyBatchCrc(chunk, taken, batchBytes)) break
      if (taken === at) this.#verify(chunk, at, start + at)
      nextOffset = lastOffset + 1
      taken += batchBytes
    }
    this.#hint(nextOffset, start + taken)
    return chunk.subarray(at, taken)
  }

  /** Bytes that come from the disk may have rotted there: nothing that does is given to anybody, be it replica or client. */
  #verify(chunk: Uint8Array, at: number, position: number): void {
    if (verifyBatchCrc(chunk, at, batchSizeBytes(chunk, at))) return
    throw corrupt(this.file.path, 'checksum mismatch', position)
  }

  /** A batch whose header alone was looked at, and is believed only if the batch is whole. */
  #verifyAt(position: number): void {
    const header = this.file.read(position, BATCH_OVERHEAD)
    this.#check(header, 0, position)
    const batchBytes = batchSizeBytes(header, 0)
    if (batchBytes > this.sizeBytes - position) {
      throw corrupt(this.file.path, 'half a batch', position)
    }
    this.#verify(this.file.read(position, batchBytes), 0, position)
  }

  /** Stored bytes are checked for sense wherever they are followed. */
  #check(chunk: Uint8Array, at: number, start: number): void {
    if (
      chunk.length - at < BATCH_OVERHEAD ||
      chunk[at + 16] !== 2 ||
      batchSizeBytes(chunk, at) < BATCH_OVERHEAD ||
      batchBaseOffset(chunk, at) < this.baseOffset
    ) {
      throw corrupt(this.file.path, 'no record batch', start + at)
    }
  }

  #hintFor(offset: Offset): number {
    for (const hint of this.#hints) if (hint.offset === offset) return hint.position
    return -1
  }

  #hint(offset: Offset, position: number): void {
    this.#hints = [{ offset, position }, ...this.#hints.slice(0, readHintsMax - 1)]
  }

  /** Where the first batch begins that reaches `offset`; the file's end if there is none. */
  positionOf(offset: Offset): number {
    const from = floorPosition(this.#owner.indexesOf(this).offsets, this.baseOffset, offset)
    return this.scan({ from }, batch => batch.header.lastOffset < offset)
  }

  /** The first batch whose largest timestamp is at or after `timestampMs`. */
  firstBatchAtOrAfter(timestampMs: number): ScannedBatch | null {
    const { times } = this.#owner.indexesOf(this)
    const older = lastOffsetOlderThan(times, this.baseOffset, timestampMs)
    let found: ScannedBatch | null = null
    this.scan({ from: older < this.baseOffset ? 0 : this.positionOf(older) }, batch => {
      if (batch.header.maxTimestampMs < timestampMs) return true
      found = batch
      return false
    })
    return found
  }

  /** Headers only. Returns where it stopped. */
  scan(range: { readonly from: number }, visit: (batch: ScannedBatch) => boolean): number {
    const result = scanBatches(
      this.file,
      { from: range.from, to: this.sizeBytes, minOffset: this.baseOffset, verify: false },
      visit,
    )
    if (result.problem !== null) throw corrupt(this.file.path, result.problem, result.position)
    return result.position
  }

  /** Cuts at a batch boundary. The file is cut first and durably; then the caches. */
  truncateTo(position: number): void {
    const indexes = this.#owner.indexesOf(this)
    let endOffset = this.baseOffset
    const from = floorBefore(indexes, position)
    let lastIndexed = 0
    this.scan({ from }, batch => {
      if (batch.position >= position) return false
      endOffset = batch.header.lastOffset + 1
      return true
    })
    this.file.truncate(position)
    this.summary = null
    truncateOffsetIndex(indexes.offsets, position)
    truncateTimeIndex(indexes.times, endOffset - this.baseOffset)
    truncateAborted(indexes.aborted, endOffset)
    const { offsets } = indexes
    if (offsets.count > 0) {
      lastIndexed = offsets.view.getInt32((offsets.count - 1) * offsetEntryBytes + 4)
    }
    this.#notedBytes = position
    this.#bytesSinceIndexEntry = position - lastIndexed
    this.#hints = noHints
    this.#restoreMaxTimestamp(indexes)
    if (position === 0) this.#firstTimestampMs = null
  }

  #restoreMaxTimestamp(indexes: SegmentIndexes): void {
    this.maxTimestampMs = -1
    this.offsetOfMaxTimestamp = -1
    let from = 0
    const { times } = indexes
    if (times.count > 0) {
      const at = (times.count - 1) * timeEntryBytes
      this.maxTimestampMs = readInt64(times.view, at)
      this.offsetOfMaxTimestamp = this.baseOffset + times.view.getInt32(at + 8)
      from = this.positionOf(this.offsetOfMaxTimestamp)
    }
    this.scan({ from }, ({ header }) => {
      if (header.maxTimestampMs > this.maxTimestampMs) {
        this.maxTimestampMs = header.maxTimestampMs
        this.offsetOfMaxTimestamp = header.lastOffset
      }
      return true
    })
  }
}

/** Read beyond `maxBytes` when the index leads a little before the offset wanted: one index interval and a batch header. */
const headerSlackBytes = 8 * 1024

function lastOffsetAt(bytes: Uint8Array, at: number): Offset {
  return batchBaseOffset(bytes, at) + viewOf(bytes).getInt32(at + lastOffsetDeltaAt)
}

/** A batch boundary that lies before `position`, close to it. */
function floorBefore(indexes: SegmentIndexes, position: number): number {
  const { view } = indexes.offsets
  const count = indexes.offsets.countWhile(at => view.getInt32(at + 4) < position)
  return count === 0 ? 0 : view.getInt32((count - 1) * offsetEntryBytes + 4)
}
