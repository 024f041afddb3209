/**
 * What a leader checks before it appends what a client sent (KIP-98, KIP-467, KIP-724). The batch is refused as a
 * whole or stored as it is: nothing in it is rewritten but a wrong maximum timestamp.
 *
 * Deviations from Kafka, on purpose: offset deltas must count 0, 1, 2, … in uncompressed batches too, since stored
 * bytes keep them (Kafka renumbers); a codec that is not known is 76, and data that does not decode 87, where Kafka
 * answers -1; a batch that unpacks to very much is 10, so that the producer splits it.
 */
import { setInt64 } from '../big-endian.ts'
import { type ErrorCode, OutputTooLargeError, ProtocolError, errorCodes } from '../errors.ts'
import {
  BATCH_OVERHEAD,
  type BatchHeader,
  MAGIC,
  MAGIC_AT,
  type TimestampType,
  batchSizeBytes,
  readBatchHeader,
  renewCrc,
  verifyBatchCrc,
} from './batch.ts'
import { recordCursor } from './batch-codec.ts'
import type { RecordCursor } from './record.ts'

/** KIP-110: older producers could not have meant zstd. */
const ZSTD_API_VERSION_MIN = 7
/**
 * Unpacked bytes per byte of `maxMessageBytes`: with the default of 1 MiB a batch of 1 MiB may unpack to 32 MiB, far
 * above the 2 to 10 of real data, and takes no more than a tenth of a second to check.
 */
const DECOMPRESSED_RATIO_MAX = 32
/** Record errors in one answer: enough to see the pattern, and about 10 KiB. */
const RECORD_ERRORS_MAX = 100
const MAX_TIMESTAMP_AT = 35
/** Length, attributes, timestamp and offset deltas, two lengths and a count, a byte each. */
const RECORD_BYTES_MIN = 7
/** A timestamp of -1 or less is none, and is never refused. */
const NO_TIMESTAMP_MAX = -1

export interface ProduceRules {
  readonly apiVersion: number
  /** Topic config max.message.bytes. */
  readonly maxMessageBytes: number
  /** Compacted topics need a key in every record. */
  readonly compactedTopic: boolean
  /** message.timestamp.before.max.ms and .after.max.ms; only looked at for createTime. */
  readonly timestampBeforeMaxMs: number
  readonly timestampAfterMaxMs: number
  readonly nowMs: number
  /** Topic config message.timestamp.type. */
  readonly timestampType: TimestampType
  /**
   * False: compressed records are stored unseen, if the header can be believed. Compacted topics are looked at in any
   * case.
   */
  readonly inspectCompressed?: boolean
}

/** KIP-467: which records of the batch are to blame. */
export interface RecordError {
  /** Index of the record in its batch. */
  readonly batchIndex: number
  readonly batchIndexErrorMessage: string | null
}

export type ProduceValidation =
  | { readonly ok: true; readonly header: BatchHeader }
  | {
      readonly ok: false
      readonly errorCode: ErrorCode
      readonly errorMessage: string
      readonly recordErrors?: readonly RecordError[]
    }

type Refusal = Extract<ProduceValidation, { ok: false }>

const refuse = (errorCode: ErrorCode, errorMessage: string): Refusal => ({
  ok: false,
  errorCode,
  errorMessage,
})
const invalid = (why: string): Refusal => refuse(errorCodes.INVALID_RECORD, why)
const corrupt = (why: string): Refusal => refuse(errorCodes.CORRUPT_MESSAGE, why)

/**
 * Checks one partition's records of a Produce request. If the batch's maximum timestamp is not that of its records,
 * as some clients have it, it is put right in place, checksum included.
 */
export function validateProduceBatch(
  records: Uint8Array | null,
  rules: ProduceRules,
): ProduceValidation {
  const frame = checkFrame(records)
  if (frame !== undefined) return frame
  const bytes = records as Uint8Array
  const header = readBatchHeader(bytes, 0)
  return checkHeader(bytes, header, rules) ?? checkRecords(bytes, header, rules)
}

/** Exactly one batch of format 2, of the size it says. */
function checkFrame(records: Uint8Array | null): Refusal | undefined {
  if (records === null || records.length === 0) {
    return invalid(
      'A produce request must carry exactly one record batch per partition; there is none.',
    )
  }
  if (records.length <= MAGIC_AT) return corrupt('The record batch is cut off.')
  const magic = records[MAGIC_AT]!
  if (magic < MAGIC) return invalid(`Record format ${magic} is not supported; it must be ${MAGIC}.`)
  if (magic > MAGIC) return corrupt(`There is no record format ${magic}.`)
  const sizeBytes = batchSizeBytes(records, 0)
  if (sizeBytes < BATCH_OVERHEAD || sizeBytes > records.length) {
    return corrupt(
      `The record batch says it is ${sizeBytes} bytes long, but ${records.length} bytes came.`,
    )
  }
  if (sizeBytes < records.length) {
    return invalid(
      'A produce request must carry exactly one record batch per partition; there is more.',
    )
  }
  return undefined
}

function checkHeader(
  bytes: Uint8Array,
  header: BatchHeader,
  rules: ProduceRules,
): Refusal | undefined {
  if (header.compression === 'zstd' && rules.apiVersion < ZSTD_API_VERSION_MIN) {
    return refuse(
      errorCodes.UNSUPPORTED_COMPRESSION_TYPE,
      `zstd needs Produce version ${ZSTD_API_VERSION_MIN} or later.`,
    )
  }
  if (header.baseOffset !== 0)
    return invalid(`The base offset must be 0, not ${header.baseOffset}.`)
  if (header.sizeBytes > rules.maxMessageBytes) {
    return refuse(
      errorCodes.MESSAGE_TOO_LARGE,
      `The record batch is ${header.sizeBytes} bytes long; the topic allows ${rules.maxMessageBytes}.`,
    )
  }
  if (!verifyBatchCrc(bytes, 0, header.sizeBytes)) {
    return corrupt('The checksum of the record batch is wrong.')
  }
  if (header.compression === 'unknown') {
    return refuse(
      errorCodes.UNSUPPORTED_COMPRESSION_TYPE,
      'The compression of the record batch is not known.',
    )
  }
  if (header.isControl) return invalid('Clients may not write control records.')
  if (header.recordCount < 1)
    return invalid(`A record batch cannot hold ${header.recordCount} records.`)
  if (header.lastOffsetDelta !== header.recordCount - 1) {
    return invalid(
      `${header.recordCount} records do not end at the offset delta ${header.lastOffsetDelta}.`,
    )
  }
  if (header.producerId >= 0 && header.baseSequence < 0) {
    return invalid(
      `A batch with a producer id cannot have the sequence number ${header.baseSequence}.`,
    )
  }
  if (header.timestampType === 'logAppendTime') {
    return refuse(
      errorCodes.INVALID_TIMESTAMP,
      'Producers may not set the timestamp type to LogAppendTime.',
    )
  }
  return undefined
}

function checkRecords(
  bytes: Uint8Array,
  header: BatchHeader,
  rules: ProduceRules,
): ProduceValidation {
  const unpackedBytesMax = rules.maxMessageBytes * DECOMPRESSED_RATIO_MAX
  const unseen =
    header.compression !== 'none' &&
    rules.inspectCompressed === false &&
    !rules.compactedTopic &&
    isPlausible(header, unpackedBytesMax)
  if (unseen) return checkTimestampOfHeader(header, rules) ?? { ok: true, header }
  try {
    const cursor = recordCursor(bytes, 0, header, unpackedBytesMax, true)
    return walk(bytes, header, cursor, rules)
  } catch (error) {
    if (error instanceof OutputTooLargeError)
      return refuse(errorCodes.MESSAGE_TOO_LARGE, error.message)
    if (error instanceof ProtocolError) return invalid(error.message)
    throw error
  }
}

/**
 * Retention goes by the maximum timestamp, which some clients leave at 0: below the first record's it is wrong. And as
 * many records as are counted must fit into the most that they may unpack to.
 */
const isPlausible = (header: BatchHeader, unpackedBytesMax: number): boolean =>
  header.maxTimestampMs >= header.baseTimestampMs &&
  header.recordCount * RECORD_BYTES_MIN <= unpackedBytesMax

/** Both ends are allowed. What has no timestamp is below the range and fine; see `NO_TIMESTAMP_MAX`. */
interface TimestampRange {
  readonly earliestMs: number
  readonly latestMs: number
}

function timestampRange(rules: ProduceRules): TimestampRange {
  if (rules.timestampType === 'logAppendTime') return { earliestMs: -Infinity, latestMs: Infinity }
  return {
    earliestMs: rules.nowMs - rules.timestampBeforeMaxMs,
    latestMs: rules.nowMs + rules.timestampAfterMaxMs,
  }
}

const isOutside = (timestampMs: number, { earliestMs, latestMs }: TimestampRange): boolean =>
  timestampMs > latestMs || (timestampMs < earliestMs && timestampMs > NO_TIMESTAMP_MAX)

const outsideText = (timestampMs: number, { earliestMs, latestMs }: TimestampRange): string =>
  `The timestamp ${timestampMs} is not between ${earliestMs} and ${latestMs}.`

function checkTimestampOfHeader(header: BatchHeader, rules: ProduceRules): Refusal | undefined {
  const range = timestampRange(rules)
  for (const timestampMs of [header.maxTimestampMs, header.baseTimestampMs]) {
    if (!isOutside(timestampMs, range)) continue
    return refuse(errorCodes.INVALID_TIMESTAMP, outsideText(timestampMs, range))
  }
  return undefined
}

/** Every record once, without making an object of it. */
function walk(
  bytes: Uint8Array,
  header: BatchHeader,
  cursor: RecordCursor,
  rules: ProduceRules,
): ProduceValidation {
  const range = timestampRange(rules)
  const { compactedTopic } = rules
  const { baseTimestampMs, recordCount } = header
  let maxTimestampMs = NO_TIMESTAMP_MAX
  const recordErrors: RecordError[] = []
  let errorCode: ErrorCode = errorCodes.INVALID_RECORD
  for (let index = 0; index < recordCount; index++) {
    cursor.next()
    if (cursor.offsetDelta !== index) {
      return invalid(`Record ${index} has the offset delta ${cursor.offsetDelta}.`)
    }
    const timestampMs = baseTimestampMs + cursor.timestampDelta
    if (timestampMs > maxTimestampMs) maxTimestampMs = timestampMs
    const keyless = compactedTopic && cursor.keyLength < 0
    const outside = isOutside(timestampMs, range)
    if (!keyless && !outside) continue
    if (outside) errorCode = errorCodes.INVALID_TIMESTAMP
    if (recordErrors.length === RECORD_ERRORS_MAX) continue
    recordErrors.push({
      batchIndex: index,
      batchIndexErrorMessage: keyless
        ? 'A record in a compacted topic must have a key.'
        : outsideText(timestampMs, range),
    })
  }
  if (cursor.remaining > 0) return invalid(`${cursor.remaining} bytes follow the last record.`)
  const [first] = recordErrors
  if (first !== undefined) {
    const errorMessage = `${first.batchIndexErrorMessage} (record ${first.batchIndex})`
    return { ok: false, errorCode, errorMessage, recordErrors }
  }
  if (maxTimestampMs === header.maxTimestampMs) return { ok: true, header }
  setInt64(bytes, MAX_TIMESTAMP_AT, maxTimestampMs)
  renewCrc(bytes, 0, header.sizeBytes)
  return { ok: true, header: readBatchHeader(bytes, 0) }
}
