import type { Prng } from '@trimaran/common'
import { encodeRequest, inVersions, versionRange } from '@trimaran/protocol'
import type { Api, Encodable, Field, Struct } from '@trimaran/protocol'

/** A request as bytes, without its size: with nothing in its arrays, or with one element in each. */
export function minimalFrame(api: Api, version: number, elements: 0 | 1): Buffer {
  const body = structOf(api.request, version, elements) as Encodable<Struct>
  const header = { correlationId: 1, clientId: 'fuzz' }
  return Buffer.concat(encodeRequest(api, version, header, body)).subarray(4)
}

export function versionsOf(api: Api): readonly number[] {
  const { min, max } = versionRange(api.versions)
  return Array.from({ length: max - min + 1 }, (_, at) => min + at)
}

function structOf(fields: Struct, version: number, elements: 0 | 1): Record<string, unknown> {
  const value: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(fields)) {
    const { since, tag } = field.facts
    if (tag !== undefined || (since !== undefined && !inVersions(since, version))) continue
    value[name] = valueOf(field, version, elements)
  }
  return value
}

function valueOf(field: Field, version: number, elements: 0 | 1): unknown {
  const { wire, facts } = field
  const mayBeNull = facts.nullable !== undefined && inVersions(facts.nullable, version)
  if (typeof wire === 'object' && 'array' in wire) {
    if (elements === 1) return [valueOf(wire.array, version, elements)]
    return mayBeNull ? null : []
  }
  if (typeof wire === 'object') return structOf(wire.struct, version, elements)
  // The one topic and group there are, so that handlers get beyond looking them up.
  if (wire === 'string') return mayBeNull ? null : 'fuzzed'
  return mayBeNull ? null : facts.fallback
}

const interesting32 = [-1, -2, 0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 2 ** 31 - 1, -(2 ** 31)]
const headerBytes = 8

type Mutation = (frame: Buffer, prng: Prng) => Buffer

const at = (frame: Buffer, prng: Prng, width: number): number =>
  prng.between(headerBytes, Math.max(headerBytes, frame.length - width))

const mutations: readonly Mutation[] = [
  function flipBit(frame, prng) {
    const place = at(frame, prng, 1)
    if (place < frame.length) frame[place] = (frame[place] as number) ^ (1 << prng.between(0, 7))
    return frame
  },
  function anyByte(frame, prng) {
    const place = at(frame, prng, 1)
    if (place < frame.length) frame[place] = prng.between(0, 255)
    return frame
  },
  function length32(frame, prng) {
    const place = at(frame, prng, 4)
    if (place + 4 <= frame.length) frame.writeInt32BE(prng.pick(interesting32), place)
    return frame
  },
  function length16(frame, prng) {
    const place = at(frame, prng, 2)
    const value = prng.pick([-1, -2, 0, 1, 0x7f, 0x7fff, -0x8000])
    if (place + 2 <= frame.length) frame.writeInt16BE(value, place)
    return frame
  },
  function endlessVarint(frame, prng) {
    const place = at(frame, prng, 1)
    return Buffer.concat([
      frame.subarray(0, place),
      Buffer.alloc(prng.between(1, 11), 0xff),
      frame.subarray(place),
    ])
  },
  function cut(frame, prng) {
    return frame.subarray(0, prng.between(0, frame.length))
  },
  function extend(frame, prng) {
    return Buffer.concat([frame, prng.bytes(prng.between(1, 40))])
  },
  function splice(frame, prng) {
    const [from, to] = [at(frame, prng, 1), at(frame, prng, 1)]
    return Buffer.concat([frame.subarray(0, to), frame.subarray(from)])
  },
]

/** One to four changes anywhere after api key, version and correlation id. */
export function mutated(frame: Buffer, prng: Prng): Buffer {
  let changed = Buffer.from(frame)
  for (let count = prng.between(1, 4); count > 0; count--) {
    changed = Buffer.from(prng.pick(mutations)(changed, prng))
  }
  return changed
}
