import { Prng, emptyBytes, uuidFromBytes, zeroUuid } from '@trimaran/common'
import { type Field, type Struct, inVersions } from '../src/index.ts'

const texts = ['', 'a', 'orders', 'consumer-1', 'größe', '日本', '🦀', 'x'.repeat(200)]

/** Any value that version `version` of the struct can carry; fields it does not carry have their fallbacks. */
export function anyStruct(prng: Prng, fields: Struct, version: number): Record<string, unknown> {
  const value: Record<string, unknown> = {}
  for (const [name, field] of Object.entries(fields)) {
    const { since, tag } = field.facts
    const absent = since !== undefined && !inVersions(since, version)
    const untouched = tag !== undefined && prng.chance(1, 2)
    value[name] = absent || untouched ? fallbackOf(field) : anyValue(prng, field, version)
  }
  return value
}

/** What decoding yields for a field that is not on the wire. */
export function fallbackOf(field: Field): unknown {
  const { wire, facts } = field
  if (facts.fallback !== undefined) return facts.fallback
  if (typeof wire === 'string') throw new Error(`${wire} without a fallback`)
  if ('array' in wire) return []
  return Object.fromEntries(
    Object.entries(wire.struct).map(([name, member]) => [name, fallbackOf(member)]),
  )
}

function anyValue(prng: Prng, field: Field, version: number): unknown {
  const { wire, facts } = field
  const nullable = facts.nullable !== undefined && inVersions(facts.nullable, version)
  if (nullable && prng.chance(1, 4)) return null
  if (typeof wire !== 'string') {
    if ('struct' in wire) return anyStruct(prng, wire.struct, version)
    return Array.from({ length: prng.between(0, 3) }, () => anyValue(prng, wire.array, version))
  }
  switch (wire) {
    case 'boolean':
      return prng.chance(1, 2)
    case 'int8':
      return prng.pick([-128, -1, 0, 1, 127])
    case 'int16':
      return prng.pick([-32768, -1, 0, 1, 32767])
    case 'uint16':
      return prng.pick([0, 1, 9092, 65535])
    case 'int32':
      return prng.pick([-2147483648, -1, 0, 1, 65536, 2147483647])
    case 'uint32':
      return prng.pick([0, 1, 4294967295])
    case 'int64':
    case 'saturatedInt64':
      return prng.pick([
        -Number.MAX_SAFE_INTEGER,
        -4294967297,
        -1,
        0,
        1,
        4294967296,
        Number.MAX_SAFE_INTEGER,
      ])
    case 'float64':
      return prng.pick([-1.5, 0, 0.1, 1e300])
    case 'uuid':
      return prng.chance(1, 4) ? zeroUuid : uuidFromBytes(prng.bytes(16))
    case 'string':
      return prng.pick(texts)
    case 'bytes':
    case 'records':
      return prng.pick([emptyBytes, prng.bytes(5), prng.bytes(3000)])
  }
}
