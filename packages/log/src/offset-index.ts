import type { Offset } from '@trimaran/common'
import type { IndexEntries } from './index-entries.ts'

/** Entry: offset relative to the segment's base (int32), position in the log file (int32). Kafka's `.index`. */
export const offsetEntryBytes = 8

/** Where a scan for `offset` may begin: the newest indexed batch that ends at or before it, else the file's start. */
export function floorPosition(index: IndexEntries, baseOffset: Offset, offset: Offset): number {
  const relative = offset - baseOffset
  const { view } = index
  const count = index.countWhile(at => view.getInt32(at) <= relative)
  return count === 0 ? 0 : view.getInt32((count - 1) * offsetEntryBytes + 4)
}

/** `lastOffset` is the last offset of the batch at `position`, as Kafka's readers expect. */
export function appendOffsetEntry(
  index: IndexEntries,
  relativeLastOffset: number,
  position: number,
): void {
  const at = index.push()
  index.view.setInt32(at, relativeLastOffset)
  index.view.setInt32(at + 4, position)
}

/** Drops the entries of batches that begin at or after `position`. */
export function truncateOffsetIndex(index: IndexEntries, position: number): void {
  const { view } = index
  index.truncateTo(index.countWhile(at => view.getInt32(at + 4) < position))
}
