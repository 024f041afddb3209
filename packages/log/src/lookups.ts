import { ClusterError, type LeaderEpoch, type Offset, type ProducerId } from '@trimaran/common'
import type { ScannedBatch } from './batch-scan.ts'
import type { Segments } from './segments.ts'
import { storedRecords } from './stored-records.ts'
import { abortedAt } from './transaction-index.ts'

export interface RecordPosition {
  readonly offset: Offset
  readonly timestampMs: number
  readonly leaderEpoch: LeaderEpoch
}

/** The first record from `from` on with a timestamp at or after the one given. */
export function findTimestamp(
  segments: Segments,
  wanted: { readonly timestampMs: number; readonly from: Offset },
): RecordPosition | null {
  let number = Math.max(0, segments.floor(wanted.from))
  for (; number < segments.all.length; number++) {
    const segment = segments.at(number)
    if (segment.isEmpty || segments.largestTimestampMs(segment) < wanted.timestampMs) continue
    const first = segment.firstBatchAtOrAfter(wanted.timestampMs)
    if (first === null) continue
    let found: RecordPosition | null = null
    segment.scan({ from: first.position }, batch => {
      if (
        batch.header.maxTimestampMs >= wanted.timestampMs &&
        batch.header.lastOffset >= wanted.from
      ) {
        found = recordIn(batch, wanted)
      }
      return found === null
    })
    if (found !== null) return found
  }
  return null
}

/** The first of the records with the largest timestamp. */
export function findMaxTimestamp(segments: Segments, from: Offset): RecordPosition | null {
  let largestMs = -1
  for (let number = Math.max(0, segments.floor(from)); number < segments.all.length; number++) {
    largestMs = Math.max(largestMs, segments.largestTimestampMs(segments.at(number)))
  }
  return largestMs < 0 ? null : findTimestamp(segments, { timestampMs: largestMs, from })
}

function recordIn(
  batch: ScannedBatch,
  wanted: { readonly timestampMs: number; readonly from: Offset },
): RecordPosition | null {
  for (const record of recordsOf(batch)) {
    if (record.timestampMs < wanted.timestampMs || record.offset < wanted.from) continue
    const { offset, timestampMs } = record
    return { offset, timestampMs, leaderEpoch: batch.header.partitionLeaderEpoch }
  }
  return null
}

/** Of records that cannot be told apart, the first one says when: readers go on from there and meet what there is. */
function recordsOf(batch: ScannedBatch): readonly { offset: Offset; timestampMs: number }[] {
  try {
    return storedRecords(batch.bytes())
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code !== 'CORRUPT') throw error
    const { baseOffset, maxTimestampMs } = batch.header
    return [{ offset: baseOffset, timestampMs: maxTimestampMs }]
  }
}

/** Every transaction that overlaps [from, to) and was aborted, for the answer to a read_committed fetch. */
export function abortedBetween(
  segments: Segments,
  from: Offset,
  to: Offset,
): { producerId: ProducerId; firstOffset: Offset }[] {
  const found: { producerId: ProducerId; firstOffset: Offset }[] = []
  for (let number = Math.max(0, segments.floor(from)); number < segments.all.length; number++) {
    const { aborted } = segments.indexesOf(segments.at(number))
    for (let at = 0; at < aborted.count; at++) {
      const entry = abortedAt(aborted, at)
      if (entry.lastOffset >= from && entry.firstOffset < to) {
        found.push({ producerId: entry.producerId, firstOffset: entry.firstOffset })
      }
      // Every transaction below `to` was decided by then; later entries begin later.
      if (entry.lastStableOffset >= to) return found
    }
  }
  return found
}
