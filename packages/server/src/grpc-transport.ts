import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Http2Session, ServerHttp2Stream } from 'node:http2'
import type * as Grpc from '@grpc/grpc-js'
import { ClusterError, emptyBytes, giveBack, passOn } from '@trimaran/common'
import { sizeOf } from './rpc/wire.ts'

/** HTTP/2 windows, per stream and per connection. With Node's 64 KiB a 64 KiB message moves at a third of the speed. */
const WINDOW_BYTES = 4 * 1024 * 1024
/** Chunks are 1 MiB (rpc/frame-assembler.ts); nothing larger is ever sent, so nothing larger is taken. */
const MAX_MESSAGE_BYTES = 2 * 1024 * 1024
/** Half-open connections (a pulled cable) are found within the sum of the two; session time-outs are near 9 s. */
const KEEPALIVE_TIME_MS = 5_000
const KEEPALIVE_TIMEOUT_MS = 4_000
/** One link per peer and direction, and dials that are about to be refused. */
const MAX_STREAMS_PER_CONNECTION = 16
/** MB that one HTTP/2 session of a peer may hold: windows, and frames written but not sent. */
const MAX_SESSION_MEMORY_MB = 64

const LINK_PATH = '/trimaran.Peer/Link'

const commonOptions: Grpc.ChannelOptions = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  'grpc.enable_channelz': 0,
}

/** Either end of a stream, as far as a link cares. */
export interface LinkStream {
  /** One message, as pieces that stay unchanged from then on; those that were passed on are given back. */
  write(message: readonly Uint8Array[]): void
  /** Bytes written and not yet taken by the connection. */
  readonly queuedBytes: number
  /** Ends it now; `onClose` is called, here and at the peer, there with `reason`. */
  destroy(reason?: string): void
  /** Replaces the receiver. Nothing is read before the first one is set. */
  onMessage(receive: (message: Buffer) => void): void
  /** Called once, whatever the reason; null for a plain end. Replaces the listener. */
  onClose(closed: (reason: string | null) => void): void
}

/** The part of gRPC that is the wire: what was imported, one server, dials. Loaded when a node opens its links. */
export class GrpcTransport {
  readonly #grpc: typeof Grpc
  readonly #clients = new Set<Grpc.Client>()
  #server: Grpc.Server | null = null
  #port = 0
  #closed = false

  static async load(): Promise<GrpcTransport> {
    return new GrpcTransport(await import('@grpc/grpc-js'))
  }

  private constructor(grpc: typeof Grpc) {
    this.#grpc = grpc
    raiseServerWindows()
  }

  get port(): number {
    return this.#port
  }

  /** Listens, on every interface if the host is empty; resolves with the port. Throws CANNOT_LISTEN. */
  async listen(host: string, port: number, accept: (stream: LinkStream) => void): Promise<number> {
    const grpc = this.#grpc
    const server = new grpc.Server({
      ...commonOptions,
      'grpc.max_concurrent_streams': MAX_STREAMS_PER_CONNECTION,
      'grpc-node.max_session_memory': MAX_SESSION_MEMORY_MB,
    })
    server.addService(
      {
        link: {
          path: LINK_PATH,
          requestStream: true,
          responseStream: true,
          requestSerialize: asBuffer,
          requestDeserialize: asIs,
          responseSerialize: asBuffer,
          responseDeserialize: asIs,
        },
      },
      {
        link: (call: Grpc.ServerDuplexStream<Buffer, Gathered>) => accept(serverStream(call)),
      },
    )
    this.#server = server
    this.#port = await this.#bind(server, host, port)
    return this.#port
  }

  /** gRPC takes no empty host for "every interface"; `::` is both families, and 0.0.0.0 what a host without IPv6 has. */
  async #bind(server: Grpc.Server, host: string, port: number): Promise<number> {
    if (host !== '') return this.#bindTo(server, host, port)
    return this.#bindTo(server, '::', port).catch(() => this.#bindTo(server, '0.0.0.0', port))
  }

  #bindTo(server: Grpc.Server, host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const credentials = this.#grpc.ServerCredentials.createInsecure()
      server.bindAsync(authority(host, port), credentials, (error, bound) => {
        if (error === null) resolve(bound)
        else {
          const text = `cannot listen for nodes on ${authority(host, port)}: ${error.message}`
          reject(new ClusterError('CANNOT_LISTEN', text, { cause: error }))
        }
      })
    })
  }

  /** One attempt: a connection of its own, so that no back-off of gRPC's comes in between. */
  dial(host: string, port: number): LinkStream {
    const client = new this.#grpc.Client(
      authority(host, port),
      this.#grpc.credentials.createInsecure(),
      {
        ...commonOptions,
        'grpc.keepalive_permit_without_calls': 1,
        'grpc.enable_http_proxy': 0,
        'grpc.enable_retries': 0,
        'grpc.use_local_subchannel_pool': 1,
        'grpc.service_config_disable_resolution': 1,
        'grpc-node.flow_control_window': WINDOW_BYTES,
        'grpc-node.max_session_memory': MAX_SESSION_MEMORY_MB,
      },
    )
    this.#clients.add(client)
    const call = client.makeBidiStreamRequest<Gathered, Buffer>(LINK_PATH, asBuffer, asIs)
    return clientStream(call, () => {
      client.close()
      this.#clients.delete(client)
    })
  }

  /** Ends every connection at once: the peers see what they would see of a killed process. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    stopRaisingServerWindows()
    this.#server?.forceShutdown()
    for (const client of this.#clients) client.close()
    this.#clients.clear()
  }
}

/** What came is bytes already. */
const asIs = (message: Buffer): Buffer => message

/**
 * A message as pieces. grpc-js copies every message behind its five bytes of framing, and uses nothing of a message but its
 * length and `copy`; so the pieces are copied once, where joining them first would be a second time.
 */
class Gathered {
  readonly length: number
  readonly #pieces: readonly Uint8Array[]
  #framed: Uint8Array = emptyBytes

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces
    this.length = sizeOf(pieces)
  }

  get byteLength(): number {
    return this.length
  }

  copy(target: Uint8Array, targetStart: number): number {
    let at = targetStart
    for (const piece of this.#pieces) {
      target.set(piece, at)
      at += piece.length
    }
    this.#framed = target
    return this.length
  }

  /** The connection has taken every byte. */
  sent(): void {
    for (const piece of this.#pieces) giveBack(piece)
    giveBack(passOn(this.#framed))
  }
}

const asBuffer = (message: Gathered): Buffer => message as unknown as Buffer

const authority = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

function clientStream(
  call: Grpc.ClientDuplexStream<Gathered, Buffer>,
  release: () => void,
): LinkStream {
  let reason: string | null = null
  const stream = linkStream(call, () => call.cancel(), false)
  // The error says what the status that always follows says.
  call.on('error', () => {})
  call.on('status', ({ code, details }) => {
    if (code !== 0) reason = details
    release()
    stream.finish(reason)
  })
  return stream
}

function serverStream(call: Grpc.ServerDuplexStream<Buffer, Gathered>): LinkStream {
  const destroy = (reason?: string): void => {
    if (reason === undefined) call.end()
    else call.emit('error', { code: FAILED_PRECONDITION, details: reason })
    stream.finish(null)
  }
  const stream = linkStream(call, destroy, true)
  call.on('error', (error: Error) => stream.finish(error.message))
  call.on('cancelled', () => stream.finish(null))
  call.on('end', () => {
    call.end()
    stream.finish(null)
  })
  return stream
}

/** gRPC's status for "not while things are as they are": another cluster, another node. */
const FAILED_PRECONDITION = 9

/**
 * What grpc-js's two kinds of duplex stream have in common. `tellsWhenSent`: a write is done when the connection has taken
 * its bytes. A client's is done when grpc-js has it, which may still repeat it on another connection.
 */
interface MessageStream {
  write(message: Gathered, done: () => void): unknown
  on(event: 'data', receive: (message: Buffer) => void): unknown
}

function linkStream(
  call: MessageStream,
  destroy: (reason?: string) => void,
  tellsWhenSent: boolean,
): LinkStream & { finish(reason: string | null): void } {
  let closed: (reason: string | null) => void = () => {}
  let receive: ((message: Buffer) => void) | null = null
  let finished = false
  let queuedBytes = 0
  return {
    write(pieces) {
      if (finished) return
      const message = new Gathered(pieces)
      queuedBytes += message.length
      call.write(message, () => {
        queuedBytes -= message.length
        if (tellsWhenSent) message.sent()
      })
    },
    get queuedBytes() {
      return queuedBytes
    },
    destroy,
    onMessage(listener) {
      if (receive === null) {
        call.on('data', (message: Buffer) => {
          if (!finished) receive?.(passOn(message))
        })
      }
      receive = listener
    },
    onClose(listener) {
      closed = listener
    },
    finish(reason) {
      if (finished) return
      finished = true
      closed(reason)
    },
  }
}

let windowUsers = 0

/**
 * grpc-js has an option for the windows of a client but none for those of a server. Node announces each server stream on
 * a diagnostics channel; the windows of the session are raised when its first link opens.
 */
function raiseServerWindows(): void {
  if (windowUsers++ === 0) subscribe('http2.server.stream.created', onServerStream)
}

function stopRaisingServerWindows(): void {
  if (--windowUsers === 0) unsubscribe('http2.server.stream.created', onServerStream)
}

const raised = new WeakSet<Http2Session>()

function onServerStream(message: unknown): void {
  const { stream, headers } = message as {
    stream: ServerHttp2Stream
    headers: Record<string, unknown>
  }
  const { session } = stream
  if (headers[':path'] !== LINK_PATH || session === undefined || raised.has(session)) return
  raised.add(session)
  session.settings({ initialWindowSize: WINDOW_BYTES })
  session.setLocalWindowSize(WINDOW_BYTES)
}
