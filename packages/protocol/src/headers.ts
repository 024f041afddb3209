/**
 * Frames and headers. A frame is a 4-byte size and that many bytes; a request has header 1, or 2 with tagged fields in
 * flexible versions; a response has header 0, or 1 in flexible versions, but for ApiVersions: its answer always has
 * header 0, since who asks does not know yet what the server speaks (KIP-511). The client id stays a string with an
 * int16 length in all of them.
 */
import { apiByKey, apis } from './apis/index.ts'
import { codecsOf } from './compile.ts'
import { ProtocolError } from './errors.ts'
import { RESPONSE_ELEMENTS_MAX, Reader } from './reader.ts'
import { type Api, type Decoded, type Encodable, type Struct, isFlexible } from './schema.ts'
import { Writer } from './writer.ts'

export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  /** Echoed in the answer; any int32. */
  readonly correlationId: number
  readonly clientId: string | null
}

const hasResponseTags = (definition: Api, version: number): boolean =>
  definition.key !== apis.apiVersions.key && isFlexible(definition, version)

/**
 * Reads the header and leaves the reader at the body. Whether the version is supported is the caller's to check: an
 * unsupported ApiVersions must be answered, anything else closes the connection.
 * @throws ProtocolError if it is cut off or names an api that is not in the table
 */
export function decodeRequestHeader(reader: Reader): RequestHeader {
  const apiKey = reader.int16()
  const apiVersion = reader.int16()
  const correlationId = reader.int32()
  const definition = apiByKey(apiKey)
  if (definition === undefined) throw new ProtocolError(`api key ${apiKey} is not known`)
  const clientId = reader.nullableString()
  if (isFlexible(definition, apiVersion)) reader.skipTags()
  return { apiKey, apiVersion, correlationId, clientId }
}

/** A whole frame; large `records` and `bytes` in it are the caller's own. */
export function encodeRequest<Q extends Struct, R extends Struct>(
  definition: Api<Q, R>,
  version: number,
  header: { readonly correlationId: number; readonly clientId: string | null },
  body: Encodable<Q>,
): readonly Uint8Array[] {
  const writer = new Writer()
  writer.int32(0)
  writer.int16(definition.key)
  writer.int16(version)
  writer.int32(header.correlationId)
  writer.nullableString(header.clientId)
  if (isFlexible(definition, version)) writer.uvarint(0)
  codecsOf(definition).request(version).encode(writer, body)
  return writer.finishFrame()
}

/** A whole frame; large `records` and `bytes` in it are the caller's own. */
export function encodeResponse<Q extends Struct, R extends Struct>(
  definition: Api<Q, R>,
  version: number,
  correlationId: number,
  body: Encodable<R>,
): readonly Uint8Array[] {
  const writer = new Writer()
  writer.int32(0)
  writer.int32(correlationId)
  if (hasResponseTags(definition, version)) writer.uvarint(0)
  codecsOf(definition).response(version).encode(writer, body)
  return writer.finishFrame()
}

/** For clients: the frame of an answer after its size, as a Reader that allows as many elements as answers may have. */
export const responseReader = (frame: Uint8Array): Reader =>
  new Reader(frame, 0, frame.length, RESPONSE_ELEMENTS_MAX)

/** For clients: header and body of an answer; the reader stands after the frame's size. */
export function decodeResponse<Q extends Struct, R extends Struct>(
  definition: Api<Q, R>,
  version: number,
  reader: Reader,
): { readonly correlationId: number; readonly body: Decoded<R> } {
  const correlationId = reader.int32()
  if (hasResponseTags(definition, version)) reader.skipTags()
  return { correlationId, body: codecsOf(definition).response(version).decode(reader) }
}
