import type { Offset } from '@trimaran/common'
import { crc32c } from '@trimaran/protocol'
import { readInt64, viewOf, writeInt64 } from './int64.ts'
import {
  batchesKeptMax,
  type ProducedBatch,
  type ProducerEntry,
  producerCountMax,
  type ProducerStates,
} from './producer-state.ts'
import type { SegmentSummary } from './segment-indexes.ts'

/**
 * A `.snapshot` file: producer state as of the offset in its name. First Kafka's own format (version 1):
 *
 *   version int16, CRC-32C of the rest uint32, count int32, entries of 46 bytes:
 *   producer id, epoch int16, last sequence, last offset int64, offset delta, timestamp int64, coordinator epoch int32,
 *   first offset of the open transaction int64
 *
 * which keeps one batch of each producer. Behind it, where Kafka's readers do not look but within the checksum:
 *
 *   mark int32, then per entry: older batches int8 × (last sequence, last offset int64, offset delta, timestamp int64);
 *   decided transactions int32 × (first offset int64, marker offset int64); flags int8: 1 the summary of the segment that
 *   ends here, 2 the CRC-32C of the leader-epoch checkpoint at a clean stop.
 *
 * So a reload answers retries of all five batches, and the other caches can be verified.
 */
const snapshotVersion = 1
const entriesAt = 6
const headBytes = 10
const entryBytes = 46
const extensionMark = 0x54_52_49_31
const olderBatchBytes = 24
const decidedBytes = 16
const summaryBytes = 56
const summaryFlag = 1
const epochsFlag = 2

export interface ProducerSnapshot {
  readonly entries: readonly ProducerEntry[]
  readonly undetermined: readonly { readonly firstOffset: Offset; readonly lastOffset: Offset }[]
  /** null: no segment ends here, or the file is not ours. */
  readonly summary: SegmentSummary | null
  /** Of `leader-epoch-checkpoint` as it was then; null: not said. */
  readonly epochsCrc: number | null
}

/** What the snapshot says beside the producers. */
export interface Vouched {
  readonly summary: SegmentSummary | null
  readonly epochsCrc: number | null
}

export function encodeProducerSnapshot(
  states: ProducerStates,
  { summary, epochsCrc }: Vouched,
): Uint8Array {
  const entries = [...states.entries()]
  let olderCount = 0
  for (const entry of entries) olderCount += Math.max(0, entry.batches.length - 1)
  const bytes = new Uint8Array(
    headBytes +
      entries.length * entryBytes +
      4 +
      entries.length +
      olderCount * olderBatchBytes +
      4 +
      states.undetermined.length * decidedBytes +
      1 +
      (summary === null ? 0 : summaryBytes) +
      (epochsCrc === null ? 0 : 4),
  )
  const view = viewOf(bytes)
  view.setInt16(0, snapshotVersion)
  view.setInt32(entriesAt, entries.length)
  let at = headBytes
  for (const entry of entries) at = writeEntry(view, at, entry)
  view.setInt32(at, extensionMark)
  at += 4
  for (const entry of entries) at = writeOlderBatches(view, at, entry)
  view.setInt32(at, states.undetermined.length)
  at += 4
  for (const decided of states.undetermined) {
    writeInt64(view, at, decided.firstOffset)
    writeInt64(view, at + 8, decided.lastOffset)
    at += decidedBytes
  }
  view.setInt8(at++, (summary === null ? 0 : summaryFlag) | (epochsCrc === null ? 0 : epochsFlag))
  if (summary !== null) {
    writeSummary(view, at, summary)
    at += summaryBytes
  }
  if (epochsCrc !== null) view.setUint32(at, epochsCrc)
  view.setUint32(2, crc32c(bytes, entriesAt, bytes.length))
  return bytes
}

function writeEntry(view: DataView, at: number, entry: ProducerEntry): number {
  const last = entry.batches.at(-1)
  writeInt64(view, at, entry.producerId)
  view.setInt16(at + 8, entry.producerEpoch)
  view.setInt32(at + 10, last?.lastSequence ?? -1)
  writeInt64(view, at + 14, last?.lastOffset ?? -1)
  view.setInt32(at + 22, last?.offsetDelta ?? 0)
  writeInt64(view, at + 26, entry.lastTimestampMs)
  view.setInt32(at + 34, entry.coordinatorEpoch)
  writeInt64(view, at + 38, entry.currentTransactionFirstOffset)
  return at + entryBytes
}

function writeOlderBatches(view: DataView, at: number, entry: ProducerEntry): number {
  const olderCount = Math.max(0, entry.batches.length - 1)
  view.setInt8(at++, olderCount)
  for (const batch of entry.batches.slice(0, olderCount)) {
    view.setInt32(at, batch.lastSequence)
    writeInt64(view, at + 4, batch.lastOffset)
    view.setInt32(at + 12, batch.offsetDelta)
    writeInt64(view, at + 16, batch.timestampMs)
    at += olderBatchBytes
  }
  return at
}

function writeSummary(view: DataView, at: number, summary: SegmentSummary): void {
  writeInt64(view, at, summary.baseOffset)
  writeInt64(view, at + 8, summary.sizeBytes)
  writeInt64(view, at + 16, summary.maxTimestampMs)
  writeInt64(view, at + 24, summary.offsetOfMaxTimestamp)
  writeInt64(view, at + 32, summary.bytesSinceIndexEntry)
  view.setUint32(at + 40, summary.indexIntervalBytes)
  view.setUint32(at + 44, summary.offsetsCrc)
  view.setUint32(at + 48, summary.timesCrc)
  view.setUint32(at + 52, summary.abortedCrc)
}

/** null: damaged. Checked before anything is believed, so that no length from the file is. */
export function decodeProducerSnapshot(bytes: Uint8Array): ProducerSnapshot | null {
  if (bytes.length < headBytes) return null
  const view = viewOf(bytes)
  if (view.getInt16(0) !== snapshotVersion) return null
  if (view.getUint32(2) !== crc32c(bytes, entriesAt, bytes.length)) return null
  const count = view.getInt32(entriesAt)
  if (count < 0 || count > producerCountMax) return null
  let at = headBytes
  if (at + count * entryBytes > bytes.length) return null
  const entries: ProducerEntry[] = []
  for (let number = 0; number < count; number++) {
    entries.push(readEntry(view, at))
    at += entryBytes
  }
  const isOurs = at + 4 <= bytes.length && view.getInt32(at) === extensionMark
  return isOurs
    ? readExtension(view, at + 4, entries)
    : { entries, undetermined: [], summary: null, epochsCrc: null }
}

function readEntry(view: DataView, at: number): ProducerEntry {
  const lastSequence = view.getInt32(at + 10)
  const timestampMs = readInt64(view, at + 26)
  const last: ProducedBatch = {
    lastSequence,
    lastOffset: readInt64(view, at + 14),
    offsetDelta: view.getInt32(at + 22),
    timestampMs,
  }
  return {
    producerId: readInt64(view, at),
    producerEpoch: view.getInt16(at + 8),
    coordinatorEpoch: view.getInt32(at + 34),
    currentTransactionFirstOffset: readInt64(view, at + 38),
    lastTimestampMs: timestampMs,
    batches: lastSequence < 0 ? [] : [last],
  }
}

/** The checksum held, so the lengths are the ones written; they are still checked, since a reader out of range throws. */
function readExtension(
  view: DataView,
  start: number,
  entries: ProducerEntry[],
): ProducerSnapshot | null {
  let at = start
  const room = (neededBytes: number): boolean => at + neededBytes <= view.byteLength
  for (const entry of entries) {
    if (!room(1)) return null
    const olderCount = view.getInt8(at++)
    if (olderCount < 0 || olderCount >= batchesKeptMax || !room(olderCount * olderBatchBytes)) {
      return null
    }
    const older: ProducedBatch[] = []
    for (let number = 0; number < olderCount; number++, at += olderBatchBytes) {
      older.push({
        lastSequence: view.getInt32(at),
        lastOffset: readInt64(view, at + 4),
        offsetDelta: view.getInt32(at + 12),
        timestampMs: readInt64(view, at + 16),
      })
    }
    entry.batches.unshift(...older)
  }
  if (!room(4)) return null
  const decidedCount = view.getInt32(at)
  at += 4
  if (decidedCount < 0 || !room(decidedCount * decidedBytes + 1)) return null
  const undetermined: { firstOffset: Offset; lastOffset: Offset }[] = []
  for (let number = 0; number < decidedCount; number++, at += decidedBytes) {
    undetermined.push({ firstOffset: readInt64(view, at), lastOffset: readInt64(view, at + 8) })
  }
  const flags = view.getInt8(at++)
  const hasSummary = (flags & summaryFlag) !== 0
  const hasEpochs = (flags & epochsFlag) !== 0
  if (!room((hasSummary ? summaryBytes : 0) + (hasEpochs ? 4 : 0))) return null
  const summary = hasSummary ? readSummary(view, at) : null
  const epochsCrc = hasEpochs ? view.getUint32(at + (hasSummary ? summaryBytes : 0)) : null
  return { entries, undetermined, summary, epochsCrc }
}

function readSummary(view: DataView, at: number): SegmentSummary {
  return {
    baseOffset: readInt64(view, at),
    sizeBytes: readInt64(view, at + 8),
    maxTimestampMs: readInt64(view, at + 16),
    offsetOfMaxTimestamp: readInt64(view, at + 24),
    bytesSinceIndexEntry: readInt64(view, at + 32),
    indexIntervalBytes: view.getUint32(at + 40),
    offsetsCrc: view.getUint32(at + 44),
    timesCrc: view.getUint32(at + 48),
    abortedCrc: view.getUint32(at + 52),
  }
}
