import type { TopicImage } from '@trimaran/metadata'
import { apis, errorCodes } from '@trimaran/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { TestClient } from './support/client.ts'
import { TestCluster, batchOf } from './support/test-cluster.ts'

let cluster: TestCluster
let client: TestClient
let topic: TopicImage

beforeEach(async () => {
  cluster = await TestCluster.start()
  topic = await cluster.addTopic('orders', [[1]])
  client = cluster.client()
  for (const value of ['a', 'b', 'c']) {
    await client.call(apis.produce, 9, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: 'orders', partitionData: [{ index: 0, records: batchOf([value]) }] }],
    })
  }
})
afterEach(() => cluster.stop())

async function offsetAt(version: number, timestamp: number, partitionIndex = 0, name = 'orders') {
  const answer = await client.call(apis.listOffsets, version, {
    replicaId: -1,
    topics: [{ name, partitions: [{ partitionIndex, timestamp }] }],
  })
  return answer.topics[0]?.partitions[0]
}

test('latest and earliest are the ends of the log in every version', async () => {
  for (let version = 1; version <= 11; version++) {
    expect(await offsetAt(version, -1)).toMatchObject({ errorCode: 0, offset: 3 })
    expect(await offsetAt(version, -2)).toMatchObject({ errorCode: 0, offset: 0 })
  }
})

test('special timestamps are known from their version on', async () => {
  for (const [timestamp, since] of [
    [-3, 7],
    [-4, 8],
    [-5, 9],
    [-6, 11],
  ] as const) {
    expect((await offsetAt(since - 1, timestamp))?.errorCode).toBe(errorCodes.UNSUPPORTED_VERSION)
    expect((await offsetAt(since, timestamp))?.errorCode).toBe(0)
  }
  expect((await offsetAt(11, -7))?.errorCode).toBe(errorCodes.UNSUPPORTED_VERSION)
})

test('a timestamp finds the first record at or after it, or none', async () => {
  expect(await offsetAt(5, 1_700_000_001_000)).toMatchObject({
    errorCode: 0,
    offset: 0,
    timestamp: 1_700_000_001_000,
  })
  expect(await offsetAt(5, 1_700_000_001_001)).toMatchObject({
    errorCode: 0,
    offset: -1,
    timestamp: -1,
  })
})

test('what is not there is told per partition, and what is asked twice is refused', async () => {
  expect((await offsetAt(5, -1, 7))?.errorCode).toBe(errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
  expect((await offsetAt(5, -1, 0, 'nope'))?.errorCode).toBe(errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
  const partition = { partitionIndex: 0, timestamp: -1 }
  const twice = await client.call(apis.listOffsets, 5, {
    replicaId: -1,
    topics: [{ name: 'orders', partitions: [partition, partition] }],
  })
  expect(twice.topics[0]?.partitions.map(p => p.errorCode)).toEqual([
    errorCodes.INVALID_REQUEST,
    errorCodes.INVALID_REQUEST,
  ])
})

test('the end of a leader epoch is told to who asks, with its own epoch checked', async () => {
  cluster.controller.commit([
    { kind: 'partitionChange', topicId: topic.id, partition: 0, leader: -1 },
  ])
  cluster.controller.commit([
    { kind: 'partitionChange', topicId: topic.id, partition: 0, leader: 1 },
  ])
  const ask = async (leaderEpoch: number, currentLeaderEpoch = -1, partition = 0) => {
    const answer = await client.call(apis.offsetForLeaderEpoch, 4, {
      topics: [{ topic: 'orders', partitions: [{ partition, currentLeaderEpoch, leaderEpoch }] }],
    })
    return answer.topics[0]?.partitions[0]
  }
  expect(await ask(0)).toMatchObject({ errorCode: 0, leaderEpoch: 0, endOffset: 3 })
  expect(await ask(2_147_483_647)).toMatchObject({ errorCode: 0, leaderEpoch: -1, endOffset: -1 })
  expect((await ask(0, 0))?.errorCode).toBe(errorCodes.FENCED_LEADER_EPOCH)
  expect((await ask(0, 9))?.errorCode).toBe(errorCodes.UNKNOWN_LEADER_EPOCH)
  expect((await ask(0, -1, 5))?.errorCode).toBe(errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
})

test('DeleteRecords moves the log start and refuses what it cannot', async () => {
  const remove = async (offset: number, name = 'orders') => {
    const answered = client.call(apis.deleteRecords, 2, {
      topics: [{ name, partitions: [{ partitionIndex: 0, offset }] }],
      timeoutMs: 1000,
    })
    await cluster.clock.advance(1500)
    return (await answered).topics[0]?.partitions[0]
  }
  expect(await remove(2)).toMatchObject({ errorCode: 0, lowWatermark: 2 })
  expect(await offsetAt(5, -2)).toMatchObject({ offset: 2 })
  expect((await remove(100))?.errorCode).toBe(errorCodes.OFFSET_OUT_OF_RANGE)
  expect((await remove(0, 'nope'))?.errorCode).toBe(errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
  await cluster.addTopic('__consumer_offsets', [[1]])
  expect((await remove(-1, '__consumer_offsets'))?.errorCode).toBe(
    errorCodes.INVALID_TOPIC_EXCEPTION,
  )
})

test('DescribeLogDirs shows replicas with their sizes, all or those asked for', async () => {
  await cluster.addTopic('payments', [[1], [1]])
  const all = await client.call(apis.describeLogDirs, 5, { topics: null })
  expect(all.results).toHaveLength(1)
  expect(all.results[0]).toMatchObject({ errorCode: 0, logDir: '/data/1', isCordoned: false })
  const sizes = new Map(
    all.results[0]?.topics.map(t => [t.name, t.partitions.map(p => p.partitionSize)]),
  )
  expect(sizes.get('orders')?.[0]).toBeGreaterThan(0)
  expect(sizes.get('payments')).toEqual([0, 0])
  const topics = [
    { topic: 'payments', partitions: [1, 1, 9] },
    { topic: 'nope', partitions: [0] },
  ]
  const some = await client.call(apis.describeLogDirs, 1, { topics })
  expect(
    some.results[0]?.topics.map(t => [t.name, t.partitions.map(p => p.partitionIndex)]),
  ).toEqual([['payments', [1]]])
})

test('producer ids are handed out with epoch 0, transactional ids refused', async () => {
  const ask = (transactionalId: string | null) =>
    client.call(apis.initProducerId, 4, {
      transactionalId,
      transactionTimeoutMs: 1000,
      producerId: 5,
      producerEpoch: 3,
    })
  const first = await ask(null)
  const second = await ask(null)
  expect(first).toMatchObject({ errorCode: 0, producerEpoch: 0 })
  expect(second.producerId).not.toBe(first.producerId)
  expect((await ask('')).errorCode).toBe(errorCodes.INVALID_REQUEST)
  expect((await ask('t')).errorCode).toBe(errorCodes.UNSUPPORTED_VERSION)
})
