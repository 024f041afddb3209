import { ClusterError } from '@trimaran/common'
import { type DecodedRecord, ProtocolError, decodeBatch, readBatchHeader } from '@trimaran/protocol'

/**
 * The records of a whole stored batch. A leader takes compressed ones unseen (design decision 7), so what is in them is
 * the producer's word.
 * @throws ClusterError CORRUPT for what does not unpack within bounds, or holds offsets that are not the batch's
 */
export function storedRecords(batch: Uint8Array): readonly DecodedRecord[] {
  const { baseOffset, lastOffset, compression } = readBatchHeader(batch, 0)
  const where = `the ${compression} batch of offsets ${baseOffset} to ${lastOffset}`
  try {
    const { records } = decodeBatch(batch, 0)
    const stray = records.find(({ offset }) => offset < baseOffset || offset > lastOffset)
    if (stray === undefined) return records
    throw new ClusterError('CORRUPT', `${where} holds a record of offset ${stray.offset}`)
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    throw new ClusterError('CORRUPT', `${where} cannot be unpacked: ${cause.message}`, { cause })
  }
}
