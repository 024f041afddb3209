import type { Offset } from '@trimaran/common'
import type { LogConfig } from './config.ts'
import type { Segment } from './segment.ts'
import type { Segments } from './segments.ts'

export interface RetentionWindow {
  readonly config: LogConfig
  readonly nowWallMs: number
  readonly highWatermark: Offset
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
}

/**
 * How many segments, from the oldest, may go: each for its age, the log's size or the log's start, and none that reaches
 * past the high watermark. All of them: the active one is expired, too, and is to be rolled first.
 */
export function removableCount(segments: Segments, window: RetentionWindow): number {
  const { config, highWatermark } = window
  let excessBytes =
    config.cleanupDelete && config.retentionBytes >= 0
      ? segments.sizeBytes - config.retentionBytes
      : 0
  let count = 0
  for (const segment of segments.all) {
    const endOffset = segments.endOffset(count, window.logEndOffset)
    if (segment.isEmpty && segment === segments.active) break
    if (endOffset > highWatermark) break
    const isExcess =
      excessBytes > 0 && excessBytes >= segment.sizeBytes && segment !== segments.active
    const isBelowStart = endOffset <= window.logStartOffset && segment !== segments.active
    if (!isExcess && !isBelowStart && !isExpired(segments, segment, window)) break
    excessBytes -= segment.sizeBytes
    count++
  }
  return count
}

function isExpired(segments: Segments, segment: Segment, window: RetentionWindow): boolean {
  const { config, nowWallMs } = window
  if (!config.cleanupDelete || config.retentionMs < 0) return false
  const largestMs = segments.largestTimestampMs(segment)
  // Without any timestamp a segment counts from when this process met it.
  const sinceMs = largestMs >= 0 ? largestMs : segment.openedAtWallMs
  return nowWallMs - sinceMs > config.retentionMs
}
