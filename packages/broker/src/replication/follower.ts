import type { BrokerId, LeaderEpoch, Offset } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import type { ReplicaFetchResult } from '../channels.ts'
import { truncationOffset } from './epoch-ends.ts'
import type { EpochView } from './epoch-ends.ts'
import type { ReplicationBug } from './types.ts'

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

  nextFetch(log: EpochView): FetchPosition {
    return {
      currentLeaderEpoch: this.leaderEpoch,
      fetchOffset: log.logEndOffset,
      lastFetchedEpoch: log.latestEpoch,
    }
  }

  decide(asked: FetchPosition, result: ReplicaFetchResult, log: EpochView): FollowerAction {
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
