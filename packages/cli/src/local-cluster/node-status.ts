import type { NodeStatus } from '@trimaran/server'
import type { LocalNode } from './state.ts'

/** A node that hangs must not hang what asks about it. */
const statusTimeoutMs = 500

/** What the node says about itself; null: it does not answer. */
export async function fetchStatus(node: LocalNode): Promise<NodeStatus | null> {
  try {
    const response = await fetch(`http://127.0.0.1:${node.httpPort}/status`, {
      signal: AbortSignal.timeout(statusTimeoutMs),
    })
    return response.ok ? ((await response.json()) as NodeStatus) : null
  } catch {
    return null
  }
}
