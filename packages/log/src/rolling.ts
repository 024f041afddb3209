import type { Offset } from '@trimaran/common'
import type { LogConfig } from './config.ts'
import type { Segment } from './segment.ts'

export interface Incoming {
  readonly sizeBytes: number
  readonly lastOffset: Offset
  readonly maxTimestampMs: number
  readonly nowWallMs: number
}

/** Why the next append needs a new segment; null if it does not. An empty segment is never rolled. */
export function rollReason(segment: Segment, config: LogConfig, incoming: Incoming): string | null {
  if (segment.isEmpty) return null
  if (isTooOld(segment, config, incoming)) return 'time'
  return segment.fullFor(incoming.lastOffset, incoming.sizeBytes, config)
}

/** Whether time alone asks for a new segment. */
export function isRollDue(segment: Segment, config: LogConfig, nowWallMs: number): boolean {
  return !segment.isEmpty && isTooOld(segment, config, { maxTimestampMs: nowWallMs, nowWallMs })
}

/**
 * By the timestamps of the records, so that a replica that copies old data rolls as the leader did; by the clock where
 * there are none.
 */
function isTooOld(
  segment: Segment,
  config: LogConfig,
  incoming: Pick<Incoming, 'maxTimestampMs' | 'nowWallMs'>,
): boolean {
  const firstMs = segment.firstTimestampMs()
  const ageMs =
    firstMs !== null && firstMs >= 0
      ? incoming.maxTimestampMs - firstMs
      : incoming.nowWallMs - segment.openedAtWallMs
  return ageMs > config.segmentMs - jitterMs(segment, config)
}

/** Differs from segment to segment, but not from run to run: the FNV-1a hash of the file's path. */
function jitterMs(segment: Segment, config: LogConfig): number {
  const rangeMs = Math.min(config.segmentJitterMs, config.segmentMs)
  if (rangeMs <= 0) return 0
  let hash = 0x811c9dc5
  for (const character of segment.file.path) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193)
  }
  return (hash >>> 0) % rangeMs
}
