import { noEpoch, type Offset } from '@trimaran/common'
import { type BatchHeader, crc32c } from '@trimaran/protocol'
import { parseEpochs } from './checkpoints.ts'
import { epochsFileName } from './file-names.ts'
import { LeaderEpochs } from './leader-epochs.ts'
import type { Segment } from './segment.ts'
import type { Segments } from './segments.ts'
import { readSnapshot } from './snapshots.ts'

interface EpochRange {
  /** Number of the first segment that will be scanned anyway; the epochs of those before it are wanted. */
  readonly from: number
  /** Where a clean stop left a snapshot that vouches for the file; null after an unclean one. */
  readonly vouchedAt: Offset | null
  /** Of the log, as its checkpoint has it. */
  readonly logStartOffset: Offset
}

/**
 * The epochs from their file if it is to be believed: because a clean stop vouches for it, or because the batches agree.
 * Otherwise from the batches.
 */
export function loadEpochs(segments: Segments, range: EpochRange): LeaderEpochs {
  const { disk } = segments.context
  const path = `${segments.directory}/${epochsFileName}`
  if (!disk.exists(path)) return rebuildEpochs(segments, range.from)
  const bytes = disk.readFile(path)
  const starts = parseEpochs(bytes)
  if (starts === null) return rebuildEpochs(segments, range.from)
  const epochs = new LeaderEpochs(starts, false)
  // Written after a deletion that the log itself has forgotten: of the records that are back it knows nothing.
  if (isCutOff(epochs, segments, range.logStartOffset)) return rebuildEpochs(segments, range.from)
  if (range.vouchedAt !== null) {
    const snapshot = readSnapshot(disk, segments.directory, range.vouchedAt)
    if (snapshot?.epochsCrc === crc32c(bytes)) return epochs
  }
  return agreeWithBatches(epochs, segments, range.from)
    ? epochs
    : rebuildEpochs(segments, range.from)
}

/** Whether there are records before the first epoch. Where compaction took them, there are none. */
function isCutOff(epochs: LeaderEpochs, segments: Segments, logStartOffset: Offset): boolean {
  const first = epochs.starts[0]?.startOffset ?? 0
  if (first <= logStartOffset) return false
  const header = headerAt(segments, logStartOffset)
  return header !== null && header.baseOffset < first
}

/** Where an epoch begins, a batch of it begins; where a segment begins, the epoch is the one the file says. */
function agreeWithBatches(epochs: LeaderEpochs, segments: Segments, from: number): boolean {
  const endOffset = segments.all[from]?.baseOffset ?? Infinity
  const head = epochs.starts[0]
  for (const start of epochs.starts) {
    if (start.startOffset >= endOffset) break
    const header = headerAt(segments, start.startOffset)
    // Beyond the last batch: an epoch without records so far.
    if (header === null) continue
    if (segments.mayHaveGaps) {
      // The batch that began the epoch may have been compacted away.
      if (header.partitionLeaderEpoch !== epochs.epochAt(header.baseOffset)) return false
      continue
    }
    if (header.partitionLeaderEpoch !== start.epoch) return false
    // The first one may begin where the log was cut off, inside a batch.
    if (start !== head && header.baseOffset !== start.startOffset) return false
  }
  for (const segment of segments.all.slice(0, from)) {
    if (head !== undefined && segment.baseOffset < head.startOffset) continue
    const first = firstHeader(segment)
    if (first === null || first.partitionLeaderEpoch === noEpoch) continue
    if (first.partitionLeaderEpoch !== epochs.epochAt(first.baseOffset)) return false
  }
  return true
}

function headerAt(segments: Segments, offset: Offset): BatchHeader | null {
  const number = segments.floor(offset)
  if (number < 0) return null
  const segment = segments.at(number)
  let header: BatchHeader | null = null
  segment.scan({ from: segment.positionOf(offset) }, batch => {
    header = batch.header
    return false
  })
  return header
}

/**
 * From the batches of the first `count` segments. One whose neighbour begins in the same epoch needs no scan. Where
 * compaction left a gap, an epoch is taken to begin at the gap's start: then no follower keeps too much.
 */
function rebuildEpochs(segments: Segments, count: number): LeaderEpochs {
  const epochs = new LeaderEpochs([], true)
  let nextOffset: Offset | null = null
  for (let number = 0; number < count; number++) {
    const next = segments.all[number + 1]
    const endEpoch = next === undefined ? null : firstHeader(next)?.partitionLeaderEpoch
    segments.at(number).scan({ from: 0 }, ({ header }) => {
      if (header.partitionLeaderEpoch > epochs.latestEpoch) {
        epochs.assign(header.partitionLeaderEpoch, nextOffset ?? header.baseOffset)
      }
      nextOffset = header.lastOffset + 1
      return header.partitionLeaderEpoch !== endEpoch
    })
  }
  return epochs
}

function firstHeader(segment: Segment): BatchHeader | null {
  let first: BatchHeader | null = null
  segment.scan({ from: 0 }, ({ header }) => {
    first = header
    return false
  })
  return first
}
