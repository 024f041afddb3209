import type { HostPort, NodeId, Offset, QuorumEpoch, Uuid, Voter } from '@trimaran/common'

/** What the quorum's log holds. `voters` and `leaderChange` are the quorum's own; `data` it does not look into. */
export interface Entry {
  readonly epoch: QuorumEpoch
  readonly kind: 'data' | 'leaderChange' | 'voters'
  readonly payload: Uint8Array
}

/** Whom the log names. */
export interface VoterSet {
  readonly voters: readonly Voter[]
  /** Taken out because their disk is lost: each may come back by itself. Who was removed on purpose is not here. */
  readonly lost: readonly Voter[]
}

export interface SnapshotId {
  /** Exclusive: the snapshot holds what entries below it made. */
  readonly endOffset: Offset
  /** Epoch of the last entry in it. */
  readonly epoch: QuorumEpoch
}

/** KRaft dialect: followers and observers pull (KIP-595, KIP-630, KIP-853, KIP-996, KIP-1166). */
export type Message =
  | {
      readonly kind: 'voteRequest'
      readonly epoch: QuorumEpoch
      readonly preVote: boolean
      readonly candidateDirectoryId: Uuid | null
      readonly lastEpoch: QuorumEpoch
      readonly endOffset: Offset
    }
  | {
      readonly kind: 'voteResponse'
      readonly epoch: QuorumEpoch
      readonly preVote: boolean
      readonly granted: boolean
      readonly leaderId: NodeId | null
      /** The voter's disk: the vote of one that was lost in between does not count. */
      readonly voterDirectoryId: Uuid | null
    }
  | { readonly kind: 'beginQuorumEpoch'; readonly epoch: QuorumEpoch }
  | {
      readonly kind: 'endQuorumEpoch'
      readonly epoch: QuorumEpoch
      readonly preferredSuccessors: readonly NodeId[]
    }
  | {
      readonly kind: 'fetchRequest'
      /** Grows with each request of a follower; an answer to an older one is ignored. */
      readonly fetchId: number
      readonly epoch: QuorumEpoch
      readonly replicaDirectoryId: Uuid | null
      /** The follower's durable end offset: everything below is acknowledged. */
      readonly fetchOffset: Offset
      readonly lastFetchedEpoch: QuorumEpoch
      /** What the follower knows; the leader answers at once when it knows a higher one (KIP-1166). */
      readonly highWatermark: Offset
    }
  | {
      readonly kind: 'fetchResponse'
      readonly fetchId: number
      readonly epoch: QuorumEpoch
      /** Who leads `epoch` as far as the sender knows; the sender itself where `outcome` is not `notLeader`. */
      readonly leaderId: NodeId | null
      /** With `notLeader`: where that leader is, for who knows the cluster by a few addresses only. */
      readonly leaderAddress: HostPort | null
      readonly outcome: 'entries' | 'diverging' | 'snapshot' | 'notLeader'
      readonly highWatermark: Offset
      readonly logStartOffset: Offset
      /** Of the first entry; the request's fetchOffset. */
      readonly baseOffset: Offset
      readonly entries: readonly Entry[]
      /** With `diverging`: where the leader's log leaves the follower's. With `snapshot`: what to fetch instead. */
      readonly hint: SnapshotId | null
    }
  | {
      readonly kind: 'fetchSnapshotRequest'
      readonly fetchId: number
      readonly epoch: QuorumEpoch
      readonly snapshotId: SnapshotId
      readonly position: number
    }
  | {
      readonly kind: 'fetchSnapshotResponse'
      readonly fetchId: number
      readonly epoch: QuorumEpoch
      readonly leaderId: NodeId | null
      /** False: the leader has no such snapshot any more, or does not lead. */
      readonly found: boolean
      readonly snapshotId: SnapshotId
      readonly position: number
      readonly sizeBytes: number
      readonly chunk: Uint8Array
    }
