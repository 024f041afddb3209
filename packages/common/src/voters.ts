import type { NodeId, Uuid } from './ids.ts'

/** Where something listens. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

/** A member of the metadata quorum. A wiped disk is another voter: its directory id differs (KIP-853). */
export interface Voter extends HostPort {
  readonly nodeId: NodeId
  /** Null until the node has told it: a voter named by configuration alone. */
  readonly directoryId: Uuid | null
}

/** What an operator asks for (KIP-853). A null directory is one that was never heard of. */
export type VoterChange =
  | { readonly kind: 'add'; readonly voter: Voter }
  | { readonly kind: 'remove'; readonly nodeId: NodeId; readonly directoryId: Uuid | null }

/** Why a change cannot begin. */
export type VoterRefusal =
  /** This node does not lead, or has not committed anything in its epoch yet. */
  | 'notLeading'
  /** Another change is not committed yet. */
  | 'changePending'
  /** The node id is a voter's. */
  | 'duplicate'
  /** No voter has this id and this directory. */
  | 'notFound'
  /** No replica with this id and this directory fetches. */
  | 'notFetching'
  /** It has not caught up within the fetch timeout. */
  | 'lagging'
  /** Nobody would be left. */
  | 'lastVoter'
  /** Of those who would be left, too few are heard: nothing would be committed any more, this change included. */
  | 'noMajority'
