import type { NodeId, Offset, QuorumEpoch, Uuid } from '@trimaran/common'
import type { SnapshotId } from './messages.ts'

/**
 * What a node is in its epoch. Each variant carries only what that role may know; times are monotonic milliseconds.
 *
 * ```
 *              stands            majority              majority
 * unattached ─────────▶ prospective ────────▶ candidate ────────▶ leader ──▶ resigned
 *     ▲  │                ▲    │                  │                              │
 *     │  └──▶ follower ───┘    └──▶ follower      └──▶ prospective (lost)        │
 *     └────────────────── any higher epoch ◀─────────────────────────────────────┘
 * ```
 * Observers are only ever unattached or followers.
 */
export type Role = Unattached | Follower | Prospective | Candidate | Leader | Resigned

export interface Unattached {
  readonly kind: 'unattached'
  /** When a voter stands; Infinity for an observer. */
  standsAtMs: number
  /** When an observer next asks who leads; Infinity for a voter, whose pre-vote asks the same. */
  asksAtMs: number
  asked: number
}

export interface Follower {
  readonly kind: 'follower'
  readonly leaderId: NodeId
  /** The leader has answered a fetch in this epoch: it is alive and known to lead. */
  hasFetched: boolean
  /** Silence that long counts as a lost leader; a little random, so that followers do not stand together. */
  readonly patienceMs: number
  /** When the leader counts as lost. */
  timesOutAtMs: number
  /** When to fetch (again). */
  fetchesAtMs: number
  /** The request whose answer is awaited. */
  fetchId: number
  download: SnapshotDownload | null
}

/** Asks whether it could win before it disturbs anyone with a higher epoch (KIP-996). */
export interface Prospective {
  readonly kind: 'prospective'
  /** Of this epoch, if there was one; it may still live. */
  readonly leaderId: NodeId | null
  readonly granted: Set<NodeId>
  readonly refused: Set<NodeId>
  roundEndsAtMs: number
}

export interface Candidate {
  readonly kind: 'candidate'
  readonly granted: Set<NodeId>
  readonly refused: Set<NodeId>
  roundEndsAtMs: number
}

export interface Leader {
  readonly kind: 'leader'
  readonly epoch: QuorumEpoch
  /** Offset of the first entry of this epoch. */
  readonly epochStartOffset: Offset
  /** The listener has been told: an entry of this epoch is committed and applied. */
  announced: boolean
  readonly replicas: Map<NodeId, ReplicaProgress>
  /** At most one per replica; in the order of their deadlines. */
  readonly parked: Map<NodeId, ParkedFetch>
  checksQuorumAtMs: number
  remindsVotersAtMs: number
}

export interface Resigned {
  readonly kind: 'resigned'
  standsAtMs: number
}

export interface ReplicaProgress {
  readonly nodeId: NodeId
  readonly directoryId: Uuid | null
  /** Durable there: what its fetches acknowledged. */
  endOffset: Offset
  lastFetchMs: number
  lastCaughtUpMs: number
  /** The leader's end when it last fetched, and when that was: who reaches it was caught up then. */
  leaderEndOffsetAtLastFetch: Offset
  lastProgressMs: number
  /** Since when it fetches the snapshot, until it fetches entries again. */
  downloadingSinceMs: number | null
  /** It knows who leads: it has fetched in this epoch. */
  hasFetched: boolean
}

export interface ParkedFetch {
  readonly fetchId: number
  readonly fetchOffset: Offset
  readonly highWatermark: Offset
  readonly deadlineMs: number
}

export interface SnapshotDownload {
  readonly id: SnapshotId
  readonly chunks: Uint8Array[]
  position: number
}

/** What of a role an operator sees. */
export interface RoleSummary {
  readonly role: Role['kind']
  readonly epoch: QuorumEpoch
  readonly leaderId: NodeId | null
}
