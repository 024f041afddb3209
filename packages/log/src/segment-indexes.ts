import type { Disk, Offset } from '@trimaran/common'
import { crc32c } from '@trimaran/protocol'
import { segmentFileName, type SegmentFileKind } from './file-names.ts'
import { IndexEntries } from './index-entries.ts'
import { offsetEntryBytes } from './offset-index.ts'
import { timeEntryBytes } from './time-index.ts'
import { abortedEntryBytes } from './transaction-index.ts'

/** The three indexes of one segment, in memory. */
export interface SegmentIndexes {
  readonly offsets: IndexEntries
  readonly times: IndexEntries
  readonly aborted: IndexEntries
}

/**
 * What a segment and its indexes were when it was sealed or closed. It travels in the producer snapshot taken at its
 * end; an index file that does not match is rebuilt, so that no damage to one changes an answer.
 */
export interface SegmentSummary {
  readonly baseOffset: Offset
  readonly sizeBytes: number
  readonly maxTimestampMs: number
  readonly offsetOfMaxTimestamp: Offset
  readonly bytesSinceIndexEntry: number
  /** A rebuild must space its entries as the first build did, or the checksums would never match again. */
  readonly indexIntervalBytes: number
  readonly offsetsCrc: number
  readonly timesCrc: number
  readonly abortedCrc: number
}

function pathOf(directory: string, baseOffset: Offset, kind: SegmentFileKind): string {
  return `${directory}/${segmentFileName(baseOffset, kind)}`
}

export function emptyIndexes(directory: string, baseOffset: Offset): SegmentIndexes {
  const empty = (kind: SegmentFileKind, entryBytes: number): IndexEntries =>
    IndexEntries.empty(pathOf(directory, baseOffset, kind), entryBytes, {
      isWrittenEmpty: kind !== 'txnindex',
    })
  return {
    offsets: empty('index', offsetEntryBytes),
    times: empty('timeindex', timeEntryBytes),
    aborted: empty('txnindex', abortedEntryBytes),
  }
}

/** null: one of the files is not what the summary says. */
export function loadIndexes(
  disk: Disk,
  directory: string,
  summary: SegmentSummary,
): SegmentIndexes | null {
  const load = (kind: SegmentFileKind, entryBytes: number, crc: number): IndexEntries | null => {
    const path = pathOf(directory, summary.baseOffset, kind)
    const bytes = disk.exists(path) ? disk.readFile(path) : new Uint8Array(0)
    return crc32c(bytes, 0, bytes.length) === crc
      ? IndexEntries.fromFile(path, entryBytes, bytes)
      : null
  }
  const offsets = load('index', offsetEntryBytes, summary.offsetsCrc)
  const times = load('timeindex', timeEntryBytes, summary.timesCrc)
  const aborted = load('txnindex', abortedEntryBytes, summary.abortedCrc)
  if (offsets === null || times === null || aborted === null) return null
  return { offsets, times, aborted }
}

export function writeIndexes(disk: Disk, indexes: SegmentIndexes): void {
  indexes.offsets.write(disk)
  indexes.times.write(disk)
  indexes.aborted.write(disk)
}

export function indexBytes(indexes: SegmentIndexes): number {
  const { offsets, times, aborted } = indexes
  return offsets.capacityBytes + times.capacityBytes + aborted.capacityBytes
}

export function contentCrc(entries: IndexEntries): number {
  const { content } = entries
  return crc32c(content, 0, content.length)
}

/**
 * Loaded indexes of one data directory, the least recently used unloaded when they take too much. Unloading writes what
 * the file does not hold yet.
 */
export class LoadedIndexes<Owner extends object> {
  readonly #bytesMax: number
  readonly #unload: (owner: Owner) => void
  readonly #sizes = new Map<Owner, number>()
  #newest: Owner | null = null
  #totalBytes = 0

  constructor(bytesMax: number, unload: (owner: Owner) => void) {
    this.#bytesMax = bytesMax
    this.#unload = unload
  }

  get totalBytes(): number {
    return this.#totalBytes
  }

  used(owner: Owner, sizeBytes: number): void {
    const before = this.#sizes.get(owner)
    if (before === sizeBytes && this.#newest === owner) return
    if (before !== undefined) this.#sizes.delete(owner)
    this.#sizes.set(owner, sizeBytes)
    this.#newest = owner
    this.#totalBytes += sizeBytes - (before ?? 0)
    while (this.#totalBytes > this.#bytesMax && this.#sizes.size > 1) {
      const oldest = this.#sizes.keys().next().value as Owner
      this.forget(oldest)
      this.#unload(oldest)
    }
  }

  forget(owner: Owner): void {
    this.#totalBytes -= this.#sizes.get(owner) ?? 0
    this.#sizes.delete(owner)
    if (this.#newest === owner) this.#newest = null
  }
}
