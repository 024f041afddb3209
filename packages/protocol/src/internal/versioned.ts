/** Messages that say their own version: it comes first, as an int16. */
import { codecOf } from '../compile.ts'
import { ProtocolError } from '../errors.ts'
import { Reader } from '../reader.ts'
import { type Decoded, type Encodable, type Message, type Struct, inVersions } from '../schema.ts'
import { Writer } from '../writer.ts'

export function encodeVersioned<S extends Struct>(
  definition: Message<S>,
  version: number,
  value: Encodable<S>,
): Uint8Array {
  const writer = new Writer()
  writer.int16(version)
  codecOf(definition, version).encode(writer, value)
  return writer.finishOne()
}

/** @throws ProtocolError if it is cut off or of a version that is not known */
export function decodeVersioned<S extends Struct>(
  definition: Message<S>,
  encoded: Uint8Array,
): Decoded<S> {
  const reader = new Reader(encoded)
  const version = reader.int16()
  if (!inVersions(definition.versions, version)) {
    throw new ProtocolError(`there is no version ${version} of ${definition.name}`)
  }
  return codecOf(definition, version).decode(reader)
}
