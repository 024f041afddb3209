/**
 * Record batch, format 2 (KIP-98), the only one since KIP-724. The broker reads this header, checks the checksum and
 * stamps offset and leader epoch, both outside of it; the records stay the bytes the producer sent.
 *
 *   at  bytes
 *    0  8  base offset              23  4  last offset delta
 *    8  4  length after this field  27  8  base timestamp
 *   12  4  partition leader epoch   35  8  max timestamp
 *   16  1  magic, 2                 43  8  producer id
 *   17  4  CRC-32C of 21 to the end 51  2  producer epoch
 *   21  2  attributes               53  4  base sequence
 *                                   57  4  record count, then the records
 */
import { int16At, int32At, int64At, setInt16, setInt32, setInt64, uint32At } from '../big-endian.ts'
import { ProtocolError } from '../errors.ts'
import { crc32c } from './crc32c.ts'

/** Bytes of a batch before its records. */
export const BATCH_OVERHEAD = 61
/** Base offset and length: what the length field does not count. */
export const LOG_OVERHEAD = 12
export const MAGIC = 2
export const MAGIC_AT = 16
export const ATTRIBUTES_AT = 21
const LEADER_EPOCH_AT = 12
const CRC_AT = 17
const MAX_TIMESTAMP_AT = 35

/** Attribute bits 0–2: codec, by number. 5 to 7 mean nothing. */
export const compressions = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
export type Compression = (typeof compressions)[number]
export const COMPRESSION_MASK = 0x07
export const TIMESTAMP_TYPE_BIT = 0x08
export const TRANSACTIONAL_BIT = 0x10
export const CONTROL_BIT = 0x20
export const DELETE_HORIZON_BIT = 0x40

/** Who set the timestamps: the producer, or the broker for the whole batch when it appended. */
export type TimestampType = 'createTime' | 'logAppendTime'

/** Sequences count to 2^31 - 1 and begin again at 0. */
const SEQUENCE_COUNT = 2 ** 31

export interface BatchHeader {
  readonly baseOffset: number
  /** As on the wire: bytes after the length field. */
  readonly batchLength: number
  /** The whole batch, header included. */
  readonly sizeBytes: number
  readonly partitionLeaderEpoch: number
  readonly magic: number
  /** Unsigned. */
  readonly crc: number
  readonly attributes: number
  readonly compression: Compression | 'unknown'
  readonly timestampType: TimestampType
  readonly isTransactional: boolean
  /** Transaction markers and the like: never shown to consumers. */
  readonly isControl: boolean
  /** Set by compaction: `baseTimestampMs` is when tombstones and markers may go (KIP-534). */
  readonly hasDeleteHorizon: boolean
  readonly lastOffsetDelta: number
  readonly lastOffset: number
  readonly baseTimestampMs: number
  /** Of all records; the append time if the broker set it. */
  readonly maxTimestampMs: number
  /** -1: not idempotent. */
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  /** Wraps after 2^31 - 1; -1 without a base sequence. */
  readonly lastSequence: number
  readonly recordCount: number
}

export const batchBaseOffset = (bytes: Uint8Array, at: number): number => int64At(bytes, at)

/** Size of the whole batch; reads only its first twelve bytes. */
export const batchSizeBytes = (bytes: Uint8Array, at: number): number =>
  int32At(bytes, at + 8) + LOG_OVERHEAD

/** The sequence of the record `delta` after the one with `sequence`. */
export function sequenceAfter(sequence: number, delta: number): number {
  return (sequence + delta) % SEQUENCE_COUNT
}

/**
 * The header of the batch at `at`. The records behind it may be cut off: compare `sizeBytes` with what is there.
 * 64-bit values are exact within ±2^53 and rounded beyond.
 * @throws ProtocolError if the header is cut off, is not of format 2 or claims less than its own size
 */
export function readBatchHeader(bytes: Uint8Array, at: number): BatchHeader {
  if (at < 0 || at + BATCH_OVERHEAD > bytes.length) {
    throw new ProtocolError(
      `${bytes.length - at} bytes are too few for the header of a record batch`,
    )
  }
  const batchLength = int32At(bytes, at + 8)
  if (batchLength < BATCH_OVERHEAD - LOG_OVERHEAD) {
    throw new ProtocolError(`a record batch cannot be ${batchLength} bytes long`)
  }
  const magic = bytes[at + MAGIC_AT]!
  if (magic !== MAGIC) throw new ProtocolError(`record batch of format ${magic}`)
  const attributes = int16At(bytes, at + ATTRIBUTES_AT)
  const baseOffset = int64At(bytes, at)
  const lastOffsetDelta = int32At(bytes, at + 23)
  const baseSequence = int32At(bytes, at + 53)
  return {
    baseOffset,
    batchLength,
    sizeBytes: batchLength + LOG_OVERHEAD,
    partitionLeaderEpoch: int32At(bytes, at + LEADER_EPOCH_AT),
    magic,
    crc: uint32At(bytes, at + CRC_AT),
    attributes,
    compression: compressions[attributes & COMPRESSION_MASK] ?? 'unknown',
    timestampType: attributes & TIMESTAMP_TYPE_BIT ? 'logAppendTime' : 'createTime',
    isTransactional: (attributes & TRANSACTIONAL_BIT) !== 0,
    isControl: (attributes & CONTROL_BIT) !== 0,
    hasDeleteHorizon: (attributes & DELETE_HORIZON_BIT) !== 0,
    lastOffsetDelta,
    lastOffset: baseOffset + lastOffsetDelta,
    baseTimestampMs: int64At(bytes, at + 27),
    maxTimestampMs: int64At(bytes, at + MAX_TIMESTAMP_AT),
    producerId: int64At(bytes, at + 43),
    producerEpoch: int16At(bytes, at + 51),
    baseSequence,
    lastSequence: baseSequence < 0 ? -1 : sequenceAfter(baseSequence, lastOffsetDelta),
    recordCount: int32At(bytes, at + 57),
  }
}

/**
 * Visits the whole batches in `bytes` in order. A batch that is cut off at the end is not visited: answers to fetches
 * may end so. Returns the bytes the visited batches take.
 * @throws ProtocolError as `readBatchHeader`
 */
export function forEachBatch(
  bytes: Uint8Array,
  visit: (header: BatchHeader, at: number) => void,
): number {
  let at = 0
  while (at + BATCH_OVERHEAD <= bytes.length) {
    const header = readBatchHeader(bytes, at)
    if (at + header.sizeBytes > bytes.length) break
    visit(header, at)
    at += header.sizeBytes
  }
  return at
}

/** The checksum of the batch's bytes; `at + sizeBytes` must be within `bytes`. */
export const batchCrc = (bytes: Uint8Array, at: number, sizeBytes: number): number =>
  crc32c(bytes, at + ATTRIBUTES_AT, at + sizeBytes)

/** False also if the batch is cut off or too small to be one. */
export function verifyBatchCrc(bytes: Uint8Array, at: number, sizeBytes: number): boolean {
  if (sizeBytes < BATCH_OVERHEAD || at + sizeBytes > bytes.length) return false
  return uint32At(bytes, at + CRC_AT) === batchCrc(bytes, at, sizeBytes)
}

/** What a leader writes into a batch it appends; the checksum does not cover it. */
export function stampBatch(
  bytes: Uint8Array,
  at: number,
  baseOffset: number,
  leaderEpoch: number,
): void {
  setInt64(bytes, at, baseOffset)
  setInt32(bytes, at + LEADER_EPOCH_AT, leaderEpoch)
}

/** Gives every record of the batch the append time (message.timestamp.type=LogAppendTime) and renews the checksum. */
export function stampAppendTime(bytes: Uint8Array, at: number, timestampMs: number): void {
  setInt16(bytes, at + ATTRIBUTES_AT, int16At(bytes, at + ATTRIBUTES_AT) | TIMESTAMP_TYPE_BIT)
  setInt64(bytes, at + MAX_TIMESTAMP_AT, timestampMs)
  renewCrc(bytes, at, batchSizeBytes(bytes, at))
}

export function renewCrc(bytes: Uint8Array, at: number, sizeBytes: number): void {
  setInt32(bytes, at + CRC_AT, batchCrc(bytes, at, sizeBytes))
}
