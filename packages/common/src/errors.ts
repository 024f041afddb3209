/**
 * Operational failures, thrown at the edges and translated once. Outcomes that the Kafka protocol has a code for are
 * values, never these.
 */
export const clusterErrorCodes = {
  /** The disk has no room; what was being written is not written. */
  DISK_FULL: { retriable: true },
  /** A read, write or fsync failed; the log directory is not to be trusted any more. */
  DISK_FAILED: { retriable: false },
  /** Stored bytes do not say what they must: checksum, order or shape is wrong. */
  CORRUPT: { retriable: false },
  /** The data directory belongs to another cluster or node, or is held by another process. */
  WRONG_DIRECTORY: { retriable: false },
  /** A configuration value cannot be used; the message names the key and what would do. */
  BAD_CONFIG: { retriable: false },
  /** The port is taken or the address is not of this machine. */
  CANNOT_LISTEN: { retriable: false },
  /** This node is not the active controller (any more). */
  NOT_CONTROLLER: { retriable: true },
  /** No link to the peer, or it broke before the answer. The outcome is unknown. */
  RPC_UNAVAILABLE: { retriable: true },
  /** No answer in time. The outcome is unknown. */
  RPC_TIMEOUT: { retriable: true },
  /** The peer sent what no peer of this cluster sends. */
  RPC_INVALID: { retriable: false },
  /** The node is stopping. */
  STOPPING: { retriable: true },
} as const

export type ClusterErrorCode = keyof typeof clusterErrorCodes

export class ClusterError extends Error {
  override readonly name = 'ClusterError'
  readonly code: ClusterErrorCode

  constructor(code: ClusterErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }

  get retriable(): boolean {
    return clusterErrorCodes[this.code].retriable
  }
}
