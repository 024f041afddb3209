import type { NodeStatus } from '@trimaran/server'
import type { LocalNode } from './state.ts'

/** Neither fetch nor an `import` of node:http: both load what costs more than the rest of a command. */
const { get } = process.getBuiltinModule('node:http')
/** A node that hangs must not hang what asks about it. */
const statusTimeoutMs = 500

/** What the node says about itself; null: it does not answer. */
export function fetchStatus(node: LocalNode): Promise<NodeStatus | null> {
  return new Promise(settle => {
    const request = get(
      { host: '127.0.0.1', port: node.httpPort, path: '/status', timeout: statusTimeoutMs },
      response => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', () => settle(null))
        response.on('end', () => {
          settle(response.statusCode === 200 ? parse(Buffer.concat(chunks).toString()) : null)
        })
      },
    )
    request.on('timeout', () => request.destroy())
    request.on('error', () => settle(null))
    request.on('close', () => settle(null))
  })
}

function parse(text: string): NodeStatus | null {
  try {
    return JSON.parse(text) as NodeStatus
  } catch {
    return null
  }
}
