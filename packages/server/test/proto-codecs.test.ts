import protobuf from 'protobufjs'
import { expect, test } from 'vitest'
import { ClusterError, concatBytes, emptyBytes, Prng } from '@trimaran/common'
import {
  callCodecs,
  calls,
  chunkCodec,
  decodeEnvelope,
  encodeEnvelope,
  failureCodec,
  helloCodec,
} from '../src/rpc/envelope.ts'
import type { Envelope, PeerRequestKind } from '../src/rpc/envelope.ts'
import { cutFrame, FrameAssembler, MAX_PIECE_BYTES } from '../src/rpc/frame-assembler.ts'
import { quorumMembers } from '../src/rpc/quorum-codec.ts'
import { decodeFrame, encodeFrame, readInt } from '../src/rpc/wire.ts'
import type { Field, MessageCodec } from '../src/rpc/wire.ts'

const root = new protobuf.Root()
root.resolvePath = (_origin, target) => `${import.meta.dirname}/../src/rpc/${target}`
root.loadSync('peer.proto').resolveAll()

/** Every codec that can travel, with the messages inside it. */
function collect(codec: MessageCodec<never>, into: Map<string, MessageCodec<never>>): void {
  if (into.has(codec.name)) return
  into.set(codec.name, codec)
  for (const field of Object.values(codec.fields))
    if (field.message !== undefined) collect(field.message, into)
}
const codecs = new Map<string, MessageCodec<never>>()
for (const { codec } of Object.values(quorumMembers)) collect(codec, codecs)
for (const call of Object.values(callCodecs)) {
  collect(call.request as never, codecs)
  collect(call.response as never, codecs)
}
for (const codec of [helloCodec, failureCodec, chunkCodec]) collect(codec as never, codecs)

const unions = new Set(['Envelope', 'Request', 'Response', 'QuorumMessage'])
/** Words in capitals (Kafka's security protocols) are so in both places. */
const upper = (word: string): string =>
  word === word.toUpperCase() ? word : word.replaceAll(/([A-Z])/g, '_$1').toUpperCase()

function typeOf(field: protobuf.Field): string {
  if (field.resolvedType instanceof protobuf.Enum) return 'enum'
  const name = field.resolvedType instanceof protobuf.Type ? 'message' : field.type
  if (field.repeated) return `repeated ${name}`
  return field.options?.['proto3_optional'] === true ? `optional ${name}` : name
}

test('every codec has the fields of its .proto message: names, numbers, types, optionality, literals', () => {
  for (const [name, codec] of codecs) {
    const type = root.lookupType(`trimaran.${name}`)
    const told = Object.entries(codec.fields).map(([key, field]) => [key, field.number, field.type])
    const written = type.fieldsArray.map(field => [field.name, field.id, typeOf(field)])
    expect([name, told]).toEqual([name, written])
    for (const [key, field] of Object.entries(codec.fields)) {
      const declared = type.fields[key] as protobuf.Field
      expect(
        field.message === undefined || declared.resolvedType?.name === field.message.name,
      ).toBe(true)
      if (field.literals === undefined) continue
      const names = Object.keys((declared.resolvedType as protobuf.Enum).values)
      expect(field.literals.map(upper)).toEqual(names)
    }
  }
})
test('every message of the .proto files has a codec', () => {
  const nested = root.lookup('trimaran') as protobuf.Namespace
  const names = nested.nestedArray
    .filter(item => item instanceof protobuf.Type)
    .map(type => type.name)
  expect(names.filter(name => !unions.has(name)).sort()).toEqual([...codecs.keys()].sort())
})

test('the unions of the .proto files are numbered as the codecs write them', () => {
  const numbersOf = (name: string): Record<string, number> =>
    Object.fromEntries(root.lookupType(`trimaran.${name}`).fieldsArray.map(f => [f.name, f.id]))
  const quorum = Object.fromEntries(
    Object.entries(quorumMembers).map(([kind, { number }]) => [kind, number]),
  )
  expect(numbersOf('QuorumMessage')).toEqual(quorum)
  expect(calls.toSorted()).toEqual(Object.keys(callCodecs).toSorted())
  const bodies = calls.map((kind, index) => [kind, index + 2])
  expect(numbersOf('Request')).toEqual({ id: 1, ...Object.fromEntries(bodies) })
  expect(numbersOf('Response')).toEqual({ id: 1, ...Object.fromEntries(bodies) })
})

function randomField(field: Field<never>, prng: Prng, depth: number): unknown {
  const base = field.type.replace(/^(optional|repeated) /, '')
  const one = (): unknown => {
    if (field.message !== undefined) {
      const value = randomMessage(field.message, prng, depth + 1)
      const keys = Object.keys(field.message.fields)
      // A list message is a plain list on our side.
      return keys.length === 1 && keys[0] === 'items' ? value['items'] : value
    }
    if (base === 'enum') return prng.pick(field.literals ?? [])
    if (base === 'bool') return prng.chance(1, 2)
    if (base === 'string') return prng.pick(['', 'orders', 'naïve ☃', 'x'.repeat(300)])
    if (base === 'bytes') return prng.bytes(prng.between(0, 40))
    return prng.pick([
      0,
      -1,
      1,
      63,
      -64,
      2 ** 30,
      -(2 ** 30) - 1,
      2 ** 31,
      2 ** 52 + 1,
      Number.MAX_SAFE_INTEGER,
      Number.MIN_SAFE_INTEGER,
    ])
  }
  if (field.type.startsWith('repeated ')) return Array.from({ length: prng.between(0, 3) }, one)
  return field.type.startsWith('optional ') && prng.chance(1, 3) ? null : one()
}

function randomMessage(codec: MessageCodec<never>, prng: Prng, depth = 0): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(codec.fields).map(([key, field]) => [key, randomField(field, prng, depth)]),
  )
}

/** As plain data that protobufjs' reflection takes and gives. */
function asReflected(
  codec: MessageCodec<never>,
  value: Record<string, unknown>,
): Record<string, unknown> {
  const entries = Object.entries(codec.fields).flatMap(([key, field]): [string, unknown][] => {
    const own = value[key]
    if (own === null) return []
    const one = (item: unknown): unknown => {
      if (field.message !== undefined) {
        const keys = Object.keys(field.message.fields)
        const isList = keys.length === 1 && keys[0] === 'items'
        return asReflected(
          field.message,
          (isList ? { items: item } : item) as Record<string, unknown>,
        )
      }
      if (field.literals !== undefined) return field.literals.indexOf(item as string)
      if (field.type.endsWith('bytes')) return [...(item as Uint8Array)]
      if (field.type.endsWith('sint64')) return String(item)
      return item
    }
    return [
      [key, Array.isArray(own) && field.type.startsWith('repeated ') ? own.map(one) : one(own)],
    ]
  })
  return Object.fromEntries(entries)
}

const readable: protobuf.IConversionOptions = { longs: String, bytes: Array, arrays: true }

test('what the codecs write, reflection reads, and the other way round', () => {
  const prng = new Prng(7)
  for (const [name, codec] of codecs) {
    const isList = Object.keys(codec.fields).join() === 'items'
    const type = root.lookupType(`trimaran.${name}`)
    for (let round = 0; round < 20; round++) {
      const value = randomMessage(codec, prng)
      const ours = encodeFrame(writer =>
        codec.encode(writer, (isList ? value['items'] : value) as never),
      )
      const seen = type.toObject(type.decode(ours), { ...readable, defaults: true })
      expect(dropAbsent(seen)).toEqual(asReflected(codec, value))
      const theirs = type.encode(type.decode(ours)).finish()
      const back = decodeFrame(theirs, reader => codec.decode(reader, theirs.length)) as unknown
      expect(plain(isList ? { items: back } : back)).toEqual(plain({ ...value, ...kindOf(codec) }))
    }
  }
})

/** With defaults on, reflection gives an absent optional message as null and an absent scalar not at all. */
function dropAbsent(seen: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(
    JSON.stringify(seen, (_key, value: unknown) => (value === null ? undefined : value)),
  ) as Record<string, unknown>
}
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value]
  if (Array.isArray(value)) return value.map(plain)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}
function kindOf(codec: MessageCodec<never>): object {
  const found = Object.entries(quorumMembers).find(([, member]) => member.codec === codec)
  return found === undefined ? {} : { kind: found[0] }
}

test('envelopes of every content come back as they went', () => {
  const prng = new Prng(11)
  const envelopes: Envelope[] = [
    { kind: 'hello', hello: randomMessage(helloCodec as never, prng) as never },
    { kind: 'failure', failure: randomMessage(failureCodec as never, prng) as never },
    { kind: 'chunk', chunk: { sizeBytes: 3, piece: prng.bytes(3) } },
  ]
  for (const [kind, { codec }] of Object.entries(quorumMembers)) {
    envelopes.push({ kind: 'quorum', message: { kind, ...randomMessage(codec, prng) } as never })
  }
  for (const [call, { request, response }] of Object.entries(callCodecs)) {
    const id = prng.between(0, 2 ** 31)
    envelopes.push({
      kind: 'request',
      id,
      call: call as PeerRequestKind,
      body: randomMessage(request as never, prng),
    })
    envelopes.push({
      kind: 'response',
      id,
      call: call as PeerRequestKind,
      body: randomMessage(response as never, prng),
    })
  }
  for (const envelope of envelopes) {
    const bytes = concatBytes(encodeEnvelope(envelope))
    expect(plain(decodeEnvelope(bytes))).toEqual(plain(envelope))
    const type = root.lookupType('trimaran.Envelope')
    expect(type.verify(type.decode(bytes))).toBe(null)
  }
})

test('cut, changed and foreign bytes are RPC_INVALID or a value, never another error and never a hang', () => {
  const prng = new Prng(13)
  for (const [call, { response }] of Object.entries(callCodecs)) {
    const body = randomMessage(response as never, prng)
    const whole = concatBytes(
      encodeEnvelope({ kind: 'response', id: 1, call: call as PeerRequestKind, body }),
    )
    for (let round = 0; round < 200; round++) {
      const bytes = whole.slice(0, prng.between(0, whole.length))
      if (bytes.length > 0) bytes[prng.between(0, bytes.length - 1)] = prng.between(0, 255)
      expect(['decoded', 'RPC_INVALID']).toContain(outcomeOf(bytes))
    }
  }
})

function outcomeOf(bytes: Uint8Array): string {
  try {
    decodeEnvelope(bytes)
    return 'decoded'
  } catch (error) {
    return error instanceof ClusterError ? error.code : String(error)
  }
}

test('numbers that a safe integer cannot hold are refused', () => {
  const envelope = root.lookupType('trimaran.Envelope')
  const huge = envelope.create({ quorum: { beginQuorumEpoch: { epoch: '9223372036854775807' } } })
  const bytes = envelope.encode(envelope.fromObject(huge)).finish()
  expect(() => decodeEnvelope(bytes)).toThrow(ClusterError)
})

test('a frame is cut into pieces and put together, and a lie about its size is refused', () => {
  const frame = new Prng(3).bytes(3 * MAX_PIECE_BYTES + 5)
  frame[0] = 0x1a
  // However it is given: as one, or as pieces that begin and end anywhere.
  const cuts = [0, 1, 5, 5, 1030, MAX_PIECE_BYTES - 1, 2 * MAX_PIECE_BYTES, frame.length]
  const parts = cuts.slice(1).map((end, index) => frame.subarray(cuts[index], end))
  for (const given of [[frame], parts]) {
    const messages = cutFrame(given)
    expect(messages).toHaveLength(4)
    const assembler = new FrameAssembler()
    const frames = messages.map(message => assembler.add(concatBytes(message)))
    expect(frames.slice(0, 3)).toEqual([null, null, null])
    expect(Buffer.compare(frames[3] as Uint8Array, frame)).toBe(0)
  }
  const lying = concatBytes(
    encodeEnvelope({ kind: 'chunk', chunk: { sizeBytes: 2, piece: new Uint8Array(3) } }),
  )
  expect(() => new FrameAssembler().add(lying)).toThrow(ClusterError)
  const endless = concatBytes(
    encodeEnvelope({
      kind: 'chunk',
      chunk: { sizeBytes: 2 ** 40, piece: new Uint8Array(3) },
    }),
  )
  expect(() => new FrameAssembler().add(endless)).toThrow(ClusterError)
})

test('records travel as the pieces they were, and lengths around them are those that protobufjs writes', () => {
  const prng = new Prng(17)
  const type = root.lookupType('trimaran.Envelope')
  for (const sizes of [
    [0],
    [1],
    [1023],
    [1024],
    [5, 2000, 0, 127, 128, 70_000, 3],
    [16_384, 16_383],
    [300_000, 2_100_000],
  ]) {
    const partitions = sizes.map((sizeBytes, partition) => ({
      topicId: 'x'.repeat(partition * 60),
      partition,
      errorCode: 0,
      leaderEpoch: 7,
      highWatermark: 2 ** 40 + partition,
      logStartOffset: Number.MAX_SAFE_INTEGER,
      diverging: partition % 2 === 0 ? null : { epoch: -1, endOffset: Number.MIN_SAFE_INTEGER },
      records: prng.bytes(sizeBytes),
    }))
    const given = { sessionUnknown: false, partitions }
    const pieces = encodeEnvelope({
      kind: 'response',
      id: 300,
      call: 'replicaFetch',
      body: given,
    })
    const large = partitions.map(({ records }) => records).filter(({ length }) => length >= 1024)
    expect(pieces.filter(piece => large.includes(piece as never))).toEqual(large)
    const bytes = concatBytes(pieces)
    expect(Buffer.compare(type.encode(type.decode(bytes)).finish(), bytes)).toBe(0)
    expect(decodeEnvelope(bytes)).toMatchObject({ id: 300 })
    const { body } = decodeEnvelope(bytes) as { body: typeof given }
    expect(body.partitions.map(withoutRecords)).toEqual(partitions.map(withoutRecords))
    body.partitions.forEach(({ records }, at) =>
      expect(Buffer.compare(records, given.partitions[at]?.records ?? emptyBytes)).toBe(0),
    )
  }
})

const withoutRecords = (result: object): object => ({ ...result, records: null })

test('integers up to the safe ones are the zigzag varints of protobuf', () => {
  const values = [0, 1, -1, 63, 64, -64, -65, 2 ** 27 - 1, 2 ** 27, -(2 ** 27), -(2 ** 27) - 1]
  for (let power = 28; power < 53; power++) values.push(2 ** power, -(2 ** power), 2 ** power - 1)
  for (const value of [...values, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]) {
    const ours = encodeFrame(writer => writer.sint64(value))
    expect([value, ...ours]).toEqual([value, ...zigzagVarint(BigInt(value))])
    expect(decodeFrame(ours, readInt)).toBe(value)
  }
})

function zigzagVarint(value: bigint): number[] {
  const bytes: number[] = []
  let rest = (value << 1n) ^ (value >> 63n)
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  return [...bytes, Number(rest)]
}
