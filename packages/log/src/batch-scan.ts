import { ClusterError, emptyBytes, type Offset } from '@trimaran/common'
import {
  BATCH_OVERHEAD,
  type BatchHeader,
  batchSizeBytes,
  readBatchHeader,
  verifyBatchCrc,
} from '@trimaran/protocol'

/** Read ahead while only headers are wanted: a page of the offset index's usual spacing, doubled. */
const headerChunkBytes = 8 * 1024
/** Read ahead while every byte is wanted for the checksums. */
const wholeChunkBytes = 1024 * 1024
const magicAt = 16

export interface ScannableFile {
  readonly path: string
  read(position: number, lengthBytes: number): Uint8Array
}

export interface ScannedBatch {
  readonly header: BatchHeader
  readonly position: number
  /** The batch's bytes; loaded only if they were not read anyway. */
  bytes(): Uint8Array
}

export interface ScanResult {
  /** Where the scan ended: the end asked for, where the visitor stopped, or the first byte that is no batch. */
  readonly position: number
  /** What is wrong at `position`; null if nothing is. */
  readonly problem: string | null
}

interface ScanRange {
  readonly from: number
  readonly to: number
  /** Offsets below this are out of place. */
  readonly minOffset: Offset
  /** True: the checksum of every batch is verified before it is visited. */
  readonly verify: boolean
}

/** Visits batches until the visitor says false, the range ends or something that is no batch in order is met. */
export function scanBatches(
  file: ScannableFile,
  range: ScanRange,
  visit: (batch: ScannedBatch) => boolean,
): ScanResult {
  let position = range.from
  let nextOffset = range.minOffset
  let chunk = emptyBytes
  let chunkStart = position
  const load = (lengthBytes: number): void => {
    chunkStart = position
    chunk = file.read(position, Math.min(lengthBytes, range.to - position))
  }
  while (position < range.to) {
    if (range.to - position < BATCH_OVERHEAD) return { position, problem: 'half a batch header' }
    let at = position - chunkStart
    if (chunk.length - at < BATCH_OVERHEAD) {
      load(range.verify ? wholeChunkBytes : headerChunkBytes)
      at = 0
    }
    const header = plausibleHeader(chunk, at, { nextOffset, roomBytes: range.to - position })
    if (typeof header === 'string') return { position, problem: header }
    const { sizeBytes } = header
    if (range.verify) {
      if (chunk.length - at < sizeBytes) {
        load(Math.max(sizeBytes, wholeChunkBytes))
        at = 0
      }
      if (!verifyBatchCrc(chunk, at, sizeBytes)) return { position, problem: 'checksum mismatch' }
    }
    const here = chunk
    const batchPosition = position
    const bytes = (): Uint8Array =>
      here.length - at >= sizeBytes
        ? here.subarray(at, at + sizeBytes)
        : file.read(batchPosition, sizeBytes)
    if (!visit({ header, position, bytes })) return { position, problem: null }
    nextOffset = header.lastOffset + 1
    position += sizeBytes
  }
  return { position, problem: null }
}

/** The header at `at` if it can be the next batch's; why it cannot be, if not. */
export function plausibleHeader(
  bytes: Uint8Array,
  at: number,
  expected: { readonly nextOffset: Offset; readonly roomBytes: number },
): BatchHeader | string {
  if (bytes.length - at < BATCH_OVERHEAD) return 'half a batch header'
  const sizeBytes = batchSizeBytes(bytes, at)
  if (sizeBytes < BATCH_OVERHEAD) return 'impossible batch length'
  if (bytes[at + magicAt] !== 2) return 'no batch of format 2'
  if (sizeBytes > expected.roomBytes) return 'half a batch'
  const header = readBatchHeader(bytes, at)
  if (header.baseOffset < expected.nextOffset) return 'offset out of order'
  if (header.lastOffsetDelta < 0) return 'negative offset delta'
  if (!Number.isSafeInteger(header.lastOffset)) return 'impossible offset'
  return header
}

/**
 * Looks for a batch with a good checksum anywhere after damage at `from`: if there is one, bytes in the middle are
 * lost; if there is none, the tail is torn. One read of each byte; checksums only where a header is plausible.
 */
export function hasBatchAfter(
  file: ScannableFile,
  range: { readonly from: number; readonly to: number; readonly minOffset: Offset },
): boolean {
  let position = range.from + 1
  while (range.to - position >= BATCH_OVERHEAD) {
    const chunk = file.read(position, Math.min(wholeChunkBytes, range.to - position))
    for (let at = 0; at + BATCH_OVERHEAD <= chunk.length; at++) {
      if (chunk[at + magicAt] !== 2) continue
      const roomBytes = range.to - position - at
      const header = plausibleHeader(chunk, at, { nextOffset: range.minOffset, roomBytes })
      if (typeof header === 'string') continue
      const { sizeBytes } = header
      const batch = file.read(position + at, sizeBytes)
      if (verifyBatchCrc(batch, 0, sizeBytes)) return true
    }
    position += chunk.length - BATCH_OVERHEAD + 1
  }
  return false
}

export function corrupt(path: string, problem: string, position: number): ClusterError {
  return new ClusterError('CORRUPT', `${path} at byte ${position}: ${problem}`)
}
