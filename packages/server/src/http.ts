import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ClusterError } from '@trimaran/common'
import type { HostPort } from '@trimaran/common'
import type { ClusterNode } from './node.ts'
import { processMetricsText } from './metrics.ts'
import { answerProfile } from './profile.ts'

/** An `import` of it reads every export, and with them loads WebSockets: 45 ms and 14 MB for nothing. */
const { createServer } = process.getBuiltinModule('node:http')
/** Monitoring asks every few seconds; more connections than this are not monitoring. */
const MAX_CONNECTIONS = 64
const REQUEST_TIMEOUT_MS = 5_000

export interface HttpServer {
  readonly port: number
  close(): void
}

/** Answers what it knows, and says whether it did. */
type Answerer = (request: IncomingMessage, response: ServerResponse) => boolean

/**
 * /healthz for orchestrators, /metrics for Prometheus, /status for the CLI and eyes, /profile for viewers of CPU profiles.
 * Reads, never changes; what a node under test can be told besides comes as `faults`.
 */
export async function serveHttp(
  address: HostPort,
  node: () => ClusterNode | null,
  faults: Answerer | null = null,
): Promise<HttpServer> {
  const server = createServer((request, response) => {
    if (faults?.(request, response) !== true) answer(request, response, node())
  })
  server.maxConnections = MAX_CONNECTIONS
  server.requestTimeout = REQUEST_TIMEOUT_MS
  server.headersTimeout = REQUEST_TIMEOUT_MS
  await listen(server, address)
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function listen(server: Server, { host, port }: HostPort): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', cause => {
      const text = `http.listener: cannot listen on ${host}:${port}: ${cause.message}`
      reject(new ClusterError('CANNOT_LISTEN', text, { cause }))
    })
    server.listen({ port, ...(host === '' ? {} : { host }) }, resolve)
  })
}

const TEXT = 'text/plain; charset=utf-8'
const JSON_TYPE = 'application/json'
const PROMETHEUS = 'text/plain; version=0.0.4; charset=utf-8'

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  node: ClusterNode | null,
): void {
  const send = (code: number, type: string, body: string): void => {
    response.writeHead(code, { 'content-type': type, 'cache-control': 'no-store' }).end(body)
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    send(405, TEXT, 'only GET\n')
    return
  }
  const path = (request.url ?? '/').split('?', 1)[0]
  if (path === '/healthz') {
    const ill = node === null ? 'starting' : illness(node)
    send(ill === null ? 200 : 503, TEXT, `${ill ?? 'ok'}\n`)
  } else if (path === '/profile') answerProfile(request, response)
  else if (node === null) send(503, TEXT, 'starting\n')
  else if (path === '/metrics') send(200, PROMETHEUS, metricsText(node))
  else if (path === '/status') send(200, JSON_TYPE, JSON.stringify(node.status()))
  else send(404, TEXT, 'try /healthz, /metrics, /status or /profile\n')
}

/** Why the node does not serve; null: it does. */
function illness(node: ClusterNode): string | null {
  const { leaderId } = node.raft.status
  if (leaderId === null) return 'no leader of the quorum is known'
  const { broker } = node
  if (broker === null) return null
  if (broker.state !== 'running') return `broker is ${broker.state}`
  return broker.status().fenced ? 'broker is fenced' : null
}

function metricsText(node: ClusterNode): string {
  return (
    (node.broker?.metrics.registry.prometheusText() ?? '') +
    node.metrics.prometheusText() +
    processMetricsText()
  )
}
