/** What the listener knows of one client connection. Handlers may keep state by `id` until `onClose`. */
export interface ConnectionContext {
  readonly id: number
  /** The listener it came in on: Metadata answers with the endpoints of the same one. */
  readonly listenerName: string
  readonly remoteAddress: string
  readonly closed: boolean
  /** When the request that is being handed over came, on the node's monotonic clock. */
  readonly requestSinceMs?: number
  /** Calls back once when the connection is gone; the result takes the callback away again. */
  onClose(gone: () => void): () => void
  /** From ApiVersions v3+ (KIP-511). */
  clientSoftware?: { readonly name: string; readonly version: string }
}

/** The connection must be closed without an answer; nothing else of the node is concerned. */
export class CloseConnection extends Error {
  override readonly name = 'CloseConnection'
}
