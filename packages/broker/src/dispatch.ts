/**
 * From the bytes of a request to the bytes of its answer: header, version, body, handler, answer. Everything that the
 * framing or header gets wrong closes the connection and only it; what parses and is wrong in itself is answered with
 * an error code by the handler.
 *
 * Everything up to the handler's first wait happens inside the call, so that the effects of one connection's requests
 * have the order of the requests although nobody waits for earlier answers.
 */
import { AssertionError } from '@trimaran/common'
import {
  ProtocolError,
  Reader,
  apis,
  codecsOf,
  decodeRequestHeader,
  encodeResponse,
  errorCodes,
  errorInfo,
  type Api,
} from '@trimaran/protocol'
import { advertised, apiVersions, type AdvertisedApi } from './api/18-api-versions.ts'
import type { BrokerServices, Handler, HandlerContext, RequestHeader } from './api/handler.ts'
import { CloseConnection, type ConnectionContext } from './connection.ts'
import type { RequestMetrics } from './metrics.ts'

/** Size of key, version and correlation id: what every header of every version begins with. */
const headerStartBytes = 8

interface Entry {
  readonly handler: Handler
  readonly decode: (version: number, reader: Reader) => unknown
  readonly metrics: RequestMetrics
}

export class Dispatcher {
  readonly #services: BrokerServices
  readonly #entries = new Map<number, Entry>()
  readonly #advertised: readonly AdvertisedApi[]

  constructor(services: BrokerServices, handlers: readonly Handler[]) {
    this.#services = services
    for (const handler of [...handlers, apiVersions(() => this.#advertised)]) {
      const codecs = codecsOf(handler.api)
      this.#entries.set(handler.api.key, {
        handler,
        decode: (version, reader) => codecs.request(version).decode(reader),
        metrics: services.metrics.ofApi(handler.api.key, handler.api.name),
      })
    }
    this.#advertised = advertised([...this.#entries.values()].map(entry => entry.handler))
  }

  /** What ApiVersions answers: all of it works. */
  get advertised(): readonly AdvertisedApi[] {
    return this.#advertised
  }

  /**
   * `frame` is a request without its size; the result is the answer with it, or null for none. Rejects with
   * CloseConnection when the connection must be closed, with AssertionError when the node is broken.
   */
  handle(connection: ConnectionContext, frame: Uint8Array): Promise<readonly Uint8Array[] | null> {
    const startMs = this.#services.clock.monotonicMs()
    try {
      const parsed = this.#parse(frame)
      if (parsed.kind === 'answered') return Promise.resolve(parsed.answer)
      const { entry, header, request } = parsed
      entry.metrics.queueTime.record(startMs - (connection.requestSinceMs ?? startMs))
      const context = contextOf(this.#services, connection, header)
      const outcome = entry.handler.handle(request, context)
      // Only its size: while an answer waits, the request's bytes are garbage.
      const requestBytes = frame.length
      const finish = (body: unknown): readonly Uint8Array[] | null => {
        const answer = body === null ? null : encode(entry.handler.api, header, body)
        this.#count(entry, requestBytes, answer, body, this.#services.clock.monotonicMs() - startMs)
        return answer
      }
      if (!(outcome instanceof Promise)) return Promise.resolve(finish(outcome))
      return outcome.then(finish).catch((error: unknown) => this.#reject(error))
    } catch (error) {
      return Promise.resolve().then(() => this.#reject(error))
    }
  }

  #parse(frame: Uint8Array): Parsed {
    if (frame.length < headerStartBytes)
      throw new CloseConnection(`a header of ${frame.length} bytes`)
    const reader = new Reader(frame)
    const apiKey = reader.int16()
    const apiVersion = reader.int16()
    const entry = this.#entries.get(apiKey)
    if (entry === undefined) throw new CloseConnection(`unknown api key ${apiKey}`)
    const { min, max } = entry.handler.versions
    if (apiVersion < min || apiVersion > max) {
      if (apiKey !== apis.apiVersions.key) {
        throw new CloseConnection(`${entry.handler.api.name} v${apiVersion} is not served`)
      }
      return { kind: 'answered', answer: this.#versionsInOldest(reader.int32()) }
    }
    reader.position = 0
    const header = decodeRequestHeader(reader)
    return { kind: 'request', entry, header, request: entry.decode(apiVersion, reader) }
  }

  /** KIP-511: who asks in a version of tomorrow learns today's, in the oldest encoding. */
  #versionsInOldest(correlationId: number): readonly Uint8Array[] {
    return encodeResponse(apis.apiVersions, 0, correlationId, {
      errorCode: errorCodes.UNSUPPORTED_VERSION,
      apiKeys: this.#advertised,
    })
  }

  #count(
    { handler, metrics }: Entry,
    requestBytes: number,
    answer: readonly Uint8Array[] | null,
    body: unknown,
    elapsedMs: number,
  ): void {
    metrics.requests.add()
    metrics.requestBytes.add(requestBytes)
    metrics.totalTime.record(elapsedMs)
    if (answer !== null) for (const part of answer) metrics.responseBytes.add(part.length)
    const errorCode = errorCodeIn(body)
    if (errorCode !== errorCodes.NONE)
      this.#services.metrics.countError(handler.api.name, errorInfo(errorCode).name)
  }

  /**
   * Translates once: a broken invariant goes on up and ends the node; anything else ends the connection it came from,
   * since no client may have the power to stop a broker.
   */
  #reject(error: unknown): never {
    this.#services.metrics.rejectedRequests.add()
    if (error instanceof AssertionError || error instanceof CloseConnection) throw error
    if (error instanceof ProtocolError) throw new CloseConnection(error.message, { cause: error })
    this.#services.logEvent('error', 'request failed', { err: error })
    throw new CloseConnection('the request failed here', { cause: error })
  }
}

type Parsed =
  | { readonly kind: 'answered'; readonly answer: readonly Uint8Array[] }
  | {
      readonly kind: 'request'
      readonly entry: Entry
      readonly header: RequestHeader
      readonly request: unknown
    }

/** The services with the request's own facts in front: one object, nothing copied. */
function contextOf(
  services: BrokerServices,
  connection: ConnectionContext,
  header: RequestHeader,
): HandlerContext {
  const context = Object.create(services) as {
    -readonly [K in keyof HandlerContext]: HandlerContext[K]
  }
  context.connection = connection
  context.header = header
  return context
}

const encode = (api: Api, header: RequestHeader, body: unknown): readonly Uint8Array[] =>
  encodeResponse(api, header.apiVersion, header.correlationId, body as Record<string, never>)

/** Of the answer as a whole; errors of its items are the handler's to count. */
function errorCodeIn(body: unknown): number {
  if (typeof body !== 'object' || body === null || !('errorCode' in body)) return errorCodes.NONE
  return typeof body.errorCode === 'number' ? body.errorCode : errorCodes.NONE
}
