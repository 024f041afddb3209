import { connect as connectTcp, type Socket } from 'node:net'
import {
  apis,
  decodeResponse,
  encodeRequest,
  errorCodes,
  responseReader,
  versionRange,
  type Api,
  type Decoded,
  type Encodable,
  type Struct,
} from '@trimaran/protocol'

/** The broker could not be reached, or the connection broke before the answer. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
}

export interface ConnectOptions {
  readonly host: string
  readonly port: number
  readonly clientId: string
  /** For the connection, and again for the broker's first answer on it. */
  readonly connectTimeoutMs?: number
  /** For an answer to a request that says nothing else. */
  readonly requestTimeoutMs?: number
}

interface Waiting {
  readonly settle: (frame: Uint8Array) => void
  readonly fail: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

const connectTimeoutMs = 3000
const requestTimeoutMs = 30_000
/** An answer larger than this is not one: fetches ask for 55 MiB at most. */
const frameBytesMax = 256 * 1024 * 1024

/** One connection to one broker: requests in any number, answers matched by correlation id. */
export class KafkaConnection {
  readonly host: string
  readonly port: number
  readonly #socket: Socket
  readonly #clientId: string
  readonly #requestTimeoutMs: number
  readonly #waiting = new Map<number, Waiting>()
  readonly #versions = new Map<number, { readonly min: number; readonly max: number }>()
  #nextCorrelationId = 1
  #chunks: Buffer[] = []
  #buffered = 0
  #closed: Error | null = null

  private constructor(socket: Socket, options: ConnectOptions) {
    this.host = options.host
    this.port = options.port
    this.#socket = socket
    this.#clientId = options.clientId
    this.#requestTimeoutMs = options.requestTimeoutMs ?? requestTimeoutMs
    socket.on('data', chunk => this.#receive(chunk))
    socket.on('error', error => this.#fail(`${this.host}:${this.port}: ${error.message}`))
    socket.on('close', () => this.#fail(`${this.host}:${this.port} closed the connection`))
  }

  static async connect(options: ConnectOptions): Promise<KafkaConnection> {
    const timeoutMs = options.connectTimeoutMs ?? connectTimeoutMs
    const socket = await new Promise<Socket>((settle, fail) => {
      const opening = connectTcp({ host: options.host, port: options.port, noDelay: true })
      const give = (why: string): void => {
        opening.destroy()
        fail(new ConnectionError(`${options.host}:${options.port}: ${why}`))
      }
      const timer = setTimeout(() => give('no answer'), timeoutMs)
      opening.once('connect', () => {
        clearTimeout(timer)
        opening.removeAllListeners('error')
        settle(opening)
      })
      opening.once('error', error => {
        clearTimeout(timer)
        give(
          (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
            ? 'connection refused'
            : error.message,
        )
      })
    })
    const connection = new KafkaConnection(socket, options)
    try {
      await connection.#negotiate(timeoutMs)
      return connection
    } catch (error) {
      connection.close()
      throw error
    }
  }

  get isOpen(): boolean {
    return this.#closed === null
  }

  async #negotiate(timeoutMs: number): Promise<void> {
    const software = { clientSoftwareName: 'trimaran', clientSoftwareVersion: '0.1.0' }
    let answer = await this.requestVersion(apis.apiVersions, 3, software, timeoutMs)
    // A broker that does not know the version answers in version 0 (KIP-511).
    if (answer.errorCode === errorCodes.UNSUPPORTED_VERSION)
      answer = await this.requestVersion(apis.apiVersions, 0, software, timeoutMs)
    for (const api of answer.apiKeys)
      this.#versions.set(api.apiKey, { min: api.minVersion, max: api.maxVersion })
  }

  /** The highest version that both sides speak; null if there is none. */
  versionOf(definition: Api): number | null {
    const theirs = this.#versions.get(definition.key)
    const ours = versionRange(definition.versions)
    if (theirs === undefined) return null
    const version = Math.min(theirs.max, ours.max)
    return version >= Math.max(theirs.min, ours.min) ? version : null
  }

  async request<Q extends Struct, R extends Struct>(
    definition: Api<Q, R>,
    body: Encodable<Q>,
    timeoutMs: number = this.#requestTimeoutMs,
  ): Promise<Decoded<R>> {
    const version = this.versionOf(definition)
    if (version === null)
      throw new ConnectionError(`${this.host}:${this.port} does not speak ${definition.name}`)
    return this.requestVersion(definition, version, body, timeoutMs)
  }

  async requestVersion<Q extends Struct, R extends Struct>(
    definition: Api<Q, R>,
    version: number,
    body: Encodable<Q>,
    timeoutMs: number = this.#requestTimeoutMs,
  ): Promise<Decoded<R>> {
    const frame = await this.#exchange(definition, version, body, timeoutMs)
    const answersInVersion0 =
      definition.key === apis.apiVersions.key &&
      new DataView(frame.buffer, frame.byteOffset).getInt16(4) === errorCodes.UNSUPPORTED_VERSION
    return decodeResponse(definition, answersInVersion0 ? 0 : version, responseReader(frame)).body
  }

  #exchange<Q extends Struct, R extends Struct>(
    definition: Api<Q, R>,
    version: number,
    body: Encodable<Q>,
    timeoutMs: number,
  ): Promise<Uint8Array> {
    if (this.#closed !== null) return Promise.reject(this.#closed)
    const correlationId = this.#nextCorrelationId
    this.#nextCorrelationId = (this.#nextCorrelationId + 1) & 0x7fffffff
    return new Promise((settle, fail) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(correlationId)
        fail(
          new ConnectionError(
            `${this.host}:${this.port} did not answer ${definition.name} in ${timeoutMs} ms`,
          ),
        )
      }, timeoutMs)
      this.#waiting.set(correlationId, { settle, fail, timer })
      this.#write(
        encodeRequest(definition, version, { correlationId, clientId: this.#clientId }, body),
      )
    })
  }

  /** A produce request with acks 0: nothing comes back. */
  sendUnanswered<Q extends Struct, R extends Struct>(
    definition: Api<Q, R>,
    body: Encodable<Q>,
  ): void {
    if (this.#closed !== null) throw this.#closed
    const version = this.versionOf(definition)
    if (version === null)
      throw new ConnectionError(`${this.host}:${this.port} does not speak ${definition.name}`)
    this.#write(
      encodeRequest(definition, version, { correlationId: 0, clientId: this.#clientId }, body),
    )
  }

  #write(parts: readonly Uint8Array[]): void {
    this.#socket.cork()
    for (const part of parts) this.#socket.write(part)
    this.#socket.uncork()
  }

  #receive(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#buffered += chunk.length
    for (;;) {
      const frame = this.#takeFrame()
      if (frame === null) return
      const correlationId = frame.readInt32BE(0)
      const waiting = this.#waiting.get(correlationId)
      if (waiting === undefined) continue
      this.#waiting.delete(correlationId)
      clearTimeout(waiting.timer)
      waiting.settle(frame)
    }
  }

  #takeFrame(): Buffer | null {
    if (this.#buffered < 4) return null
    if ((this.#chunks[0] as Buffer).length < 4) this.#chunks = [Buffer.concat(this.#chunks)]
    const size = (this.#chunks[0] as Buffer).readInt32BE(0)
    if (size < 4 || size > frameBytesMax) {
      this.#fail(
        `${this.host}:${this.port} sent a frame of ${size} bytes: this is not a Kafka listener`,
      )
      return null
    }
    if (this.#buffered < size + 4) return null
    const all =
      this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks)
    const rest = all.subarray(size + 4)
    this.#chunks = rest.length > 0 ? [rest] : []
    this.#buffered = rest.length
    return all.subarray(4, size + 4)
  }

  #fail(why: string): void {
    if (this.#closed !== null) return
    this.#closed = new ConnectionError(why)
    this.#socket.destroy()
    for (const waiting of this.#waiting.values()) {
      clearTimeout(waiting.timer)
      waiting.fail(this.#closed)
    }
    this.#waiting.clear()
  }

  close(): void {
    this.#fail('the connection was closed here')
  }
}
