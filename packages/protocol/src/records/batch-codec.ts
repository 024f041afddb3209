/** Whole batches from and to records, for clients, coordinators and tools. The produce path never needs it. */
import { setInt16, setInt32, setInt64 } from '../big-endian.ts'
import { ProtocolError } from '../errors.ts'
import {
  ATTRIBUTES_AT,
  BATCH_OVERHEAD,
  type BatchHeader,
  CONTROL_BIT,
  type Compression,
  DELETE_HORIZON_BIT,
  LOG_OVERHEAD,
  MAGIC,
  MAGIC_AT,
  TIMESTAMP_TYPE_BIT,
  TRANSACTIONAL_BIT,
  type TimestampType,
  compressions,
  readBatchHeader,
  renewCrc,
} from './batch.ts'
import { compress, decompress } from './compression.ts'
import { RecordCursor, varintBytes, varlongBytes } from './record.ts'

/**
 * Most a single batch is unpacked to if the caller says nothing: 64 times the default `max.message.bytes` of 1 MiB,
 * beyond what text compresses to.
 */
export const DECOMPRESSED_BYTES_MAX = 64 * 1024 * 1024

export interface RecordHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

export interface RecordToEncode {
  readonly key?: Uint8Array | null
  readonly value?: Uint8Array | null
  readonly headers?: readonly RecordHeader[]
  readonly timestampMs: number
  /** By default one more than the record before. Compaction leaves gaps. */
  readonly offsetDelta?: number
}

export interface BatchToEncode {
  readonly records: readonly RecordToEncode[]
  readonly baseOffset?: number
  readonly partitionLeaderEpoch?: number
  readonly compression?: Compression
  /** As the codec counts it; for gzip and zstd. */
  readonly compressionLevel?: number
  readonly timestampType?: TimestampType
  readonly producerId?: number
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly isTransactional?: boolean
  readonly isControl?: boolean
  /** By default that of the last record; compaction keeps the original one when the last records are gone. */
  readonly lastOffsetDelta?: number
  /** When tombstones and markers in it may go (KIP-534); becomes the base timestamp. */
  readonly deleteHorizonMs?: number
}

export interface DecodedRecord {
  readonly offset: number
  readonly timestampMs: number
  /** Key, value and header values are views on the batch, or on what it unpacked to. */
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}

export interface DecodedBatch {
  readonly header: BatchHeader
  readonly records: DecodedRecord[]
}

/** A batch in one piece, with its checksum. */
export function encodeBatch(batch: BatchToEncode): Uint8Array {
  const { records, deleteHorizonMs } = batch
  const baseTimestampMs = deleteHorizonMs ?? records[0]?.timestampMs ?? -1
  const codec = batch.compression ?? 'none'
  const sizes = records.map((record, index) => recordBytes(record, index, baseTimestampMs))
  const bodyBytes = sizes.reduce((sum, size) => sum + varintBytes(size) + size, 0)
  const headBytes = codec === 'none' ? BATCH_OVERHEAD : 0
  let bytes = Buffer.allocUnsafeSlow(headBytes + bodyBytes)
  let at = headBytes
  records.forEach((record, index) => {
    at = writeVarint(bytes, at, sizes[index]!)
    at = writeRecord(bytes, at, record, index, baseTimestampMs)
  })
  if (codec !== 'none') {
    const packed = compress(codec, bytes, batch.compressionLevel)
    bytes = Buffer.allocUnsafeSlow(BATCH_OVERHEAD + packed.length)
    bytes.set(packed, BATCH_OVERHEAD)
  }
  writeHeader(bytes, batch, baseTimestampMs)
  return new Uint8Array(bytes.buffer)
}

function writeHeader(bytes: Uint8Array, batch: BatchToEncode, baseTimestampMs: number): void {
  const { records } = batch
  const last = records.at(-1)
  setInt64(bytes, 0, batch.baseOffset ?? 0)
  setInt32(bytes, 8, bytes.length - LOG_OVERHEAD)
  setInt32(bytes, 12, batch.partitionLeaderEpoch ?? -1)
  bytes[MAGIC_AT] = MAGIC
  setInt16(
    bytes,
    ATTRIBUTES_AT,
    compressions.indexOf(batch.compression ?? 'none') |
      (batch.timestampType === 'logAppendTime' ? TIMESTAMP_TYPE_BIT : 0) |
      (batch.isTransactional ? TRANSACTIONAL_BIT : 0) |
      (batch.isControl ? CONTROL_BIT : 0) |
      (batch.deleteHorizonMs === undefined ? 0 : DELETE_HORIZON_BIT),
  )
  setInt32(bytes, 23, batch.lastOffsetDelta ?? last?.offsetDelta ?? Math.max(0, records.length - 1))
  setInt64(bytes, 27, baseTimestampMs)
  setInt64(
    bytes,
    35,
    records.reduce((max, record) => Math.max(max, record.timestampMs), -1),
  )
  setInt64(bytes, 43, batch.producerId ?? -1)
  setInt16(bytes, 51, batch.producerEpoch ?? -1)
  setInt32(bytes, 53, batch.baseSequence ?? -1)
  setInt32(bytes, 57, records.length)
  renewCrc(bytes, 0, bytes.length)
}

/** Bytes of a record after its length. */
function recordBytes(record: RecordToEncode, index: number, baseTimestampMs: number): number {
  const headers = record.headers ?? []
  let size =
    1 +
    varlongBytes(record.timestampMs - baseTimestampMs) +
    varintBytes(record.offsetDelta ?? index) +
    partBytes(record.key) +
    partBytes(record.value) +
    varintBytes(headers.length)
  for (const header of headers) {
    const keyBytes = Buffer.byteLength(header.key)
    size += varintBytes(keyBytes) + keyBytes + partBytes(header.value)
  }
  return size
}

const partBytes = (part: Uint8Array | null | undefined): number =>
  part === null || part === undefined ? 1 : varintBytes(part.length) + part.length

function writeRecord(
  bytes: Buffer,
  start: number,
  record: RecordToEncode,
  index: number,
  baseTimestampMs: number,
): number {
  bytes[start] = 0
  let at = writeVarlong(bytes, start + 1, record.timestampMs - baseTimestampMs)
  at = writeVarint(bytes, at, record.offsetDelta ?? index)
  at = writePart(bytes, at, record.key)
  at = writePart(bytes, at, record.value)
  const headers = record.headers ?? []
  at = writeVarint(bytes, at, headers.length)
  for (const header of headers) {
    at = writeVarint(bytes, at, Buffer.byteLength(header.key))
    at += bytes.write(header.key, at)
    at = writePart(bytes, at, header.value)
  }
  return at
}

function writePart(bytes: Uint8Array, start: number, part: Uint8Array | null | undefined): number {
  if (part === null || part === undefined) return writeVarint(bytes, start, -1)
  const at = writeVarint(bytes, start, part.length)
  bytes.set(part, at)
  return at + part.length
}

function writeVarint(bytes: Uint8Array, start: number, value: number): number {
  let at = start
  let raw = ((value << 1) ^ (value >> 31)) >>> 0
  for (; raw >= 0x80; raw >>>= 7) bytes[at++] = raw | 0x80
  bytes[at++] = raw
  return at
}

function writeVarlong(bytes: Uint8Array, start: number, value: number): number {
  let at = start
  let raw = value >= 0 ? value * 2 : -value * 2 - 1
  for (; raw >= 0x80; raw = Math.floor(raw / 128)) bytes[at++] = (raw % 128) | 0x80
  bytes[at++] = raw
  return at
}

/**
 * The batch at `at` with its records unpacked. The checksum is not looked at: `verifyBatchCrc` is for that.
 * @throws OutputTooLargeError if it unpacks to more than `maxDecompressedBytes`
 * @throws ProtocolError if it is cut off or not of the shape it must have
 */
export function decodeBatch(
  bytes: Uint8Array,
  at: number = 0,
  options: { readonly maxDecompressedBytes?: number } = {},
): DecodedBatch {
  const header = readBatchHeader(bytes, at)
  const cursor = recordCursor(
    bytes,
    at,
    header,
    options.maxDecompressedBytes ?? DECOMPRESSED_BYTES_MAX,
  )
  const records: DecodedRecord[] = []
  // Grows with the records that are there, not with what the header claims.
  for (let left = header.recordCount; left > 0; left--) {
    cursor.next()
    records.push({
      offset: header.baseOffset + cursor.offsetDelta,
      timestampMs:
        header.timestampType === 'logAppendTime'
          ? header.maxTimestampMs
          : header.baseTimestampMs + cursor.timestampDelta,
      key: part(cursor.bytes, cursor.keyAt, cursor.keyLength),
      value: part(cursor.bytes, cursor.valueAt, cursor.valueLength),
      headers: cursor.headerCount === 0 ? noHeaders : headersOf(cursor),
    })
  }
  if (cursor.remaining > 0)
    throw new ProtocolError(`${cursor.remaining} bytes follow the last record of a batch`)
  return { header, records }
}

/**
 * A cursor before the first record of the batch at `at`, whose header is given; unpacks it if need be. `isTransient`: no
 * bytes of it are kept, and no other batch is unpacked meanwhile.
 */
export function recordCursor(
  bytes: Uint8Array,
  at: number,
  header: BatchHeader,
  maxDecompressedBytes: number,
  isTransient = false,
): RecordCursor {
  const start = at + BATCH_OVERHEAD
  const end = at + header.sizeBytes
  if (end > bytes.length) throw new ProtocolError('the record batch is cut off')
  switch (header.compression) {
    case 'none':
      return new RecordCursor(bytes, start, end)
    case 'unknown':
      throw new ProtocolError('the compression of the record batch is not known')
    case 'gzip':
    case 'snappy':
    case 'lz4':
    case 'zstd':
      return new RecordCursor(
        decompress(
          header.compression,
          bytes.subarray(start, end),
          maxDecompressedBytes,
          isTransient,
        ),
      )
  }
}

const noHeaders: readonly RecordHeader[] = []

function headersOf(cursor: RecordCursor): RecordHeader[] {
  const headers: RecordHeader[] = []
  const { bytes } = cursor
  cursor.forEachHeader((keyAt, keyLength, valueAt, valueLength) => {
    const key = Buffer.from(bytes.buffer, bytes.byteOffset + keyAt, keyLength).toString('utf8')
    headers.push({ key, value: part(bytes, valueAt, valueLength) })
  })
  return headers
}

const part = (bytes: Uint8Array, at: number, length: number): Uint8Array | null =>
  length < 0 ? null : new Uint8Array(bytes.buffer, bytes.byteOffset + at, length)
