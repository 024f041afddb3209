import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { apis, decodeResponse, encodeRequest, responseReader } from '@trimaran/protocol'
import type { Api, Decoded, Encodable, Struct } from '@trimaran/protocol'

const timeoutMs = 10_000
const sizeBytes = 4

/** A socket that says anything: bytes out, frames in, and how it ended. */
export class RawClient {
  readonly socket: Socket
  /** `end`: FIN first; `reset`: nothing but an error. */
  readonly closed: Promise<'end' | 'reset'>
  #chunks: Buffer[] = []
  #receivedBytes = 0
  #isClosed = false
  #wake: () => void = () => {}
  #correlationId = 0

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const client = new RawClient(socket)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return client
  }

  private constructor(socket: Socket) {
    this.socket = socket
    let ended = false
    socket.on('data', chunk => {
      this.#chunks.push(chunk)
      this.#receivedBytes += chunk.length
      this.#wake()
    })
    socket.on('error', () => {})
    socket.on('end', () => {
      ended = true
    })
    this.closed = new Promise(resolve => {
      socket.on('close', () => {
        this.#isClosed = true
        this.#wake()
        resolve(ended ? 'end' : 'reset')
      })
    })
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes)
  }

  /** The next whole answer without its size; null: the connection ended before. */
  async frame(): Promise<Buffer | null> {
    const timer = setTimeout(() => this.socket.destroy(), timeoutMs)
    try {
      for (;;) {
        const frame = this.#takeFrame()
        if (frame !== null) return frame
        if (this.#isClosed) return null
        await new Promise<void>(resolve => (this.#wake = resolve))
      }
    } finally {
      clearTimeout(timer)
    }
  }

  #takeFrame(): Buffer | null {
    if (this.#receivedBytes < sizeBytes) return null
    if ((this.#chunks[0] as Buffer).length < sizeBytes) this.#chunks = [Buffer.concat(this.#chunks)]
    const end = sizeBytes + (this.#chunks[0] as Buffer).readInt32BE(0)
    if (this.#receivedBytes < end) return null
    const all = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks)
    const received = all as Buffer
    this.#chunks = received.length > end ? [received.subarray(end)] : []
    this.#receivedBytes -= end
    return received.subarray(sizeBytes, end)
  }

  async request<Q extends Struct, R extends Struct>(
    api: Api<Q, R>,
    version: number,
    body: Encodable<Q>,
  ): Promise<Decoded<R>> {
    this.send(requestBytes(api, version, body, this.#correlationId++))
    const frame = await this.frame()
    if (frame === null) throw new Error(`no answer to ${api.name} v${version}`)
    return decodeResponse(api, version, responseReader(frame)).body
  }

  /** One record batch to one partition; the outcome of that partition. */
  async produce(
    place: { readonly topic: string; readonly partition: number },
    records: Uint8Array | null,
    { version = 9, acks = -1 } = {},
  ): Promise<{ errorCode: number; baseOffset: number; errorMessage: string | null }> {
    const { responses } = await this.request(apis.produce, version, {
      transactionalId: null,
      acks,
      timeoutMs: 5_000,
      topicData: [{ name: place.topic, partitionData: [{ index: place.partition, records }] }],
    })
    const answer = responses[0]?.partitionResponses[0]
    if (answer === undefined) throw new Error('a produce answer without its partition')
    return answer
  }

  destroy(): void {
    this.socket.destroy()
  }
}

/** With its size in front. */
export function requestBytes<Q extends Struct, R extends Struct>(
  api: Api<Q, R>,
  version: number,
  body: Encodable<Q>,
  correlationId = 1,
): Buffer {
  const header = { correlationId, clientId: 'hostile' }
  return Buffer.concat(encodeRequest(api, version, header, body))
}

export function framed(payload: Uint8Array): Buffer {
  const size = Buffer.alloc(sizeBytes)
  size.writeInt32BE(payload.length)
  return Buffer.concat([size, payload])
}

export const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
