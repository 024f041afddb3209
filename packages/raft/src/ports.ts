import type { NodeId, Offset, QuorumEpoch, Uuid, Voter } from '@trimaran/common'
import type { Entry, Message, SnapshotId } from './messages.ts'

/** What a voter must not forget: written before any answer that claims it. */
export interface DurableVote {
  readonly epoch: QuorumEpoch
  readonly votedFor: NodeId | null
  /** True once this node led `epoch`: a restarted leader never leads again in the same epoch. */
  readonly led: boolean
}

export interface Snapshot {
  readonly id: SnapshotId
  /** Encoded voter set as of the snapshot. */
  readonly voters: Uint8Array
  /** The state machine's own bytes. */
  readonly state: Uint8Array
}

export interface DurableState {
  readonly vote: DurableVote
  readonly snapshot: Snapshot | null
  /** Offset of the first entry; the snapshot's end, or 0. */
  readonly logStartOffset: Offset
  readonly entries: readonly Entry[]
}

/** One atomic, durable write. Each part may be absent; all of them happen or none. */
export interface QuorumWrite {
  readonly vote?: DurableVote
  /** Removes entries at and above it, before appending. */
  readonly truncateTo?: Offset
  readonly append?: { readonly baseOffset: Offset; readonly entries: readonly Entry[] }
  /** Replaces the snapshot and removes the entries below its end. With `truncateTo`, the whole log. */
  readonly snapshot?: Snapshot
}

/** `level` in production, a simulated disk in the simulator; one conformance suite for both. */
export interface QuorumStore {
  /** `done` is called when the write survives power loss, in the order of the calls. A failed write is fatal. */
  write(write: QuorumWrite, done: () => void): void
}

/** May lose, delay, repeat and reorder. */
export interface RaftNetwork {
  send(to: NodeId, message: Message): void
}

/** The state machine above the quorum: sees committed things only, each once, in order. */
export interface RaftListener {
  /** `entries` are of kind `data`; `endOffset` is the offset after the last committed entry of any kind. */
  committed(entries: readonly CommittedEntry[], endOffset: Offset): void
  /** Replaces all state; entries go on at `id.endOffset`. */
  snapshotLoaded(snapshot: Snapshot): void
  /** This node leads `epoch` and has committed and applied everything before its first entry. */
  leading(epoch: QuorumEpoch): void
  /** This node does not lead any more; what it proposed and did not see committed has an unknown outcome. */
  resigned(epoch: QuorumEpoch): void
  leaderChanged(epoch: QuorumEpoch, leaderId: NodeId | null): void
  /** Whom the log names by now, committed or not: where to reach those who are new. */
  votersChanged?(voters: readonly Voter[]): void
}

export interface CommittedEntry {
  readonly offset: Offset
  readonly epoch: QuorumEpoch
  readonly payload: Uint8Array
}

export interface RaftConfig {
  readonly nodeId: NodeId
  readonly directoryId: Uuid
  readonly electionTimeoutMs: number
  readonly fetchTimeoutMs: number
  readonly electionBackoffMaxMs: number
  /** Voters to write as entry 0 of an empty log; the same on every voter. Empty on a node that only observes. */
  readonly bootstrapVoters: readonly {
    readonly nodeId: NodeId
    readonly host: string
    readonly port: number
    /** Where it is not known yet, the first that the voter shows is its directory. */
    readonly directoryId?: Uuid
  }[]
  /** Whom an observer with an empty log asks first. */
  readonly bootstrapNodeIds: readonly NodeId[]
}
