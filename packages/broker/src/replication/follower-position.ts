import type { LeaderEpoch, Offset, PartitionEpoch, TopicId } from '@trimaran/common'
import type { ReplicaFetchPartition, ReplicaFetchResult } from '../channels.ts'
import type { FetchSession } from './fetch-sessions.ts'
import type { Partition } from './partition.ts'

/** Where one follower stands in one partition, as it said last. */
export class FollowerPosition {
  readonly session: FetchSession
  readonly topicId: TopicId
  readonly partition: number
  currentLeaderEpoch: LeaderEpoch
  partitionEpoch: PartitionEpoch
  fetchOffset: Offset
  lastFetchedEpoch: LeaderEpoch
  logStartOffset: Offset
  maxBytes: number
  /** Told last; −1: nothing yet. */
  sentHighWatermark: Offset = -1
  sentLogStartOffset: Offset = -1
  /** Records, a divergence or an error went out: nothing more until the follower names the partition again. */
  isAnswered = false
  /** Waits to be looked at. */
  isQueued = false
  /** What it claims was counted; not while this broker could not judge it. */
  isTaken = false
  /** In whose list it is. Null: not hosted here. */
  hosted: Partition | null

  constructor(session: FetchSession, named: ReplicaFetchPartition, hosted: Partition | undefined) {
    this.session = session
    // That of the message is another string.
    this.topicId = hosted?.topicId ?? named.topicId
    this.partition = named.partition
    this.currentLeaderEpoch = named.currentLeaderEpoch
    this.partitionEpoch = named.partitionEpoch
    this.fetchOffset = named.fetchOffset
    this.lastFetchedEpoch = named.lastFetchedEpoch
    this.logStartOffset = named.logStartOffset
    this.maxBytes = named.maxBytes
    this.hosted = hosted ?? null
  }

  /** Again. */
  named(named: ReplicaFetchPartition): void {
    // In a new epoch it may have dropped what it was told in the old one.
    if (named.currentLeaderEpoch !== this.currentLeaderEpoch) this.sentHighWatermark = -1
    this.currentLeaderEpoch = named.currentLeaderEpoch
    this.partitionEpoch = named.partitionEpoch
    this.fetchOffset = named.fetchOffset
    this.lastFetchedEpoch = named.lastFetchedEpoch
    this.logStartOffset = named.logStartOffset
    this.maxBytes = named.maxBytes
    this.isAnswered = false
    this.isTaken = false
  }

  told(result: ReplicaFetchResult): void {
    const isTaken = result.errorCode === 0 && !result.diverging
    this.sentHighWatermark = isTaken ? result.highWatermark : -1
    this.sentLogStartOffset = result.logStartOffset
    this.isAnswered =
      result.records.length > 0 || result.errorCode !== 0 || result.diverging !== null
  }
}
