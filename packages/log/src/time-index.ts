import type { Offset } from '@trimaran/common'
import type { IndexEntries } from './index-entries.ts'
import { readInt64, writeInt64 } from './int64.ts'

/**
 * Entry: largest timestamp so far (int64), last offset of the batch that bears it, relative to the base (int32). Both
 * grow from entry to entry. Kafka's `.timeindex`.
 */
export const timeEntryBytes = 12

/**
 * All batches up to this offset are older than `timestampMs`, so a search may begin after it; `baseOffset` − 1 if the
 * index knows of none.
 */
export function lastOffsetOlderThan(
  index: IndexEntries,
  baseOffset: Offset,
  timestampMs: number,
): Offset {
  const { view } = index
  const count = index.countWhile(at => readInt64(view, at) < timestampMs)
  return count === 0 ? baseOffset - 1 : baseOffset + view.getInt32((count - 1) * timeEntryBytes + 8)
}

/** Does nothing when the largest timestamp has not grown since the last entry. */
export function appendTimeEntry(
  index: IndexEntries,
  timestampMs: number,
  relativeOffset: number,
): void {
  if (timestampMs < 0) return
  if (index.count > 0) {
    const last = (index.count - 1) * timeEntryBytes
    if (readInt64(index.view, last) >= timestampMs) return
  }
  const at = index.push()
  writeInt64(index.view, at, timestampMs)
  index.view.setInt32(at + 8, relativeOffset)
}

export function truncateTimeIndex(index: IndexEntries, relativeOffset: number): void {
  const { view } = index
  index.truncateTo(index.countWhile(at => view.getInt32(at + 8) < relativeOffset))
}

export function lastTimeEntry(
  index: IndexEntries,
): { readonly timestampMs: number; readonly relativeOffset: number } | null {
  if (index.count === 0) return null
  const at = (index.count - 1) * timeEntryBytes
  return { timestampMs: readInt64(index.view, at), relativeOffset: index.view.getInt32(at + 8) }
}
