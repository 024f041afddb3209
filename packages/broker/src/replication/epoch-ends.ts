import { noEpoch } from '@trimaran/common'
import type { LeaderEpoch, Offset } from '@trimaran/common'

/** A leader epoch, and the offset behind its last record. −1, −1: not known. */
export interface EpochEnd {
  readonly epoch: LeaderEpoch
  readonly endOffset: Offset
}

/** What truncation must know of a log: a PartitionLog is one for a follower, a Partition for a leader. */
export interface EpochView {
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  /** −1: no epoch known. */
  readonly latestEpoch: LeaderEpoch
  endOffsetForEpoch(epoch: LeaderEpoch): EpochEnd
}

/**
 * Of a leader: the largest epoch known not above `epoch`, and where it ends (KIP-101, KIP-279). A log's own epochs are what its batches
 * say; the leader's begins at its election, records or none. Kafka writes it down then, and answers the same.
 */
export function endOffsetAtLeader(
  epoch: LeaderEpoch,
  log: EpochView,
  leading: { readonly leaderEpoch: LeaderEpoch; readonly epochStartOffset: Offset },
): EpochEnd {
  const { latestEpoch } = log
  if (epoch <= latestEpoch) return log.endOffsetForEpoch(epoch)
  if (epoch === leading.leaderEpoch) return { epoch, endOffset: log.logEndOffset }
  if (epoch > leading.leaderEpoch || epoch < 0) return { epoch: noEpoch, endOffset: -1 }
  const known = latestEpoch === noEpoch ? epoch : latestEpoch
  return { epoch: known, endOffset: leading.epochStartOffset }
}

/**
 * KIP-101 and KIP-279: both logs may agree at most up to the lower of the two ends of the leader's epoch. Where the own
 * log does not know that epoch, the largest smaller one counts, and the next fetch asks about that. −1: the own log
 * begins with epochs that the leader never saw, so nothing of it can be kept.
 */
export function truncationOffset(leader: EpochEnd, log: EpochView): Offset {
  // A log's epochs are what its batches say: one above the latest has left no record in it, so the latest ends at the log's end.
  const own = log.endOffsetForEpoch(Math.min(leader.epoch, log.latestEpoch))
  if (own.endOffset < 0) return -1
  const toOffset = Math.min(leader.endOffset, own.endOffset, log.logEndOffset)
  return toOffset < log.logStartOffset ? -1 : toOffset
}

/**
 * Where a reader whose last record has `lastFetchedEpoch` must have left this log, or null if everything below its
 * fetch offset is the same. 'unknown': the log does not reach back to that epoch.
 */
export function divergenceOf(
  fetchOffset: Offset,
  lastFetchedEpoch: LeaderEpoch,
  log: EpochView,
): EpochEnd | 'unknown' | null {
  if (lastFetchedEpoch < 0) return null
  if (lastFetchedEpoch === log.latestEpoch && fetchOffset <= log.logEndOffset) return null
  const end = log.endOffsetForEpoch(lastFetchedEpoch)
  if (end.endOffset < 0) return 'unknown'
  return end.epoch < lastFetchedEpoch || end.endOffset < fetchOffset ? end : null
}
