import type { HostPort, NodeId } from '@trimaran/common'

export interface PeerAddress extends HostPort {
  readonly nodeId: NodeId
}

export interface PeerReceiver {
  frame(from: NodeId, frame: Uint8Array): void
  /** A stream with it broke, and one dial was refused or unanswered within 200 ms (design decision 15). */
  gone(nodeId: NodeId): void
  /** A link came up where there was none, or to a new incarnation: what was sent before and not answered is lost. */
  reachable(nodeId: NodeId): void
}

/** Ordered, at-most-once byte frames between nodes; over gRPC streams in production, simulated in the simulator. */
export interface PeerLinks {
  /**
   * Takes a frame as pieces, which stay unchanged from then on. False: no link at the moment, and the frame is dropped.
   * Asking makes the link be dialled.
   */
  send(to: NodeId, frame: readonly Uint8Array[]): boolean
  /** Where to dial. */
  learn(peer: PeerAddress): void
  /** Addresses of whom nothing else is known; dialled as long as there is no link at all. */
  seek?(servers: readonly HostPort[]): void
  /** Null: not known. */
  addressOf?(nodeId: NodeId): HostPort | null
  start(receiver: PeerReceiver): void
}
