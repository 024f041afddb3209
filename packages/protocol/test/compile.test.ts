import { describe, expect, test } from 'vitest'
import {
  Reader,
  Writer,
  apis,
  array,
  bytes,
  codecOf,
  codecSource,
  codecsOf,
  int16,
  int32,
  int64,
  message,
  nullable,
  since,
  string,
  struct,
  tagged,
  uuid,
  withFallback,
} from '../src/index.ts'
import type { OutgoingRequestOf, RequestOf, ResponseOf } from '../src/index.ts'

const sample = message({
  name: 'Sample',
  versions: '0-3',
  flexible: '2+',
  fields: {
    id: int32,
    label: nullable(string, '1+'),
    members: nullable(array(struct({ name: string, weight: since('1+', int16, 7) })), '1+'),
    place: nullable(struct({ row: int32 }), '1+'),
    note: tagged(3, '2+', string),
    epoch: tagged(1, '3+', struct({ epoch: withFallback(int32, -1), at: withFallback(int64, -1) })),
    blob: tagged(2, '2+', nullable(bytes)),
    list: tagged(0, '2+', array(int32)),
    topicId: tagged(4, '2+', uuid),
  },
})

const whole = {
  id: 1,
  label: 'l',
  members: [{ name: 'n', weight: 2 }],
  place: { row: 5 },
  note: '',
  epoch: { epoch: -1, at: -1 },
  blob: null,
  list: [],
  topicId: 'AAAAAAAAAAAAAAAAAAAAAA',
}

function encode(
  version: number,
  value: Parameters<ReturnType<typeof codecOf<typeof sample.fields>>['encode']>[1],
) {
  const writer = new Writer()
  codecOf(sample, version).encode(writer, value)
  return Uint8Array.from(writer.finishOne())
}

const decode = (version: number, bytesOf: Uint8Array) =>
  codecOf(sample, version).decode(new Reader(bytesOf))

describe('versions', () => {
  test('what a version does not carry has its fallback when read', () => {
    const read = decode(0, encode(0, { ...whole, note: 'lost' }))
    expect(read).toStrictEqual({ ...whole, members: [{ name: 'n', weight: 7 }] })
  })

  test('null in a version without null is written as the empty value', () => {
    const read = decode(0, encode(0, { id: 1, label: null, members: null, place: null }))
    expect(read).toMatchObject({ label: '', members: [], place: { row: 0 } })
  })

  test('null is null where the version has it', () => {
    const value = { id: 1, label: null, members: null, place: null }
    for (const version of [1, 2])
      expect(decode(version, encode(version, value))).toMatchObject(value)
  })

  test('an encoder may leave out what not every version has', () => {
    const read = decode(1, encode(1, { id: 1, label: 'l', members: [{ name: 'n' }], place: null }))
    expect(read.members).toEqual([{ name: 'n', weight: 7 }])
  })

  test('a version that does not exist is a broken invariant', () => {
    expect(() => codecOf(sample, 4)).toThrow('no version 4 of Sample')
  })
})

describe('tagged fields', () => {
  test('are written only if they differ from the fallback', () => {
    expect(encode(3, whole).length).toBe(encode(3, { ...whole, list: [9] }).length - 7)
    expect(encode(3, whole).at(-1)).toBe(0)
  })

  test('a struct differs if one of its fields does', () => {
    const value = { ...whole, epoch: { epoch: -1, at: 4 } }
    expect(decode(3, encode(3, value))).toStrictEqual(value)
  })

  test('all kinds of them are read as they were written', () => {
    const value = {
      ...whole,
      note: 'n',
      epoch: { epoch: 1, at: 2 },
      blob: Uint8Array.of(),
      list: [1, 2],
      topicId: 'AQIDBAUGBwgJCgsMDQ4PEA',
    }
    expect(decode(3, encode(3, value))).toStrictEqual(value)
  })

  test('unknown ones are skipped, in any order, repeated too; of a known one that is repeated the last counts', () => {
    const head = encode(2, whole).subarray(0, -1)
    const tags = [5, 9, 1, 0, 8, 2, 1, 2, 9, 0, 3, 2, 2, 0x61, 3, 2, 2, 0x62]
    const read = decode(2, Uint8Array.from([...head, ...tags]))
    expect(read.note).toBe('b')
  })

  test('a known one may be longer than what is known of it', () => {
    const head = encode(2, whole).subarray(0, -1)
    expect(decode(2, Uint8Array.from([...head, 1, 3, 4, 2, 0x61, 0xff, 0xff])).note).toBe('a')
  })
})

describe('the compiled source', () => {
  test('is straight-line code for one version', () => {
    expect(codecSource(apis.heartbeat.request, 4, true)).toEqual({
      decode: [
        'const v0 = r.compactString()',
        'const v1 = r.int32()',
        'const v2 = r.compactString()',
        'const v3 = r.compactNullableString()',
        'r.skipTags()',
        'return { groupId: v0, generationId: v1, memberId: v2, groupInstanceId: v3 }',
      ].join('\n'),
      encode: [
        'w.compactString(m.groupId)',
        'w.int32(m.generationId)',
        'w.compactString(m.memberId)',
        'const o3 = m.groupInstanceId === undefined ? null : m.groupInstanceId',
        'w.compactNullableString(o3)',
        'w.uvarint(0)',
      ].join('\n'),
    })
  })

  test('is made once per version', () => {
    expect(codecsOf(apis.heartbeat).request(4)).toBe(codecsOf(apis.heartbeat).request(4))
  })

  test('refuses names that are not names', () => {
    const evil = message({
      name: 'Evil',
      versions: '0',
      flexible: 'none',
      fields: { 'a: process.exit()': int32 },
    })
    expect(() => codecOf(evil, 0)).toThrow('field name')
  })
})

describe('types', () => {
  test('servers must give what every version has, and see every field of a request', () => {
    const response: ResponseOf<typeof apis.heartbeat> = { errorCode: 0 }
    // @ts-expect-error errorCode is in every version
    const incomplete: ResponseOf<typeof apis.heartbeat> = { throttleTimeMs: 1 }
    const request: OutgoingRequestOf<typeof apis.heartbeat> = {
      groupId: 'g',
      generationId: 1,
      memberId: 'm',
    }
    // @ts-expect-error a decoded request has every field
    const decoded: RequestOf<typeof apis.heartbeat> = request
    expect([response, incomplete, decoded]).toHaveLength(3)
  })
})
