import { Prng, concatBytes } from '@trimaran/common'
import { describe, expect, test } from 'vitest'
import {
  type Api,
  type Codec,
  type Struct,
  ProtocolError,
  Reader,
  Writer,
  apis,
  codecsOf,
  versionRange,
} from '../src/index.ts'
import { anyStruct } from './values.ts'

interface Case {
  readonly name: string
  readonly fields: Struct
  readonly version: number
  readonly codec: Codec
}

/** Longer messages hold long strings and bytes: more of the same. */
const CUTS_MAX = 400

const cases: Case[] = []
for (const definition of Object.values(apis) as Api[]) {
  const { min, max } = versionRange(definition.versions)
  const codecs = codecsOf(definition)
  for (let version = min; version <= max; version++) {
    const label = `${definition.name} v${version}`
    cases.push(
      {
        name: `${label} request`,
        fields: definition.request,
        version,
        codec: codecs.request(version),
      },
      {
        name: `${label} response`,
        fields: definition.response,
        version,
        codec: codecs.response(version),
      },
    )
  }
}

function encode(codec: Codec, value: object): Uint8Array {
  const writer = new Writer()
  codec.encode(writer, value as never)
  return concatBytes(writer.finish().map(chunk => Uint8Array.from(chunk)))
}

describe('every version of every message', () => {
  test.each(cases)(
    '$name is read as it was written, to the last byte',
    ({ fields, version, codec }) => {
      const prng = new Prng(version, cases.length)
      for (let round = 0; round < 4; round++) {
        const value = anyStruct(prng, fields, version)
        const bytes = encode(codec, value)
        const reader = new Reader(bytes)
        expect(codec.decode(reader)).toStrictEqual(value)
        expect(reader.remaining).toBe(0)
      }
    },
  )

  test('a message cut off anywhere is a ProtocolError', () => {
    const wrong: string[] = []
    for (const { name, fields, version, codec } of cases) {
      const bytes = encode(codec, anyStruct(new Prng(version, 1), fields, version))
      for (let end = 0; end < Math.min(bytes.length, CUTS_MAX); end++) {
        const outcome = outcomeOf(() => codec.decode(new Reader(bytes, 0, end)))
        if (outcome !== 'ProtocolError') wrong.push(`${name} at ${end}: ${outcome}`)
      }
    }
    expect(wrong).toEqual([])
  })

  test('damaged bytes are decoded or are a ProtocolError, never anything else', () => {
    const wrong: string[] = []
    for (const { name, fields, version, codec } of cases) {
      const prng = new Prng(version, 2)
      const bytes = encode(codec, anyStruct(prng, fields, version))
      for (let round = 0; round < 25; round++) {
        const damaged = Uint8Array.from(bytes)
        for (let hit = prng.between(1, 3); hit > 0 && damaged.length > 0; hit--) {
          damaged[prng.between(0, damaged.length - 1)] = prng.pick([0, 1, 0x7f, 0x80, 0xfe, 0xff])
        }
        const outcome = outcomeOf(() => codec.decode(new Reader(damaged)))
        if (outcome !== 'decoded' && outcome !== 'ProtocolError') wrong.push(`${name}: ${outcome}`)
      }
    }
    expect(wrong).toEqual([])
  })

  test('noise is decoded or is a ProtocolError', () => {
    const wrong: string[] = []
    const prng = new Prng(3)
    for (const { name, codec } of cases) {
      for (let round = 0; round < 20; round++) {
        const noise = prng.bytes(prng.between(0, 200))
        const outcome = outcomeOf(() => codec.decode(new Reader(noise)))
        if (outcome !== 'decoded' && outcome !== 'ProtocolError') wrong.push(`${name}: ${outcome}`)
      }
    }
    expect(wrong).toEqual([])
  })
})

function outcomeOf(decode: () => unknown): string {
  try {
    decode()
    return 'decoded'
  } catch (error) {
    return error instanceof ProtocolError ? 'ProtocolError' : String(error)
  }
}
