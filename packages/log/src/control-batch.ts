import { decodeBatch } from '@trimaran/protocol'
import { viewOf } from './int64.ts'
import type { TransactionMarker } from './producer-state.ts'

const abortType = 0
const commitType = 1
/** A marker is one record of a few bytes; anything larger is not one. */
const maxDecompressedBytes = 1024

/** null: a control batch of another kind. `batch` is one whole control batch. */
export function readMarker(batch: Uint8Array): TransactionMarker | null {
  const record = decodeBatch(batch, 0, { maxDecompressedBytes }).records[0]
  if (record === undefined || record.key === null || record.key.length < 4) return null
  const type = viewOf(record.key).getInt16(2)
  if (type !== abortType && type !== commitType) return null
  if (record.value === null || record.value.length < 6) return null
  return { committed: type === commitType, coordinatorEpoch: viewOf(record.value).getInt32(2) }
}
