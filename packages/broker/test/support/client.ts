import { concatBytes } from '@trimaran/common'
import {
  decodeResponse,
  encodeRequest,
  responseReader,
  type Api,
  type IncomingResponseOf,
  type OutgoingRequestOf,
} from '@trimaran/protocol'
import type { ConnectionContext } from '../../src/index.ts'

interface Serving {
  handle(connection: ConnectionContext, frame: Uint8Array): Promise<readonly Uint8Array[] | null>
}

export class TestConnection implements ConnectionContext {
  readonly id: number
  readonly listenerName: string
  readonly remoteAddress = '127.0.0.1'
  closed = false
  clientSoftware?: { readonly name: string; readonly version: string }
  readonly #listeners = new Set<() => void>()

  constructor(id = 1, listenerName = 'PLAINTEXT') {
    this.id = id
    this.listenerName = listenerName
  }

  onClose(gone: () => void): () => void {
    this.#listeners.add(gone)
    return () => this.#listeners.delete(gone)
  }

  close(): void {
    this.closed = true
    for (const gone of this.#listeners) gone()
    this.#listeners.clear()
  }
}

const frameSizeBytes = 4

/** A client of one broker, in bytes as they would be on the wire. */
export class TestClient {
  readonly connection: TestConnection
  readonly #broker: Serving
  #correlationId = 0

  constructor(broker: Serving, connection = new TestConnection()) {
    this.#broker = broker
    this.connection = connection
  }

  /** Null: no answer. */
  async ask<A extends Api>(
    api: A,
    version: number,
    request: OutgoingRequestOf<A>,
  ): Promise<IncomingResponseOf<A> | null> {
    const correlationId = ++this.#correlationId
    const frame = requestFrame(api, version, request, correlationId)
    const answer = await this.#broker.handle(this.connection, frame)
    if (answer === null) return null
    return readAnswer(api, version, answer, correlationId)
  }

  async call<A extends Api>(
    api: A,
    version: number,
    request: OutgoingRequestOf<A>,
  ): Promise<IncomingResponseOf<A>> {
    const answer = await this.ask(api, version, request)
    if (answer === null) throw new Error(`${api.name} was not answered`)
    return answer
  }

  raw(frame: Uint8Array): Promise<readonly Uint8Array[] | null> {
    return this.#broker.handle(this.connection, frame)
  }
}

/** A frame without its size, as the listener hands it over. */
export function requestFrame<A extends Api>(
  api: A,
  version: number,
  request: OutgoingRequestOf<A>,
  correlationId = 1,
): Uint8Array {
  const header = { correlationId, clientId: 'test' }
  return concatBytes(encodeRequest(api as Api, version, header, request as never)).subarray(
    frameSizeBytes,
  )
}

/** Checks size and correlation id, and that nothing follows the body. */
export function readAnswer<A extends Api>(
  api: A,
  version: number,
  answer: readonly Uint8Array[],
  correlationId: number,
): IncomingResponseOf<A> {
  const bytes = concatBytes(answer)
  const sizeBytes = new DataView(bytes.buffer, bytes.byteOffset).getInt32(0)
  if (sizeBytes !== bytes.length - frameSizeBytes) throw new Error('the size of the frame is wrong')
  const reader = responseReader(bytes.subarray(frameSizeBytes))
  const decoded = decodeResponse(api as Api, version, reader)
  if (decoded.correlationId !== correlationId) throw new Error('the correlation id is wrong')
  if (reader.remaining !== 0) throw new Error(`${reader.remaining} bytes follow the answer`)
  return decoded.body as IncomingResponseOf<A>
}
