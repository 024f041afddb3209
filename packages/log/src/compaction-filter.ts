import type { Offset, ProducerId } from '@trimaran/common'
import { type BatchHeader, type DecodedRecord, encodeBatch } from '@trimaran/protocol'
import type { ProducerStates } from './producer-state.ts'
import { storedRecords } from './stored-records.ts'
import type { AbortedTransaction } from './transaction-index.ts'

/** Distinct keys of one pass; the rest is left to the next. 500,000 × ~100 B = 50 MB while a pass runs. */
const keyCountMax = 500_000
/** Their bytes, for keys much longer than usual. */
const keyBytesMax = 64 * 1024 * 1024

/** The newest offset of each key in the part of the log that was not compacted before. Exact: keys, not hashes of them. */
export class NewestByKey {
  readonly #offsets = new Map<string, Offset>()
  #keyBytes = 0

  get isFull(): boolean {
    return this.#offsets.size >= keyCountMax || this.#keyBytes >= keyBytesMax
  }

  set(key: Uint8Array, offset: Offset): void {
    const text = textOf(key)
    if (!this.#offsets.has(text)) this.#keyBytes += key.length
    this.#offsets.set(text, offset)
  }

  isSuperseded(key: Uint8Array, offset: Offset): boolean {
    const newest = this.#offsets.get(textOf(key))
    return newest !== undefined && newest > offset
  }
}

const textOf = (key: Uint8Array): string =>
  Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')

/** Which data was aborted, by producer. */
export class AbortedData {
  readonly #byProducer = new Map<ProducerId, AbortedTransaction[]>()

  add(aborted: AbortedTransaction): void {
    const list = this.#byProducer.get(aborted.producerId)
    if (list === undefined) this.#byProducer.set(aborted.producerId, [aborted])
    else list.push(aborted)
  }

  has(header: BatchHeader): boolean {
    if (!header.isTransactional || header.isControl) return false
    const list = this.#byProducer.get(header.producerId)
    if (list === undefined) return false
    return list.some(
      ({ firstOffset, lastOffset }) =>
        header.baseOffset >= firstOffset && header.baseOffset < lastOffset,
    )
  }
}

export interface FilterRules {
  readonly newest: NewestByKey
  readonly aborted: AbortedData
  readonly producers: ProducerStates
  readonly nowWallMs: number
  readonly deleteRetentionMs: number
  /** Producers with a transaction some of whose data was kept so far. */
  readonly withData: Set<ProducerId>
}

/** What is left of a batch: itself, a smaller one with the same offsets, or nothing. */
export function filterBatch(
  bytes: Uint8Array,
  header: BatchHeader,
  rules: FilterRules,
): Uint8Array | null {
  if (header.isControl) return filterMarker(bytes, header, rules)
  if (rules.aborted.has(header)) return emptied(header, rules)
  const records = storedRecords(bytes)
  const isPastHorizon = header.hasDeleteHorizon && rules.nowWallMs >= header.baseTimestampMs
  let needsHorizon = false
  const kept = records.filter(record => {
    if (record.key === null || rules.newest.isSuperseded(record.key, record.offset)) return false
    if (record.value !== null) return true
    if (isPastHorizon) return false
    needsHorizon ||= !header.hasDeleteHorizon
    return true
  })
  if (kept.length > 0 && header.isTransactional) rules.withData.add(header.producerId)
  if (kept.length === 0) return emptied(header, rules)
  if (kept.length === records.length && !needsHorizon) return bytes
  const horizonMs = needsHorizon ? rules.nowWallMs + rules.deleteRetentionMs : null
  return rewritten(header, kept, horizonMs)
}

/** A marker goes when all of its transaction's data is gone, and readers have had the time to pass it (KIP-534). */
function filterMarker(
  bytes: Uint8Array,
  header: BatchHeader,
  rules: FilterRules,
): Uint8Array | null {
  if (header.producerId < 0) return bytes
  if (rules.withData.delete(header.producerId)) return bytes
  if (header.hasDeleteHorizon) return rules.nowWallMs >= header.baseTimestampMs ? null : bytes
  const records = storedRecords(bytes)
  return rewritten(header, records, rules.nowWallMs + rules.deleteRetentionMs)
}

/** The last batch of a producer stays without its records: its sequence numbers are still needed. */
function emptied(header: BatchHeader, rules: FilterRules): Uint8Array | null {
  if (header.producerId < 0) return null
  const last = rules.producers.get(header.producerId)?.batches.at(-1)
  return last?.lastOffset === header.lastOffset ? rewritten(header, [], null) : null
}

function rewritten(
  header: BatchHeader,
  records: readonly DecodedRecord[],
  horizonMs: number | null,
): Uint8Array {
  const deleteHorizonMs = horizonMs ?? (header.hasDeleteHorizon ? header.baseTimestampMs : null)
  return encodeBatch({
    records: records.map(record => ({ ...record, offsetDelta: record.offset - header.baseOffset })),
    baseOffset: header.baseOffset,
    partitionLeaderEpoch: header.partitionLeaderEpoch,
    compression: header.compression === 'unknown' ? 'none' : header.compression,
    timestampType: header.timestampType,
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    baseSequence: header.baseSequence,
    isTransactional: header.isTransactional,
    isControl: header.isControl,
    lastOffsetDelta: header.lastOffsetDelta,
    ...(deleteHorizonMs === null ? {} : { deleteHorizonMs }),
  })
}
