import { expect, test } from 'vitest'
import type { NodeId } from '@trimaran/common'
import {
  apis,
  codecsOf,
  decodeResponse,
  encodeBatch,
  encodeResponse,
  errorCodes,
  inVersions,
  Reader,
  responseReader,
  versionRange,
  Writer,
} from '@trimaran/protocol'
import type { Field, Struct } from '@trimaran/protocol'
import { emptyImage } from '@trimaran/metadata'
import { failingApis } from '../src/cluster/failing-answers.ts'
import { clientOf, leaderClient, start } from './support/clusters.ts'

const { NOT_LEADER_OR_FOLLOWER, REQUEST_TIMED_OUT, UNKNOWN_TOPIC_OR_PARTITION } = errorCodes

const oneRecord = encodeBatch({
  records: [{ key: null, value: Buffer.from('x'), headers: [], timestampMs: 1 }],
})

test('the next two produces fail with the error, nothing is stored of them, and then all is well', async () => {
  const cluster = await start()
  await cluster.createTopic({ name: 'orders', partitions: 1 })
  const client = leaderClient(cluster, 'orders', 0)
  const failure = cluster.failNext({ api: 'produce', error: 'NOT_LEADER_OR_FOLLOWER', times: 2 })
  expect(failure.left).toBe(2)
  const codes = []
  for (const value of ['one', 'two', 'three'])
    codes.push((await client.produce('orders', 0, value)).errorCode)
  expect(codes).toEqual([NOT_LEADER_OR_FOLLOWER, NOT_LEADER_OR_FOLLOWER, 0])
  expect(failure.left).toBe(0)
  expect((await client.consume('orders', 0)).values).toEqual(['three'])
})

test('only the topic fails that is named; the rest of the same request is carried out', async () => {
  const cluster = await start({ nodes: 1 })
  for (const name of ['orders', 'payments']) await cluster.createTopic({ name, partitions: 1 })
  const client = clientOf(cluster, 1)
  cluster.failNext({ api: 'produce', error: REQUEST_TIMED_OUT, topic: 'orders' })
  const partitionData = [{ index: 0, records: oneRecord }]
  const { responses } = await client.request(apis.produce, 9, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 5_000,
    topicData: ['orders', 'payments'].map(name => ({ name, partitionData })),
  })
  const told = responses.map(({ name, partitionResponses: [only] }) => [name, only?.errorCode])
  expect(Object.fromEntries(told)).toEqual({ orders: REQUEST_TIMED_OUT, payments: 0 })
  expect((await client.consume('orders', 0)).values).toEqual([])
  expect((await client.consume('payments', 0)).values).toEqual(['x'])
})

test('a topic that a request names by its id only is known by its name', async () => {
  const cluster = await start({ nodes: 1 })
  for (const name of ['orders', 'payments']) await cluster.createTopic({ name, partitions: 1 })
  const { topicsByName } = cluster.node(1).image
  const ids = ['orders', 'payments'].map(name => topicsByName.get(name)?.id ?? '')
  cluster.failNext({ api: 'produce', error: REQUEST_TIMED_OUT, topic: 'payments' })
  const { responses } = await clientOf(cluster, 1).request(apis.produce, 13, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 5_000,
    topicData: ids.map(topicId => ({
      topicId,
      partitionData: [{ index: 0, records: oneRecord }],
    })),
  })
  const told = responses.map(({ topicId, partitionResponses: [only] }) => [
    topicId,
    only?.errorCode,
  ])
  expect(told).toEqual([
    [ids[0], 0],
    [ids[1], REQUEST_TIMED_OUT],
  ])
})

test('only the node fails that is named, and not after it was cancelled', async () => {
  const cluster = await start()
  await cluster.createTopic({ name: 'orders', partitions: 3 })
  const leaders = [0, 1, 2].map(partition => cluster.leaderOf('orders', partition) as NodeId)
  const failure = cluster.failNext({
    api: 'produce',
    error: 'KAFKA_STORAGE_ERROR',
    nodeId: leaders[1] as NodeId,
    times: 100,
  })
  const codes = async (): Promise<number[]> => {
    const answers = []
    for (const at of [0, 1, 2])
      answers.push(await clientOf(cluster, leaders[at] as NodeId).produce('orders', at, 'x'))
    return answers.map(({ errorCode }) => errorCode)
  }
  expect(await codes()).toEqual([0, errorCodes.KAFKA_STORAGE_ERROR, 0])
  expect(failure.left).toBe(99)
  failure.cancel()
  expect(await codes()).toEqual([0, 0, 0])
})

test('metadata fails by topic, with the brokers as they are', async () => {
  const cluster = await start()
  for (const name of ['orders', 'payments']) await cluster.createTopic({ name, partitions: 1 })
  const client = clientOf(cluster, 1)
  const error = 'UNKNOWN_TOPIC_OR_PARTITION'
  cluster.failNext({ api: 'metadata', error, topic: 'orders' })
  const { brokers, topics } = await client.metadata()
  expect(brokers).toHaveLength(3)
  expect(topics.map(({ name, errorCode }) => [name, errorCode]).toSorted()).toEqual([
    ['orders', UNKNOWN_TOPIC_OR_PARTITION],
    ['payments', 0],
  ])
  cluster.failNext({ api: 'metadata', error })
  const all = (await client.metadata()).topics.map(({ errorCode }) => errorCode)
  expect(all).toEqual([UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_OR_PARTITION])
})

test('a consumer is told the error for its partitions, and reads on when it asks again', async () => {
  const cluster = await start({ nodes: 1 })
  await cluster.createTopic({ name: 'orders', partitions: 1 })
  const client = clientOf(cluster, 1)
  await client.produce('orders', 0, 'one')
  cluster.failNext({ api: 'fetch', error: 'OFFSET_OUT_OF_RANGE', topic: 'payments' })
  cluster.failNext({ api: 'fetch', error: 'OFFSET_NOT_AVAILABLE', topic: 'orders' })
  expect(await client.consume('orders', 0)).toMatchObject({
    errorCode: errorCodes.OFFSET_NOT_AVAILABLE,
    values: [],
    highWatermark: -1,
  })
  expect(await client.consume('orders', 0)).toMatchObject({ errorCode: 0, values: ['one'] })
})

test('a produce that wants no answer ends its connection, as with Kafka', async () => {
  const cluster = await start({ nodes: 1 })
  await cluster.createTopic({ name: 'orders', partitions: 1 })
  const client = clientOf(cluster, 1)
  cluster.failNext({ api: apis.produce.key, error: 'NOT_LEADER_OR_FOLLOWER' })
  const noAnswer = client.request(apis.produce, 9, {
    transactionalId: null,
    acks: 0,
    timeoutMs: 5_000,
    topicData: [{ name: 'orders', partitionData: [{ index: 0, records: oneRecord }] }],
  })
  await expect(noAnswer).rejects.toThrow('connection closed')
})

test('what no request can be answered with is refused at the call', async () => {
  const cluster = await start({ nodes: 1 })
  const error = 'REQUEST_TIMED_OUT'
  const bad: [Parameters<typeof cluster.failNext>[0], string][] = [
    [{ api: 'producer' as never, error }, 'there is no api producer; the apis are produce, fetch'],
    [{ api: 999, error }, 'there is no api 999'],
    [{ api: 'produce', error: 'OUT_OF_COFFEE' as never }, 'OUT_OF_COFFEE is none of Kafka'],
    [{ api: 'produce', error: 0 }, '0 is none of Kafka'],
    [{ api: 'produce', error: 4711 }, '4711 is none of Kafka'],
    [{ api: 'produce', error, times: 0 }, 'times: 0 is no number of requests'],
    [{ api: 'heartbeat', error, topic: 'orders' }, 'Heartbeat fails as a whole, not by topic'],
    [{ api: 'produce', error, nodeId: 7 }, 'there is no node 7'],
  ]
  for (const [options, text] of bad) expect(() => cluster.failNext(options)).toThrow(text)
})

/** A request with two of everything. */
function sample(fields: Struct, seed: { next: number }): Record<string, unknown> {
  const one = ({ wire, facts }: Field): unknown => {
    if (typeof wire === 'object' && 'array' in wire) return [one(wire.array), one(wire.array)]
    if (typeof wire === 'object') return sample(wire.struct, seed)
    if (wire === 'string') return `text ${seed.next++}`
    if (wire === 'boolean') return false
    if (wire === 'uuid' || wire === 'bytes' || wire === 'records') return facts.fallback
    return seed.next++
  }
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, one(field)]))
}

/** Every `errorCode` in a decoded answer that is on the wire in this version. */
function codesIn(fields: Struct, value: Record<string, unknown>, version: number): number[] {
  return Object.entries(fields).flatMap(([name, { wire, facts }]) => {
    if (facts.since !== undefined && !inVersions(facts.since, version)) return []
    const own = value[name]
    if (name === 'errorCode') return [own as number]
    if (typeof wire !== 'object' || !('array' in wire) || own === null) return []
    const of = wire.array.wire
    if (typeof of !== 'object' || !('struct' in of)) return []
    return (own as Record<string, unknown>[]).flatMap(item => codesIn(of.struct, item, version))
  })
}

test.for(Object.values(apis).map(api => [api.name, api] as const))(
  'a failed %s is a valid answer with the error in it, in every version',
  ([, api]) => {
    const failing = failingApis.get(api.key)
    expect(failing).toBeDefined()
    const { min, max } = versionRange(api.versions)
    for (let version = min; version <= max; version++) {
      const writer = new Writer()
      const codec = codecsOf(api as never).request(version)
      codec.encode(writer, sample(api.request, { next: 1 }) as never)
      const frame = writer.finishOne()
      const request = codec.decode(new Reader(frame))
      const body = failing?.answer(request as never, UNKNOWN_TOPIC_OR_PARTITION, emptyImage)
      const answer = Buffer.concat(encodeResponse(api as never, version, 7, body as never))
      const decoded = decodeResponse(api as never, version, responseReader(answer.subarray(4)))
      expect(decoded.correlationId).toBe(7)
      const codes = codesIn(api.response, decoded.body as Record<string, unknown>, version)
      const failed = codes.filter(code => code === UNKNOWN_TOPIC_OR_PARTITION)
      // Two of everything: where topics and partitions have errors, each of the four has it.
      const { topics } = failing ?? {}
      const isPerPartition = [0, 1, 2, 8, 21, 23].includes(api.key)
      expect(failed.length).toBeGreaterThanOrEqual(isPerPartition ? 4 : topics === null ? 1 : 2)
    }
  },
)
