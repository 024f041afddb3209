import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { apis, BATCH_OVERHEAD, encodeBatch, errorCodes, renewCrc } from '@trimaran/protocol'
import { until } from './support/process-cluster.ts'
import { RawClient, requestBytes } from './support/raw-client.ts'
import { Scene } from './support/scene.ts'

let scene: Scene
let port: number
beforeAll(async () => {
  scene = await Scene.open({ port: 28_040, settings: { 'log.cleaner.backoff.ms': '500' } })
  await scene.createTopic('victim')
  await scene.createTopic('compacted', { configs: { 'cleanup.policy': 'compact' } })
  port = (await scene.leaderOf('victim')).ports.client
})
afterEach(() => scene.expectHealthy())
afterAll(async () => {
  const { acknowledged, longestSilenceMs } = await scene.close()
  process.stdout.write(`bystander: ${acknowledged} records, silent ${longestSilenceMs | 0} ms\n`)
})

const nowMs = Date.now()
const record = (
  value: string,
  timestampMs = nowMs,
): Parameters<typeof encodeBatch>[0]['records'][0] => ({
  key: null,
  value: Buffer.from(value),
  timestampMs,
})
const records = [record('one'), record('two'), record('three')]
const good = (): Buffer => Buffer.from(encodeBatch({ records }))

// Where things are in a batch: see protocol/src/records/batch.ts.
const [LENGTH, MAGIC, CRC, ATTRIBUTES] = [8, 16, 17, 21]
const [LAST_DELTA, PRODUCER_ID, COUNT] = [23, 43, 57]

/** A good batch with a change, and a checksum that fits. */
function changed(change: (batch: Buffer) => void): Buffer {
  const batch = good()
  change(batch)
  renewCrc(batch, 0, batch.length)
  return batch
}
const withInt32 = (at: number, value: number): Buffer =>
  changed(batch => batch.writeInt32BE(value, at))
const withAttributes = (bits: number): Buffer =>
  changed(batch => batch.writeInt16BE(bits, ATTRIBUTES))
const withBaseOffset = (offset: bigint): Buffer =>
  changed(batch => batch.writeBigInt64BE(offset, 0))
/** Lengths and magic: what is looked at before the checksum. */
function raw(change: (batch: Buffer) => void): Buffer {
  const batch = good()
  change(batch)
  return batch
}

/** A compressed batch whose compressed part is `content`. */
function compressed(codec: number, content: Uint8Array): Buffer {
  const batch = Buffer.concat([good().subarray(0, BATCH_OVERHEAD), content])
  batch.writeInt32BE(batch.length - 12, LENGTH)
  batch.writeInt16BE(codec, ATTRIBUTES)
  renewCrc(batch, 0, batch.length)
  return batch
}

const { CORRUPT_MESSAGE, INVALID_RECORD, INVALID_TIMESTAMP, MESSAGE_TOO_LARGE } = errorCodes
const { OUT_OF_ORDER_SEQUENCE_NUMBER, UNSUPPORTED_COMPRESSION_TYPE } = errorCodes

const refusals: readonly [what: string, records: () => Uint8Array | null, errorCode: number][] = [
  ['no records', () => null, INVALID_RECORD],
  ['an empty batch', () => Buffer.alloc(0), INVALID_RECORD],
  ['ten bytes', () => good().subarray(0, 10), CORRUPT_MESSAGE],
  ['half a batch', () => good().subarray(0, 70), CORRUPT_MESSAGE],
  ['two batches', () => Buffer.concat([good(), good()]), INVALID_RECORD],
  [
    'a flipped bit in a value',
    () => raw(b => (b[b.length - 3] = (b[b.length - 3] as number) ^ 1)),
    CORRUPT_MESSAGE,
  ],
  ['a wrong checksum', () => raw(b => b.writeInt32BE(0, CRC)), CORRUPT_MESSAGE],
  ['magic 0', () => raw(b => (b[MAGIC] = 0)), INVALID_RECORD],
  ['magic 1', () => raw(b => (b[MAGIC] = 1)), INVALID_RECORD],
  ['magic 3', () => raw(b => (b[MAGIC] = 3)), CORRUPT_MESSAGE],
  ['a negative length', () => raw(b => b.writeInt32BE(-1, LENGTH)), CORRUPT_MESSAGE],
  ['a length below the header', () => raw(b => b.writeInt32BE(48, LENGTH)), CORRUPT_MESSAGE],
  [
    'a length beyond the bytes',
    () => raw(b => b.writeInt32BE(2 ** 31 - 1, LENGTH)),
    CORRUPT_MESSAGE,
  ],
  ['no record in it', () => withInt32(COUNT, 0), INVALID_RECORD],
  ['a negative count', () => withInt32(COUNT, -1), INVALID_RECORD],
  ['one record too few', () => withInt32(COUNT, 2), INVALID_RECORD],
  ['one record too many', () => withInt32(COUNT, 4), INVALID_RECORD],
  ['two thousand million records', () => withInt32(COUNT, 2 ** 31 - 1), INVALID_RECORD],
  [
    'a count and an end that agree on nonsense',
    () =>
      changed(b => {
        b.writeInt32BE(2 ** 31 - 1, COUNT)
        b.writeInt32BE(2 ** 31 - 2, LAST_DELTA)
      }),
    INVALID_RECORD,
  ],
  ['a negative last offset', () => withInt32(LAST_DELTA, -1), INVALID_RECORD],
  ['a last offset far away', () => withInt32(LAST_DELTA, 2 ** 31 - 1), INVALID_RECORD],
  ['a base offset', () => withBaseOffset(5n), INVALID_RECORD],
  ['a negative base offset', () => withBaseOffset(-1n), INVALID_RECORD],
  ['the largest base offset', () => withBaseOffset(2n ** 63n - 1n), INVALID_RECORD],
  ['the control bit', () => withAttributes(0x20), INVALID_RECORD],
  ['a codec that is none', () => withAttributes(7), UNSUPPORTED_COMPRESSION_TYPE],
  ['LogAppendTime', () => withAttributes(0x08), INVALID_TIMESTAMP],
  [
    'a timestamp in the year 5138',
    () => encodeBatch({ records: [record('late', 10 ** 14)] }),
    INVALID_TIMESTAMP,
  ],
  [
    'a producer without a sequence',
    () => changed(b => b.writeBigInt64BE(4711n, PRODUCER_ID)),
    INVALID_RECORD,
  ],
  [
    'more than max.message.bytes',
    () => encodeBatch({ records: [record('x'.repeat(1_100_000))] }),
    MESSAGE_TOO_LARGE,
  ],
]

test.each(refusals)(
  '%s is refused with its own error, and nothing of it is stored (K29–K40)',
  async (_what, bytes, errorCode) => {
    const client = await RawClient.connect(port)
    const refused = await client.produce({ topic: 'victim', partition: 0 }, bytes())
    expect(refused).toMatchObject({ errorCode, baseOffset: -1 })
    // The same connection goes on, and the log is as long as before.
    const accepted = await client.produce({ topic: 'victim', partition: 0 }, good())
    expect(accepted).toMatchObject({ errorCode: 0 })
    expect(accepted.baseOffset % records.length).toBe(0)
    client.destroy()
  },
)

/** Looked into where a topic needs it. */
const unreadable: readonly [codec: string, records: () => Uint8Array][] = [
  ['gzip', () => compressed(1, Buffer.from('no gzip'))],
  ['snappy', () => compressed(2, Buffer.alloc(40, 0xff))],
  ['lz4', () => compressed(3, Buffer.alloc(40, 0xff))],
  ['zstd', () => compressed(4, Buffer.alloc(40, 0xff))],
]

test.each(unreadable)(
  '%s that is none is refused by a topic whose records are looked at (K35)',
  async (_codec, bytes) => {
    const leader = await scene.leaderOf('compacted')
    const client = await RawClient.connect(leader.ports.client)
    const refused = await client.produce({ topic: 'compacted', partition: 0 }, bytes())
    expect(refused).toMatchObject({ errorCode: INVALID_RECORD, baseOffset: -1 })
    client.destroy()
  },
)

test('what was stored unseen and cannot be unpacked harms nobody who looks later', async () => {
  const configs = { 'min.cleanable.dirty.ratio': '0', 'segment.ms': '1000' }
  await scene.createTopic('unseen', { configs })
  const leader = await scene.leaderOf('unseen')
  const client = await RawClient.connect(leader.ports.client)
  const bomb = compressed(1, await promisify(gzip)(Buffer.alloc(512 * 1024 * 1024)))
  const place = { topic: 'unseen', partition: 0 }
  const before = leader.rssBytes()
  for (const bytes of [...unreadable.map(([, make]) => make()), bomb, good()])
    expect((await client.produce(place, bytes)).errorCode).toBe(0)
  // By time: the first batch that may hold it is unpacked, here the bomb's neighbours and the bomb.
  const listed = await client.request(apis.listOffsets, 5, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ name: 'unseen', partitions: [{ partitionIndex: 0, timestamp: nowMs }] }],
  })
  expect(listed.topics[0]?.partitions[0]).toMatchObject({ errorCode: 0, offset: 0 })
  await client.request(apis.incrementalAlterConfigs, 0, {
    validateOnly: false,
    resources: [
      {
        resourceType: 2,
        resourceName: 'unseen',
        configs: [{ name: 'cleanup.policy', configOperation: 0, value: 'compact' }],
      },
    ],
  })
  // Of later, so that it begins a segment, and what is before it may be compacted.
  const keyed = encodeBatch({
    records: [{ ...record('new', nowMs + 5_000), key: Buffer.from('k') }],
  })
  expect((await client.produce(place, keyed)).errorCode).toBe(0)
  await until('the cleaner says what it does not clean', () =>
    scene.cluster.nodes.every(node => node.logged('damaged log is not compacted').length > 0),
  )
  expect(leader.rssBytes() - before).toBeLessThan(200 * 1024 * 1024)
  client.destroy()
})

test('a gap in the sequence of a producer is refused, and its retry is answered with its offset (K38)', async () => {
  const client = await RawClient.connect(port)
  const place = { topic: 'victim', partition: 0 }
  const numbered = (baseSequence: number, producerEpoch = 0): Uint8Array =>
    encodeBatch({ records, producerId: 4711, producerEpoch, baseSequence })
  const first = await client.produce(place, numbered(0))
  expect(first.errorCode).toBe(0)
  expect(await client.produce(place, numbered(0))).toMatchObject({ baseOffset: first.baseOffset })
  for (const sequence of [1, 4, 2 ** 31 - 1]) {
    const { errorCode } = await client.produce(place, numbered(sequence))
    expect(errorCode).toBe(OUT_OF_ORDER_SEQUENCE_NUMBER)
  }
  expect(await client.produce(place, numbered(3, 1))).toMatchObject({
    errorCode: OUT_OF_ORDER_SEQUENCE_NUMBER,
  })
  expect((await client.produce(place, numbered(3))).errorCode).toBe(0)
  client.destroy()
})

test('records whose lengths lie are refused (K32)', async () => {
  const client = await RawClient.connect(port)
  const values = [0x00, 0x01, 0x7e, 0x7f, 0x80, 0xfe, 0xff]
  const outcomeOf = async (at: number, value: number): Promise<number> => {
    const batch = changed(b => (b[at] = value))
    return (await client.produce({ topic: 'victim', partition: 0 }, batch)).errorCode
  }
  // The first byte is the length of the first record; those behind it may also say something that is allowed.
  for (const value of values) {
    expect(await outcomeOf(BATCH_OVERHEAD, value)).toBe(INVALID_RECORD)
    for (let at = BATCH_OVERHEAD + 1; at < BATCH_OVERHEAD + 8; at++) {
      expect([0, INVALID_RECORD, INVALID_TIMESTAMP]).toContain(await outcomeOf(at, value))
    }
  }
  client.destroy()
})

test('half a gigabyte that was compressed to half a megabyte is refused without being unpacked (K33)', async () => {
  const client = await RawClient.connect((await scene.leaderOf('compacted')).ports.client)
  const bomb = compressed(1, await promisify(gzip)(Buffer.alloc(512 * 1024 * 1024)))
  const startMs = performance.now()
  const { errorCode } = await client.produce({ topic: 'compacted', partition: 0 }, bomb)
  expect(errorCode).toBe(MESSAGE_TOO_LARGE)
  expect(performance.now() - startMs).toBeLessThan(1_000)
  client.destroy()
})

test('a record without a key is refused by a compacted topic, and named (K40)', async () => {
  const leader = await scene.leaderOf('compacted')
  const client = await RawClient.connect(leader.ports.client)
  const batch = encodeBatch({ records: [{ ...record('a'), key: Buffer.from('k') }, record('b')] })
  const { responses } = await client.request(apis.produce, 9, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 1_000,
    topicData: [{ name: 'compacted', partitionData: [{ index: 0, records: batch }] }],
  })
  const [answer] = responses[0]?.partitionResponses ?? []
  expect(answer?.errorCode).toBe(INVALID_RECORD)
  expect(answer?.recordErrors.map(({ batchIndex }) => batchIndex)).toEqual([1])
  client.destroy()
})

test('acks of 2, an internal topic, a negative partition and a strange time-out are answered (K41, K44)', async () => {
  const client = await RawClient.connect(port)
  const outcome = async (topic: string, partition: number, acks = -1): Promise<number> =>
    (await client.produce({ topic, partition }, good(), { acks })).errorCode
  expect(await outcome('victim', 0, 2)).toBe(errorCodes.INVALID_REQUIRED_ACKS)
  expect(await outcome('victim', 0, -2)).toBe(errorCodes.INVALID_REQUIRED_ACKS)
  expect(await outcome('victim', -1)).toBe(errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
  expect(await outcome('victim', 2 ** 31 - 1)).toBe(errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
  expect(await outcome('../../etc/passwd', 0)).toBe(errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
  expect(await outcome('__cluster_metadata', 0)).not.toBe(0)
  client.destroy()
})

test('acks=0 that fails closes the connection, since there is no answer to put the error in (K22)', async () => {
  const client = await RawClient.connect(port)
  const request = requestBytes(apis.produce, 9, {
    transactionalId: null,
    acks: 0,
    timeoutMs: 1_000,
    topicData: [{ name: 'victim', partitionData: [{ index: 0, records: withInt32(COUNT, -1) }] }],
  })
  client.send(request)
  expect(await client.frame()).toBe(null)
})

test('fetches of impossible offsets and sizes are answered, and move nothing (K45, K46)', async () => {
  const client = await RawClient.connect(port)
  const fetch = async (
    change: {
      fetchOffset?: number
      maxBytes?: number
      replicaId?: number
      partition?: number
    } = {},
  ): Promise<{ errorCode: number; highWatermark: number }> => {
    const { fetchOffset = 0, maxBytes = 1_000, replicaId = -1, partition = 0 } = change
    const { responses } = await client.request(apis.fetch, 12, {
      replicaId,
      maxWaitMs: 2 ** 31 - 1,
      minBytes: -1,
      maxBytes,
      isolationLevel: 0,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [
        {
          topic: 'victim',
          partitions: [
            {
              partition,
              currentLeaderEpoch: -1,
              fetchOffset,
              lastFetchedEpoch: -1,
              logStartOffset: -1,
              partitionMaxBytes: maxBytes,
            },
          ],
        },
      ],
      forgottenTopicsData: [],
      rackId: '',
    })
    const [answer] = responses[0]?.partitions ?? []
    if (answer === undefined) throw new Error('no answer')
    return answer
  }
  const { highWatermark } = await fetch()
  for (const fetchOffset of [-1, -2, highWatermark + 1, Number.MAX_SAFE_INTEGER]) {
    expect((await fetch({ fetchOffset })).errorCode).toBe(errorCodes.OFFSET_OUT_OF_RANGE)
  }
  for (const maxBytes of [0, -1, 2 ** 31 - 1]) expect((await fetch({ maxBytes })).errorCode).toBe(0)
  for (const partition of [-1, 1, 2 ** 31 - 1]) {
    expect((await fetch({ partition })).errorCode).toBe(errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
  }
  // Who calls itself a replica must not make records count as replicated.
  for (const replicaId of [1, 2, 3, 4711]) {
    const { errorCode } = await fetch({ replicaId, fetchOffset: highWatermark })
    expect(errorCode).not.toBe(0)
  }
  expect((await fetch()).highWatermark).toBe(highWatermark)
  client.destroy()
})
