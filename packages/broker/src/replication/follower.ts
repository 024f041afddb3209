import type { BrokerId, LeaderEpoch, Offset } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import type { ReplicaFetchResult } from '../channels.ts'
import type { ReplicationBug } from './types.ts'

/** What a follower must know of its own log to decide; a PartitionLog is one. */
export interface FollowerLogView {
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  /** −1: no epoch known. */
  readonly latestEpoch: LeaderEpoch
  endOffsetForEpoch(epoch: LeaderEpoch): { readonly epoch: LeaderEpoch; readonly endOffset: Offset }
}

/** The position that a fetch names, and with it what the follower claims to have. */
export interface FetchPosition {
  readonly currentLeaderEpoch: LeaderEpoch
  readonly fetchOffset: Offset
  readonly lastFetchedEpoch: LeaderEpoch
}

export type FollowerAction =
  /** Of another epoch, or of a position that the log has left since: it says nothing about now (B17). */
  | { readonly kind: 'discard' }
  /** Evidence that the log's end is not the leader's. Fetch again from there: there may be more to take back. */
  | { readonly kind: 'truncate'; readonly toOffset: Offset }
  /** The leader has nothing that continues this log. */
  | { readonly kind: 'restart'; readonly atOffset: Offset }
  /** `records` may be empty. `highWatermark` is the leader's. */
  | {
      readonly kind: 'append'
      readonly records: Uint8Array
      readonly highWatermark: Offset
      readonly leaderLogStartOffset: Offset
    }
  | { readonly kind: 'error'; readonly errorCode: number }

/**
 * The follower of one leader epoch. The leader's answer is judged against the position it was asked for; what it says
 * about the high watermark is taken only together with records that continue the log, never with a divergence (B05).
 */
export class PartitionFollower {
  readonly leader: BrokerId
  readonly leaderEpoch: LeaderEpoch
  /** Records behind the leader's high watermark when it answered last. */
  lag = 0
  readonly #bugs: ReadonlySet<ReplicationBug> | undefined

  constructor(leader: BrokerId, leaderEpoch: LeaderEpoch, bugs?: ReadonlySet<ReplicationBug>) {
    this.leader = leader
    this.leaderEpoch = leaderEpoch
    this.#bugs = bugs
  }

  nextFetch(log: FollowerLogView): FetchPosition {
    return {
      currentLeaderEpoch: this.leaderEpoch,
      fetchOffset: log.logEndOffset,
      lastFetchedEpoch: log.latestEpoch,
    }
  }

  decide(asked: FetchPosition, result: ReplicaFetchResult, log: FollowerLogView): FollowerAction {
    if (asked.currentLeaderEpoch !== this.leaderEpoch || asked.fetchOffset !== log.logEndOffset) {
      return { kind: 'discard' }
    }
    // Nothing drops a log but the word of the leader of this very epoch.
    const isOfThisEpoch = result.leaderEpoch === this.leaderEpoch
    if (result.errorCode === errorCodes.OFFSET_OUT_OF_RANGE && isOfThisEpoch) {
      return { kind: 'restart', atOffset: result.logStartOffset }
    }
    if (result.errorCode !== errorCodes.NONE) return { kind: 'error', errorCode: result.errorCode }
    if (!isOfThisEpoch) return { kind: 'discard' }
    if (result.diverging) {
      const toOffset = truncationOffset(result.diverging, log)
      return toOffset < 0
        ? { kind: 'restart', atOffset: result.logStartOffset }
        : { kind: 'truncate', toOffset }
    }
    return {
      kind: 'append',
      records: result.records,
      highWatermark: result.highWatermark,
      leaderLogStartOffset: result.logStartOffset,
    }
  }

  /** A follower's HW is the leader's as far as its own log reaches. It falls only where the log is cut. */
  highWatermark(own: Offset, leaders: Offset, logEndOffset: Offset): Offset {
    return Math.max(own, Math.min(leaders, logEndOffset))
  }

  /** B05 as a switch: an answer that carries a divergence must not raise the HW. */
  raisesHighWatermark(result: ReplicaFetchResult): boolean {
    return !result.diverging || (this.#bugs?.has('B05') ?? false)
  }
}

/**
 * KIP-101 and KIP-279: both logs may agree at most up to the lower of the two ends of the leader's epoch. Where the own
 * log does not know that epoch, the largest smaller one counts, and the next fetch asks about that. −1: the own log
 * begins with epochs that the leader never saw, so nothing of it can be kept.
 */
export function truncationOffset(
  leader: { readonly epoch: LeaderEpoch; readonly endOffset: Offset },
  log: FollowerLogView,
): Offset {
  const own = endOffsetForEpoch(leader.epoch, log)
  if (own.endOffset < 0) return -1
  const toOffset = Math.min(leader.endOffset, own.endOffset, log.logEndOffset)
  return toOffset < log.logStartOffset ? -1 : toOffset
}

/**
 * The largest epoch of this log not above `epoch`, and where it ends (KIP-101, KIP-279). A log's epochs are what its
 * batches say, so an epoch above its latest one has left no record in it: the latest one then ends at the log's end.
 * −1, −1: the log does not reach back so far.
 */
export function endOffsetForEpoch(
  epoch: LeaderEpoch,
  log: FollowerLogView,
): { readonly epoch: LeaderEpoch; readonly endOffset: Offset } {
  return log.endOffsetForEpoch(Math.min(epoch, log.latestEpoch))
}

/**
 * Where a reader whose last record has `lastFetchedEpoch` must have left this log, or null if everything below its
 * fetch offset is the same. 'unknown': the log does not reach back to that epoch.
 */
export function divergenceOf(
  fetchOffset: Offset,
  lastFetchedEpoch: LeaderEpoch,
  log: FollowerLogView,
): { readonly epoch: LeaderEpoch; readonly endOffset: Offset } | 'unknown' | null {
  if (lastFetchedEpoch < 0) return null
  if (lastFetchedEpoch === log.latestEpoch && fetchOffset <= log.logEndOffset) return null
  // Whatever it has is deleted here, perhaps with all that tells of its epochs: there is nothing that could differ.
  if (fetchOffset === log.logStartOffset) return null
  const end = endOffsetForEpoch(lastFetchedEpoch, log)
  if (end.endOffset < 0) return 'unknown'
  return end.epoch < lastFetchedEpoch || end.endOffset < fetchOffset ? end : null
}
