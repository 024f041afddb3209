import type { Offset } from '@trimaran/common'
import { type BatchHeader, readBatchHeader, verifyBatchCrc } from '@trimaran/protocol'
import { corrupt } from './batch-scan.ts'
import { AbortedData, filterBatch, type FilterRules, NewestByKey } from './compaction-filter.ts'
import type { LogConfig } from './config.ts'
import type { ProducerStates } from './producer-state.ts'
import type { Segment } from './segment.ts'
import type { Segments } from './segments.ts'
import { storedRecords } from './stored-records.ts'
import { abortedAt, appendAborted } from './transaction-index.ts'

/** Log bytes that one step reads: at some 100 MB/s of decoding the loop stalls for ten milliseconds. */
const stepBytesMax = 1024 * 1024
/** Relative offsets are int32. */
const relativeOffsetMax = 2 ** 31 - 1

export interface CompactionLimits {
  /** Compacts only below: replicated, and every transaction decided. */
  readonly stableOffset: Offset
  /** Everything below was compacted by an earlier pass. */
  readonly firstDirtyOffset: Offset
  readonly nowWallMs: number
}

/** Sealed segments that may be compacted now, and from where on they are dirty; null if it is not worth a pass. */
export function compactable(
  segments: Segments,
  config: LogConfig,
  limits: CompactionLimits,
): { readonly count: number; readonly dirtyFrom: Offset; readonly endOffset: Offset } | null {
  let count = 0
  let cleanBytes = 0
  let dirtyBytes = 0
  let endOffset = segments.first.baseOffset
  const dirtyFrom = Math.max(limits.firstDirtyOffset, segments.first.baseOffset)
  while (count < segments.all.length - 1) {
    const segment = segments.at(count)
    const end = segments.endOffset(count, Infinity)
    if (end > limits.stableOffset) break
    if (isTooYoung(segments, segment, config, limits.nowWallMs)) break
    if (end <= dirtyFrom) cleanBytes += segment.sizeBytes
    else dirtyBytes += segment.sizeBytes
    endOffset = end
    count++
  }
  if (dirtyBytes === 0) return null
  if (dirtyBytes < config.minCleanableDirtyRatio * (cleanBytes + dirtyBytes)) return null
  return { count, dirtyFrom, endOffset }
}

function isTooYoung(
  segments: Segments,
  segment: Segment,
  config: LogConfig,
  nowWallMs: number,
): boolean {
  if (config.minCompactionLagMs <= 0 || segment.isEmpty) return false
  return segments.largestTimestampMs(segment) > nowWallMs - config.minCompactionLagMs
}

export interface CompactionOptions {
  readonly segments: Segments
  readonly config: LogConfig
  readonly producers: ProducerStates
  readonly limits: CompactionLimits
  /** False once the log was cut or shortened since the pass began: what was read may be gone. */
  readonly isCurrent: () => boolean
  /** Puts a segment that is ready and durable in the place of others. */
  readonly replace: (sources: readonly Segment[], cleaned: Segment) => void
  readonly done: (endOffset: Offset) => void
}

/**
 * One pass over a log: notes the newest offset of each key in the dirty part, then copies the segments without what is
 * superseded, in groups that make one segment each. Offsets stay. In steps, so that the loop is never held for long.
 */
export class Compaction {
  readonly #options: CompactionOptions
  readonly #steps: Generator<void, void>

  constructor(
    options: CompactionOptions,
    plan: { readonly count: number; readonly dirtyFrom: Offset },
  ) {
    this.#options = options
    this.#steps = this.#run(plan.count, plan.dirtyFrom)
  }

  /** True while there is more to do. @throws ClusterError as the log's own operations */
  step(): boolean {
    if (this.#options.isCurrent()) return this.#steps.next().done !== true
    this.#steps.return()
    return false
  }

  *#run(count: number, dirtyFrom: Offset): Generator<void, void> {
    const { segments, config, producers, limits } = this.#options
    const sources = segments.all.slice(0, count)
    const aborted = new AbortedData()
    for (const segment of segments.all.slice()) {
      const index = segments.indexesOf(segment).aborted
      for (let at = 0; at < index.count; at++) aborted.add(abortedAt(index, at))
      yield
    }
    const newest = new NewestByKey()
    const noted = yield* this.#noteKeys(sources, dirtyFrom, { newest, aborted })
    const rules: FilterRules = {
      newest,
      aborted,
      producers,
      nowWallMs: limits.nowWallMs,
      deleteRetentionMs: config.deleteRetentionMs,
      withData: new Set(),
    }
    const ends = sources.map((_, number) => segments.endOffset(number, Infinity))
    const groups = groupsOf(sources.slice(0, noted), { ends, segmentBytes: config.segmentBytes })
    for (const group of groups) {
      this.#options.replace(group, yield* this.#copy(group, rules))
      yield
    }
    this.#options.done(ends[noted - 1] as Offset)
  }

  /** How many segments were noted in full; a full map ends the pass at a segment's end. */
  *#noteKeys(
    sources: readonly Segment[],
    dirtyFrom: Offset,
    into: { readonly newest: NewestByKey; readonly aborted: AbortedData },
  ): Generator<void, number> {
    const { segments } = this.#options
    for (const [number, segment] of sources.entries()) {
      if (segments.endOffset(number, Infinity) <= dirtyFrom) continue
      if (number > 0 && into.newest.isFull) return number
      yield* inSteps(segment, (bytes, header) => {
        if (header.isControl || into.aborted.has(header)) return
        for (const record of storedRecords(bytes)) {
          if (record.key !== null) into.newest.set(record.key, record.offset)
        }
      })
    }
    return sources.length
  }

  /** One segment from a group of them, its indexes with it. */
  *#copy(group: readonly Segment[], rules: FilterRules): Generator<void, Segment> {
    const { segments, config } = this.#options
    const cleaned = segments.detached((group[0] as Segment).baseOffset)
    let isWhole = false
    try {
      const { aborted } = segments.indexesOf(cleaned)
      for (const segment of group) {
        const parts: Uint8Array[] = []
        for (const _ of inSteps(segment, (bytes, header) => {
          const kept = filterBatch(bytes, header, rules)
          if (kept !== null) parts.push(kept)
        })) {
          for (const part of parts)
            cleaned.note(readBatchHeader(part, 0), config.indexIntervalBytes)
          cleaned.file.append(parts, sizeOf(parts))
          parts.length = 0
          yield
        }
        const from = segments.indexesOf(segment).aborted
        for (let at = 0; at < from.count; at++) appendAborted(aborted, abortedAt(from, at))
      }
      cleaned.file.syncNow()
      isWhole = true
    } finally {
      if (!isWhole) segments.discard(cleaned)
    }
    return cleaned
  }
}

function sizeOf(parts: readonly Uint8Array[]): number {
  let sizeBytes = 0
  for (const part of parts) sizeBytes += part.length
  return sizeBytes
}

/** All batches of a segment, with a pause after each share. */
function* inSteps(
  segment: Segment,
  visit: (bytes: Uint8Array, header: BatchHeader) => void,
): Generator<void> {
  let position = 0
  while (position < segment.sizeBytes) {
    const stepEnd = position + stepBytesMax
    position = segment.scan({ from: position }, batch => {
      if (batch.position >= stepEnd) return false
      const bytes = batch.bytes()
      // What is copied gets a new checksum: damage would look whole ever after.
      if (!verifyBatchCrc(bytes, 0, bytes.length)) {
        throw corrupt(segment.file.path, 'checksum mismatch', batch.position)
      }
      visit(bytes, batch.header)
      return true
    })
    yield
  }
}

/** Neighbours whose remains fit into one segment. */
function groupsOf(
  sources: readonly Segment[],
  limits: { readonly ends: readonly Offset[]; readonly segmentBytes: number },
): Segment[][] {
  const groups: Segment[][] = []
  let sizeBytes = 0
  let firstBase = 0
  for (const [number, segment] of sources.entries()) {
    const fits =
      number > 0 &&
      sizeBytes + segment.sizeBytes <= limits.segmentBytes &&
      (limits.ends[number] as Offset) - firstBase <= relativeOffsetMax
    if (fits) {
      groups.at(-1)?.push(segment)
    } else {
      groups.push([segment])
      sizeBytes = 0
      firstBase = segment.baseOffset
    }
    sizeBytes += segment.sizeBytes
  }
  return groups
}
