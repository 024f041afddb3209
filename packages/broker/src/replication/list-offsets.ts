import { errorCodes } from '@trimaran/protocol'
import type { Partition } from './partition.ts'
import { listOffsetTimestamps } from './types.ts'
import type { ListOffsetRequest, ListOffsetResult } from './types.ts'

const noOffset = { offset: -1, timestampMs: -1, leaderEpoch: -1 } as const

export const listOffsetError = (errorCode: number): ListOffsetResult => ({ errorCode, ...noOffset })

/**
 * Answers from the leader's log, bounded by what consumers may see. Until a new leader's high watermark has reached the
 * start of its epoch it may be behind what an earlier leader showed: then the end is not available yet (KIP-207).
 */
export function listOffset(partition: Partition, request: ListOffsetRequest): ListOffsetResult {
  const { log, leading } = partition
  if (!leading) return listOffsetError(errorCodes.NOT_LEADER_OR_FOLLOWER)
  const end =
    request.isolation === 'readCommitted' ? partition.lastStableOffset : partition.highWatermark
  const isEndKnown = partition.highWatermark >= leading.epochStartOffset
  const at = (offset: number, leaderEpoch: number, timestampMs = -1): ListOffsetResult => ({
    errorCode: errorCodes.NONE,
    offset,
    timestampMs,
    leaderEpoch,
  })
  switch (request.timestamp) {
    case listOffsetTimestamps.latest:
      return isEndKnown
        ? at(end, leading.leaderEpoch)
        : listOffsetError(errorCodes.OFFSET_NOT_AVAILABLE)
    case listOffsetTimestamps.earliest:
    case listOffsetTimestamps.earliestLocal:
      return at(log.logStartOffset, partition.leaderEpochAt(log.logStartOffset))
    case listOffsetTimestamps.latestTiered:
      // Nothing is tiered.
      return at(-1, -1)
    default: {
      if (request.timestamp < 0 && request.timestamp !== listOffsetTimestamps.maxTimestamp) {
        return listOffsetError(errorCodes.UNSUPPORTED_VERSION)
      }
      const found =
        request.timestamp === listOffsetTimestamps.maxTimestamp
          ? log.maxTimestamp()
          : log.offsetForTimestamp(request.timestamp)
      if (found && found.offset < end) return at(found.offset, found.leaderEpoch, found.timestampMs)
      return isEndKnown ? at(-1, -1) : listOffsetError(errorCodes.OFFSET_NOT_AVAILABLE)
    }
  }
}
