import type { Offset } from '@trimaran/common'
import type { BatchHeader } from '@trimaran/protocol'
import type { ScannedBatch } from './batch-scan.ts'
import { readMarker } from './control-batch.ts'
import { ProducerStates, type TransactionMarker } from './producer-state.ts'
import type { SegmentIndexes } from './segment-indexes.ts'
import type { Segments } from './segments.ts'
import { readSnapshot, snapshotOffsets } from './snapshots.ts'
import { appendAborted } from './transaction-index.ts'

/** One batch of the log as seen by producer state and, if given, the index of aborted transactions. */
export function applyBatch(
  states: ProducerStates,
  header: BatchHeader,
  marker: TransactionMarker | null,
  indexes: SegmentIndexes | null,
): void {
  if (header.producerId < 0 || (header.isControl && marker === null)) return
  const decided = states.apply(header, marker)
  if (decided === null || decided.committed || indexes === null) return
  appendAborted(indexes.aborted, {
    producerId: decided.producerId,
    firstOffset: decided.firstOffset,
    lastOffset: decided.lastOffset,
    lastStableOffset: states.firstOpenOffset() ?? decided.lastOffset + 1,
  })
}

export function applyScanned(
  states: ProducerStates,
  batch: ScannedBatch,
  indexes: SegmentIndexes | null,
): void {
  const marker = batch.header.isControl ? readMarker(batch.bytes()) : null
  applyBatch(states, batch.header, marker, indexes)
}

/** Producer state as the batches below `endOffset` make it: the newest good snapshot, then the batches after it. */
export function statesAt(segments: Segments, endOffset: Offset): ProducerStates {
  const { disk } = segments.context
  const states = new ProducerStates()
  const logFrom = Math.min(segments.first.baseOffset, endOffset)
  let from = logFrom
  for (const offset of snapshotOffsets(disk, segments.directory)) {
    if (offset > endOffset) continue
    if (offset < logFrom) break
    const snapshot = readSnapshot(disk, segments.directory, offset)
    if (snapshot === null) continue
    states.restore(snapshot.entries, snapshot.undetermined, offset)
    from = offset
    break
  }
  replay(segments, { from, to: endOffset }, states)
  return states
}

function replay(
  segments: Segments,
  range: { readonly from: Offset; readonly to: Offset },
  states: ProducerStates,
): void {
  if (range.from >= range.to) return
  for (
    let number = Math.max(0, segments.floor(range.from));
    number < segments.all.length;
    number++
  ) {
    const segment = segments.at(number)
    if (segment.baseOffset >= range.to) return
    segment.scan({ from: 0 }, batch => {
      if (batch.header.baseOffset >= range.to) return false
      if (batch.header.lastOffset >= range.from) applyScanned(states, batch, null)
      return true
    })
  }
}
