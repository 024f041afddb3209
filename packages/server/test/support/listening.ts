import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { afterEach } from 'vitest'
import type { ConnectionContext } from '@trimaran/broker'
import { KafkaListener } from '../../src/kafka-listener.ts'
import type { KafkaListenerOptions, ListenerLimits } from '../../src/kafka-listener.ts'

type Handle = (
  connection: ConnectionContext,
  frame: Uint8Array,
) => Promise<readonly Uint8Array[] | null>

interface Listening {
  readonly listener: KafkaListener
  readonly log: { phrase: string; fields: Readonly<Record<string, unknown>> | undefined }[]
  readonly failures: unknown[]
  readonly dial: () => Client
}

const running = new Set<KafkaListener>()
const clients = new Set<Socket>()
afterEach(() => {
  for (const socket of clients) socket.destroy()
  for (const listener of running) listener.destroy()
  clients.clear()
  running.clear()
})

const defaults: ListenerLimits = {
  requestMaxBytes: 1_000_000,
  queuedMaxBytes: 10_000_000,
  connectionsMaxIdleMs: 600_000,
  maxConnections: 1000,
  maxConnectionsPerIp: 1000,
}

export async function listening(
  handle: Handle,
  limits: Partial<ListenerLimits> = {},
  machine: Pick<KafkaListenerOptions, 'clock' | 'busyShare'> = {},
): Promise<Listening> {
  const log: Listening['log'] = []
  const failures: unknown[] = []
  const listener = new KafkaListener({
    listeners: [{ name: 'PLAINTEXT', host: '127.0.0.1', port: 0 }],
    limits: { ...defaults, ...limits },
    logEvent: (_level, phrase, fields) => log.push({ phrase, fields }),
    handle,
    failed: error => failures.push(error),
    ...machine,
  })
  running.add(listener)
  const [bound] = await listener.listen()
  return { listener, log, failures, dial: () => new Client(bound?.port ?? 0) }
}

/** A raw client: writes bytes, waits for bytes. */
class Client {
  readonly socket: Socket
  readonly ended: Promise<void>
  #chunks: Buffer[] = []
  #count = 0
  #wake: () => void = () => {}

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    clients.add(this.socket)
    this.socket.on('data', chunk => {
      this.#chunks.push(chunk)
      this.#count += chunk.length
      this.#wake()
    })
    this.socket.on('error', () => {})
    this.ended = new Promise(resolve => {
      this.socket.once('end', resolve)
      this.socket.once('close', () => resolve())
    })
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  async receive(count: number): Promise<Buffer> {
    while (this.#count < count) await new Promise<void>(resolve => (this.#wake = resolve))
    return this.received.subarray(0, count)
  }

  get received(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] ?? Buffer.alloc(0)
  }
}

export const framed = (payload: Uint8Array): Buffer => {
  const size = Buffer.alloc(4)
  size.writeInt32BE(payload.length)
  return Buffer.concat([size, payload])
}
export const text = (content: string): Buffer => framed(Buffer.from(content))
export const echo: Handle = (_connection, frame) => Promise.resolve([framed(frame)])
