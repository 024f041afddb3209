import type { Offset, ProducerId } from '@trimaran/common'
import type { IndexEntries } from './index-entries.ts'
import { readInt64, writeInt64 } from './int64.ts'

/** Entry: version 0 (int16), producer id, first offset, marker's offset, last stable offset after it. Kafka's `.txnindex`. */
export const abortedEntryBytes = 34

export interface AbortedTransaction {
  readonly producerId: ProducerId
  readonly firstOffset: Offset
  /** Offset of the abort marker. */
  readonly lastOffset: Offset
  /** Everything below was decided when the marker was appended. */
  readonly lastStableOffset: Offset
}

export function appendAborted(index: IndexEntries, aborted: AbortedTransaction): void {
  const at = index.push()
  const { view } = index
  view.setInt16(at, 0)
  writeInt64(view, at + 2, aborted.producerId)
  writeInt64(view, at + 10, aborted.firstOffset)
  writeInt64(view, at + 18, aborted.lastOffset)
  writeInt64(view, at + 26, aborted.lastStableOffset)
}

export function abortedAt(index: IndexEntries, number: number): AbortedTransaction {
  const at = number * abortedEntryBytes
  const { view } = index
  return {
    producerId: readInt64(view, at + 2),
    firstOffset: readInt64(view, at + 10),
    lastOffset: readInt64(view, at + 18),
    lastStableOffset: readInt64(view, at + 26),
  }
}

/** Entries are in the order of their markers. */
export function truncateAborted(index: IndexEntries, endOffset: Offset): void {
  const { view } = index
  index.truncateTo(index.countWhile(at => readInt64(view, at + 18) < endOffset))
}
