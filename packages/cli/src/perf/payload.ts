import { readFileSync } from 'node:fs'
import { BATCH_OVERHEAD, type Compression } from '@trimaran/protocol'
import { CliError, exitCodes } from '../output.ts'
import { PreparedBatch } from './prepared-batch.ts'

/** Of random letters or of a file, so much is kept and repeated. */
const PAYLOAD_BYTES_MAX = 16 * 1024 * 1024
/** Random values are repeated after so many: more than any codec's window sees in a batch of the usual sizes. */
const RANDOM_VALUES_BYTES = 1024 * 1024
/** Length, attributes, timestamp and offset delta, no key, length of the value, no headers. */
export const RECORD_OVERHEAD_BYTES = 14
/** Kafka's own allowance when it guesses how a batch will be compressed. */
const RATIO_ALLOWANCE = 1.05

export interface PayloadOptions {
  readonly recordSizeBytes?: number | undefined
  readonly payloadFile?: string | undefined
}

/** The values that records take in turn. */
export function payloads({ recordSizeBytes, payloadFile }: PayloadOptions): readonly Buffer[] {
  if (payloadFile !== undefined) return linesOf(payloadFile)
  const size = recordSizeBytes ?? 0
  const count = Math.max(1, Math.floor(RANDOM_VALUES_BYTES / size))
  const letters = Buffer.allocUnsafeSlow(size * count)
  // Kafka's tool sends random capital letters too: they can be compressed to two thirds.
  for (let at = 0; at < letters.length; at++) letters[at] = 65 + Math.floor(Math.random() * 26)
  return Array.from({ length: count }, (_, at) => letters.subarray(at * size, (at + 1) * size))
}

function linesOf(file: string): readonly Buffer[] {
  const content = readFileSync(file)
  const lines: Buffer[] = []
  for (let at = 0; at < Math.min(content.length, PAYLOAD_BYTES_MAX);) {
    const end = content.indexOf(10, at)
    const line = content.subarray(at, end < 0 ? content.length : end)
    if (line.length > 0) lines.push(line)
    at += line.length + 1
  }
  if (lines.length === 0)
    throw new CliError(`${file} has no line that is not empty.`, exitCodes.usage)
  return lines
}

/** Of `values` from `from` on, those that fill a batch; at least one. */
function fill(values: readonly Buffer[], from: number, bytesMax: number): Buffer[] {
  const taken: Buffer[] = []
  let bytes = BATCH_OVERHEAD
  for (let at = from; ; at++) {
    const value = values[at % values.length] as Buffer
    bytes += value.length + RECORD_OVERHEAD_BYTES
    if (taken.length > 0 && bytes > bytesMax) return taken
    taken.push(value)
  }
}

/** Batches of `batchBytes` after compression that go once through all values. */
export function prepareBatches(
  values: readonly Buffer[],
  batchBytes: number,
  compression: Compression,
): readonly PreparedBatch[] {
  const timestampMs = Date.now()
  let bytesMax = batchBytes
  if (compression !== 'none') {
    const sample = PreparedBatch.of(fill(values, 0, batchBytes), timestampMs, compression)
    bytesMax = Math.max(
      batchBytes,
      (batchBytes * sample.payloadBytes) / sample.sizeBytes / RATIO_ALLOWANCE,
    )
  }
  const batches: PreparedBatch[] = []
  for (let at = 0; at < values.length;) {
    const taken = fill(values, at, bytesMax)
    batches.push(PreparedBatch.of(taken, timestampMs, compression))
    at += taken.length
  }
  return batches
}

/** For the end of a load of so many records: a batch of fewer than the others have. */
export const prepareRest = (
  values: readonly Buffer[],
  recordCount: number,
  compression: Compression,
): PreparedBatch =>
  PreparedBatch.of(
    Array.from({ length: recordCount }, (_, at) => values[at % values.length] as Buffer),
    Date.now(),
    compression,
  )
