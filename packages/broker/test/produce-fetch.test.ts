import { concatBytes, passOn, zeroUuid } from '@trimaran/common'
import { collectGarbage } from '../../common/test/collect-garbage.ts'
import { readPrometheusText } from '@trimaran/common/testing/prometheus-text'
import type { TopicImage } from '@trimaran/metadata'
import {
  BATCH_OVERHEAD,
  apis,
  decodeBatch,
  errorCodes,
  readBatchHeader,
  renewCrc,
  type IncomingResponseOf,
  type OutgoingRequestOf,
} from '@trimaran/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CloseConnection } from '../src/index.ts'
import { requestFrame, TestConnection, type TestClient } from './support/client.ts'
import { TestCluster, batchOf, settled } from './support/test-cluster.ts'

let cluster: TestCluster
let client: TestClient
let topic: TopicImage

beforeEach(async () => {
  cluster = await TestCluster.start({ brokerCount: 3 })
  topic = await cluster.addTopic('orders', [[1, 2, 3]])
  client = cluster.client(1)
})
afterEach(() => cluster.stop())

type ProduceRequest = OutgoingRequestOf<typeof apis.produce>
type FetchRequest = OutgoingRequestOf<typeof apis.fetch>

const produceOf = (
  records: Uint8Array | null,
  options: {
    acks?: number
    name?: string
    topicId?: string
    index?: number
    transactionalId?: string
  } = {},
): ProduceRequest => ({
  transactionalId: options.transactionalId ?? null,
  acks: options.acks ?? 1,
  timeoutMs: 1000,
  topicData: [
    {
      name: options.name ?? 'orders',
      topicId: options.topicId ?? topic.id,
      partitionData: [{ index: options.index ?? 0, records }],
    },
  ],
})

const fetchOf = (
  options: Partial<FetchRequest> & {
    fetchOffset?: number
    leaderEpoch?: number
    partitionMaxBytes?: number
  } = {},
): FetchRequest => {
  const { fetchOffset, leaderEpoch, partitionMaxBytes, ...rest } = options
  return {
    replicaId: -1,
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1 << 20,
    isolationLevel: 0,
    topics: [
      {
        topic: 'orders',
        topicId: topic.id,
        partitions: [
          {
            partition: 0,
            fetchOffset: fetchOffset ?? 0,
            currentLeaderEpoch: leaderEpoch ?? -1,
            partitionMaxBytes: partitionMaxBytes ?? 1 << 20,
          },
        ],
      },
    ],
    ...rest,
  }
}

async function calledInTime<T>(answer: Promise<T>): Promise<T> {
  await cluster.clock.advance(50)
  return answer
}
const firstProduced = (answer: IncomingResponseOf<typeof apis.produce>) =>
  answer.responses[0]?.partitionResponses[0]
const firstFetched = (answer: IncomingResponseOf<typeof apis.fetch>) =>
  answer.responses[0]?.partitions[0]

function valuesIn(records: Uint8Array | null | undefined): string[] {
  const bytes = records ?? new Uint8Array(0)
  const values: string[] = []
  for (let at = 0; at < bytes.length; at += readBatchHeader(bytes, at).sizeBytes) {
    for (const record of decodeBatch(bytes, at).records) {
      values.push(new TextDecoder().decode(record.value ?? new Uint8Array(0)))
    }
  }
  return values
}

test('a request is garbage while its answer waits for the followers', async () => {
  cluster.unreachable.add(2)
  cluster.unreachable.add(3)
  await cluster.clock.advance(10)
  let answered = false
  const request = (() => {
    const frame = Uint8Array.from(
      requestFrame(apis.produce, 9, produceOf(batchOf(['a']), { acks: -1 }), 1),
    )
    void client.raw(frame).then(() => (answered = true))
    return new WeakRef(frame.buffer)
  })()
  await collectGarbage()
  expect(answered).toBe(false)
  expect(request.deref()).toBeUndefined()
})

test('a request is given back when its records are in the log, before its answer', async () => {
  const value = 'x'.repeat(200_000)
  const frame = passOn(
    Uint8Array.from(requestFrame(apis.produce, 9, produceOf(batchOf([value]), { acks: -1 }), 1)),
  )
  const answer = client.raw(frame)
  expect(frame.length).toBe(0)
  expect(await calledInTime(answer)).not.toBeNull()
  await cluster.clock.advance(1000)
  const fetched = await client.call(apis.fetch, 12, fetchOf())
  const records = firstFetched(fetched)?.records as Uint8Array
  expect(decodeBatch(records, 0).records[0]?.value?.length).toBe(value.length)
})

for (const version of [3, 5, 7, 8, 9, 12, 13]) {
  test(`what Produce v${version} stored with acks=all, every Fetch reads`, async () => {
    const answer = await calledInTime(
      client.call(apis.produce, version, produceOf(batchOf(['a', 'b']), { acks: -1 })),
    )
    expect(firstProduced(answer)).toMatchObject({ errorCode: 0, baseOffset: 0 })
    await cluster.clock.advance(1000)
    for (const fetchVersion of [4, 6, 7, 11, 12, 13, 16, 18]) {
      const read = await calledInTime(client.call(apis.fetch, fetchVersion, fetchOf()))
      expect(firstFetched(read)).toMatchObject({
        errorCode: 0,
        highWatermark: 2,
        lastStableOffset: 2,
      })
      expect(valuesIn(firstFetched(read)?.records)).toEqual(['a', 'b'])
      expect(read.sessionId).toBe(0)
    }
  })
}

test('requests of one connection are appended in their order though nobody waits', async () => {
  const answers = ['a', 'b', 'c', 'd'].map(value =>
    client.call(apis.produce, 9, produceOf(batchOf([value]), { acks: -1 })),
  )
  const offsets = (await calledInTime(Promise.all(answers))).map(
    answer => firstProduced(answer)?.baseOffset,
  )
  expect(offsets).toEqual([0, 1, 2, 3])
})

test('acks 0 has no answer, and an error closes the connection', async () => {
  expect(await client.ask(apis.produce, 9, produceOf(batchOf(['a']), { acks: 0 }))).toBeNull()
  const failing = client.ask(apis.produce, 9, produceOf(batchOf(['a']), { acks: 0, name: 'nope' }))
  await expect(failing).rejects.toBeInstanceOf(CloseConnection)
})

test('other acks than 0, 1 and all are refused', async () => {
  for (const acks of [2, -2]) {
    const answer = await client.call(apis.produce, 9, produceOf(batchOf(['a']), { acks }))
    expect(firstProduced(answer)?.errorCode).toBe(errorCodes.INVALID_REQUIRED_ACKS)
  }
})

const corrupt = (): Uint8Array => {
  const batch = batchOf(['abc'])
  batch[batch.length - 1] = (batch[batch.length - 1] ?? 0) ^ 1
  return batch
}
const refusals: readonly (readonly [string, () => ProduceRequest, number])[] = [
  ['no records', () => produceOf(null), errorCodes.INVALID_RECORD],
  ['an empty record set', () => produceOf(new Uint8Array(0)), errorCodes.INVALID_RECORD],
  ['a wrong checksum', () => produceOf(corrupt()), errorCodes.CORRUPT_MESSAGE],
  [
    'two batches',
    () => produceOf(concatBytes([batchOf(['a']), batchOf(['b'])])),
    errorCodes.INVALID_RECORD,
  ],
  ['a base offset', () => produceOf(batchOf(['a'], { baseOffset: 7 })), errorCodes.INVALID_RECORD],
  [
    'a control batch',
    () => produceOf(batchOf(['a'], { isControl: true })),
    errorCodes.INVALID_RECORD,
  ],
  [
    'more than max.message.bytes',
    () => produceOf(batchOf(['x'.repeat(2_000_000)])),
    errorCodes.MESSAGE_TOO_LARGE,
  ],
  [
    'a topic that is not there',
    () => produceOf(batchOf(['a']), { name: 'nope' }),
    errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
  ],
  [
    'a partition that is not there',
    () => produceOf(batchOf(['a']), { index: 1 }),
    errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
  ],
  [
    'a negative partition',
    () => produceOf(batchOf(['a']), { index: -1 }),
    errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
  ],
  [
    'a transactional batch without a transactional id',
    () =>
      produceOf(
        batchOf(['a'], { isTransactional: true, producerId: 1, producerEpoch: 0, baseSequence: 0 }),
      ),
    errorCodes.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
  ],
  [
    'a transactional batch',
    () =>
      produceOf(
        batchOf(['a'], { isTransactional: true, producerId: 1, producerEpoch: 0, baseSequence: 0 }),
        {
          transactionalId: 't',
        },
      ),
    errorCodes.INVALID_TXN_STATE,
  ],
]
for (const [what, request, errorCode] of refusals) {
  test(`${what} is refused and nothing is appended`, async () => {
    const answer = await client.call(apis.produce, 9, request())
    expect(firstProduced(answer)).toMatchObject({ errorCode, baseOffset: -1 })
    const read = await calledInTime(client.call(apis.fetch, 12, fetchOf()))
    expect(firstFetched(read)?.highWatermark).toBe(0)
    const text = cluster.broker(1).metrics.registry.prometheusText()
    expect(text).toContain('kafka_server_brokertopicmetrics_failedproducerequests_total 1\n')
  })
}

test('v13 finds topics by id and refuses unknown ones as such', async () => {
  const answer = await client.call(
    apis.produce,
    13,
    produceOf(batchOf(['a']), { topicId: 'nosuchtopicAAAAAAAAAAA' }),
  )
  expect(firstProduced(answer)?.errorCode).toBe(errorCodes.UNKNOWN_TOPIC_ID)
  const zero = await client.call(apis.fetch, 13, {
    ...fetchOf(),
    topics: [
      { topicId: zeroUuid, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 100 }] },
    ],
  })
  expect(firstFetched(zero)?.errorCode).toBe(errorCodes.UNKNOWN_TOPIC_ID)
})

test('internal topics are written by brokers alone', async () => {
  await cluster.addTopic('__consumer_offsets', [[1]])
  const answer = await client.call(
    apis.produce,
    9,
    produceOf(batchOf(['a'], { key: 'k' }), { name: '__consumer_offsets' }),
  )
  expect(firstProduced(answer)?.errorCode).toBe(errorCodes.INVALID_TOPIC_EXCEPTION)
})

test('records of a compacted topic need keys, and the faulty ones are listed from v8', async () => {
  cluster.setTopicConfig('orders', 'cleanup.policy', 'compact')
  const answer = await client.call(apis.produce, 8, produceOf(batchOf(['a', 'b'])))
  expect(firstProduced(answer)?.errorCode).toBe(errorCodes.INVALID_RECORD)
  expect(firstProduced(answer)?.recordErrors.map(error => error.batchIndex)).toEqual([0, 1])
  const keyed = await client.call(apis.produce, 8, produceOf(batchOf(['a'], { key: 'k' })))
  expect(firstProduced(keyed)?.errorCode).toBe(0)
})

test('timestamps out of bounds are refused', async () => {
  cluster.setTopicConfig('orders', 'message.timestamp.before.max.ms', '1000')
  await cluster.clock.advance(10_000)
  const answer = await client.call(apis.produce, 9, produceOf(batchOf(['a'])))
  expect(firstProduced(answer)?.errorCode).toBe(errorCodes.INVALID_TIMESTAMP)
})

test('a topic of LogAppendTime tells the time of the append', async () => {
  cluster.setTopicConfig('orders', 'message.timestamp.type', 'LogAppendTime')
  const answer = await client.call(apis.produce, 9, produceOf(batchOf(['a'])))
  expect(firstProduced(answer)?.logAppendTimeMs).toBe(cluster.clock.wallMs())
})

test('compression.type of the topic decides what is stored', async () => {
  cluster.setTopicConfig('orders', 'compression.type', 'gzip')
  await calledInTime(client.call(apis.produce, 9, produceOf(batchOf(['a', 'b']), { acks: -1 })))
  cluster.setTopicConfig('orders', 'compression.type', 'uncompressed')
  await calledInTime(
    client.call(apis.produce, 9, produceOf(batchOf(['c'], { compression: 'gzip' }), { acks: -1 })),
  )
  await cluster.clock.advance(1000)
  const read = firstFetched(await calledInTime(client.call(apis.fetch, 12, fetchOf())))
  expect(valuesIn(read?.records)).toEqual(['a', 'b', 'c'])
  const first = readBatchHeader(read?.records ?? new Uint8Array(0), 0)
  expect(first.compression).toBe('gzip')
  expect(readBatchHeader(read?.records ?? new Uint8Array(0), first.sizeBytes).compression).toBe(
    'none',
  )
})

test('compressed batches are looked into where a topic or the broker wants it', async () => {
  const broken = (): Uint8Array => {
    const bytes = batchOf(['a'], { compression: 'gzip' })
    bytes.fill(0xee, BATCH_OVERHEAD)
    renewCrc(bytes, 0, bytes.length)
    return bytes
  }
  const outcome = async (target: TestClient): Promise<number | undefined> =>
    firstProduced(await target.call(apis.produce, 9, produceOf(broken())))?.errorCode
  expect(await outcome(client)).toBe(errorCodes.NONE)
  for (const [name, value] of [
    ['cleanup.policy', 'compact'],
    ['compression.type', 'lz4'],
  ] as const) {
    cluster.setTopicConfig('orders', name, value)
    expect(await outcome(client)).toBe(errorCodes.INVALID_RECORD)
    cluster.setTopicConfig('orders', name, name === 'cleanup.policy' ? 'delete' : 'producer')
    expect(await outcome(client)).toBe(errorCodes.NONE)
  }
  const strict = await TestCluster.start({ properties: { 'compressed.batches.inspect': 'true' } })
  await strict.addTopic('orders', [[1]])
  expect(await outcome(strict.client(1))).toBe(errorCodes.INVALID_RECORD)
  await strict.stop()
})

test('an idempotent producer that repeats itself gets the first offset again', async () => {
  const batch = () => batchOf(['a'], { producerId: 9, producerEpoch: 0, baseSequence: 0 })
  const first = await client.call(apis.produce, 9, produceOf(batch()))
  const again = await client.call(apis.produce, 9, produceOf(batch()))
  expect([firstProduced(first)?.baseOffset, firstProduced(again)?.baseOffset]).toEqual([0, 0])
  const gap = await client.call(
    apis.produce,
    9,
    produceOf(batchOf(['b'], { producerId: 9, producerEpoch: 0, baseSequence: 5 })),
  )
  expect(firstProduced(gap)?.errorCode).toBe(errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER)
})

test('who asks a follower is told the leader and where it is (KIP-951)', async () => {
  const follower = cluster.client(2, 'OUTSIDE')
  const produced = await follower.call(apis.produce, 10, produceOf(batchOf(['a'])))
  expect(firstProduced(produced)).toMatchObject({
    errorCode: errorCodes.NOT_LEADER_OR_FOLLOWER,
    currentLeader: { leaderId: 1, leaderEpoch: 0 },
  })
  expect(produced.nodeEndpoints).toEqual([
    { nodeId: 1, host: 'outside1', port: 19_092, rack: null },
  ])
  cluster.controller.commit([
    { kind: 'partitionChange', topicId: topic.id, partition: 0, leader: 3 },
  ])
  const moved = await client.call(apis.fetch, 16, fetchOf({ leaderEpoch: 0 }))
  expect(firstFetched(moved)?.currentLeader).toEqual({ leaderId: 3, leaderEpoch: 1 })
  expect(moved.nodeEndpoints.map(node => node.nodeId)).toEqual([3])
})

test('a broker without a replica sends clients to the leader', async () => {
  const elsewhere = await cluster.addTopic('elsewhere', [[2]])
  const answer = await client.call(
    apis.produce,
    12,
    produceOf(batchOf(['a']), { name: 'elsewhere', topicId: elsewhere.id }),
  )
  expect(firstProduced(answer)).toMatchObject({
    errorCode: errorCodes.NOT_LEADER_OR_FOLLOWER,
    currentLeader: { leaderId: 2, leaderEpoch: 0 },
  })
})

test('acks=all is refused while too few replicas are in sync', async () => {
  cluster.setTopicConfig('orders', 'min.insync.replicas', '2')
  cluster.controller.commit([
    { kind: 'partitionChange', topicId: topic.id, partition: 0, isr: [1] },
  ])
  const answer = await client.call(apis.produce, 9, produceOf(batchOf(['a']), { acks: -1 }))
  expect(firstProduced(answer)?.errorCode).toBe(errorCodes.NOT_ENOUGH_REPLICAS)
})

test('a fetch waits for data and is answered as soon as there is some', async () => {
  let done = false
  const waiting = client.call(apis.fetch, 12, fetchOf({ maxWaitMs: 30_000 })).then(answer => {
    done = true
    return answer
  })
  await cluster.clock.advance(5000)
  expect(done).toBe(false)
  await calledInTime(
    cluster.client(1).call(apis.produce, 9, produceOf(batchOf(['a']), { acks: -1 })),
  )
  await settled()
  expect(done).toBe(true)
  expect(valuesIn(firstFetched(await waiting)?.records)).toEqual(['a'])
})

test('a fetch that waits in vain is answered empty after maxWaitMs', async () => {
  const waiting = client.call(apis.fetch, 12, fetchOf({ maxWaitMs: 500 }))
  await cluster.clock.advance(500)
  expect(firstFetched(await waiting)).toMatchObject({ errorCode: 0, highWatermark: 0 })
})

test('a connection that closes lets go of its parked fetch', async () => {
  const waiting = client.call(apis.fetch, 12, fetchOf({ maxWaitMs: 300_000 }))
  await settled()
  client.connection.close()
  await settled()
  expect(cluster.broker(1).status().replication.parkedFetches).toBe(0)
  await waiting
})

test('offsets outside the log are out of range, and leader epochs are checked', async () => {
  for (const fetchOffset of [-1, 1, 1_000_000]) {
    const answer = await client.call(apis.fetch, 12, fetchOf({ fetchOffset }))
    expect(firstFetched(answer)?.errorCode).toBe(errorCodes.OFFSET_OUT_OF_RANGE)
  }
  const unknown = await client.call(apis.fetch, 12, fetchOf({ leaderEpoch: 5 }))
  expect(firstFetched(unknown)?.errorCode).toBe(errorCodes.UNKNOWN_LEADER_EPOCH)
})

test('the first batch is whole however little was asked for', async () => {
  await calledInTime(
    client.call(apis.produce, 9, produceOf(batchOf(['x'.repeat(1000)]), { acks: -1 })),
  )
  await cluster.clock.advance(1000)
  const answer = await calledInTime(
    client.call(apis.fetch, 12, fetchOf({ maxBytes: 1, partitionMaxBytes: 1 })),
  )
  expect(valuesIn(firstFetched(answer)?.records)).toHaveLength(1)
  const nothing = await calledInTime(
    client.call(apis.fetch, 12, fetchOf({ maxBytes: -1, minBytes: -5, maxWaitMs: -7 })),
  )
  expect(firstFetched(nothing)?.errorCode).toBe(0)
})

test('fetch.max.bytes caps what one answer holds', async () => {
  const small = await TestCluster.start({ properties: { 'fetch.max.bytes': '5000' } })
  const bulk = await small.addTopic('orders', [[1]])
  const asking = small.client()
  for (let at = 0; at < 10; at++) {
    await asking.call(apis.produce, 9, produceOf(batchOf(['x'.repeat(1000)])))
  }
  const answer = await asking.call(apis.fetch, 12, fetchOf({ maxBytes: 1 << 30 }))
  expect(bulk.name).toBe('orders')
  expect(valuesIn(firstFetched(answer)?.records).length).toBeLessThan(5)
  await small.stop()
})

test('no answer is so large that reading it keeps everybody else waiting', async () => {
  const large = await TestCluster.start({})
  await large.addTopic('orders', [[1]])
  const asking = large.client()
  for (let at = 0; at < 6; at++)
    await asking.call(apis.produce, 9, produceOf(batchOf(['x'.repeat(900_000)])))
  const wanted = { maxBytes: 1_000_000_000, partitionMaxBytes: 1_000_000_000 }
  const first = firstFetched(await asking.call(apis.fetch, 12, fetchOf(wanted)))
  expect(first?.records?.length).toBeLessThanOrEqual(4 * 1024 * 1024)
  expect(valuesIn(first?.records).length).toBe(4)
  const rest = firstFetched(
    await asking.call(apis.fetch, 12, fetchOf({ ...wanted, fetchOffset: 4 })),
  )
  expect(valuesIn(rest?.records).length).toBe(2)
  await large.stop()
})

test('a small answer keeps no large buffer alive while it waits for its client', async () => {
  const small = await TestCluster.start({})
  await small.addTopic('orders', [[1]])
  const asking = small.client()
  for (let at = 0; at < 30; at++)
    await asking.call(apis.produce, 9, produceOf(batchOf(['x'.repeat(5000)])))
  const request = fetchOf({ fetchOffset: 7, maxBytes: 1, partitionMaxBytes: 1 })
  const parts = await asking.raw(requestFrame(apis.fetch, 12, request, 99))
  const records = parts?.find(part => part.length > 5000)
  expect(records?.buffer.byteLength).toBeLessThan(20_000)
  await small.stop()
})

test('a fetch in a session that was never made is told so', async () => {
  for (const [sessionId, sessionEpoch] of [
    [0, 1],
    [77, 3],
  ] as const) {
    const answer = await client.call(apis.fetch, 12, fetchOf({ sessionId, sessionEpoch }))
    expect(answer.errorCode).toBe(errorCodes.FETCH_SESSION_ID_NOT_FOUND)
  }
  const fresh = await client.call(apis.fetch, 12, fetchOf({ sessionId: 77, sessionEpoch: 0 }))
  expect(fresh.errorCode).toBe(0)
})

test('a client cannot pass for a replica', async () => {
  await calledInTime(client.call(apis.produce, 9, produceOf(batchOf(['a']))))
  const old = await client.call(apis.fetch, 11, fetchOf({ replicaId: 2 }))
  expect(firstFetched(old)?.errorCode).toBe(errorCodes.TOPIC_AUTHORIZATION_FAILED)
  const newer = await client.call(
    apis.fetch,
    17,
    fetchOf({ replicaState: { replicaId: 2, replicaEpoch: 1 } }),
  )
  expect(firstFetched(newer)?.errorCode).toBe(errorCodes.TOPIC_AUTHORIZATION_FAILED)
})

test('consumers of v11 and later may read from followers, older ones may not', async () => {
  await calledInTime(client.call(apis.produce, 9, produceOf(batchOf(['a']), { acks: -1 })))
  await cluster.clock.advance(2000)
  const follower = cluster.client(2)
  const newer = await calledInTime(follower.call(apis.fetch, 11, fetchOf()))
  expect(valuesIn(firstFetched(newer)?.records)).toEqual(['a'])
  const older = await calledInTime(follower.call(apis.fetch, 10, fetchOf()))
  expect(firstFetched(older)?.errorCode).toBe(errorCodes.NOT_LEADER_OR_FOLLOWER)
})

test('bytes and messages in and out are counted per topic and in all', async () => {
  const batch = batchOf(['a', 'b'])
  const sizeBytes = batch.length
  await calledInTime(client.call(apis.produce, 9, produceOf(batch, { acks: -1 })))
  await cluster.clock.advance(1000)
  await calledInTime(client.call(apis.fetch, 12, fetchOf()))
  const text = cluster.broker(1).metrics.registry.prometheusText()
  for (const line of [
    'kafka_server_brokertopicmetrics_messagesin_total{topic="orders"} 2',
    'kafka_server_brokertopicmetrics_messagesin_total 2',
    `kafka_server_brokertopicmetrics_bytesin_total{topic="orders"} ${sizeBytes}`,
    `kafka_server_brokertopicmetrics_bytesout_total ${sizeBytes}`,
  ]) {
    expect(text).toContain(`${line}\n`)
  }
})

test('histograms tell how large batches and answers are, and how long replication takes', async () => {
  const batch = batchOf(['a', 'b', 'c'])
  cluster.unreachable.add(1)
  await cluster.clock.advance(1000)
  const request = { ...produceOf(batch, { acks: -1 }), timeoutMs: 10_000 }
  const answer = client.call(apis.produce, 9, request)
  await cluster.clock.advance(400)
  cluster.unreachable.clear()
  await cluster.clock.advance(5000)
  await answer
  await client.call(apis.produce, 9, produceOf(batchOf(['d']), { acks: 1 }))
  await cluster.clock.advance(1000)
  const fetched = await calledInTime(client.call(apis.fetch, 12, fetchOf()))
  const { replication, consumerFetchBytes, registry } = cluster.broker(1).metrics
  const { batchBytes, batchRecords, appendTime, replicationTime } = replication
  expect([batchBytes.count, batchRecords.count, appendTime.count]).toEqual([2, 2, 2])
  expect(batchRecords.sum).toBe(4)
  expect(batchBytes.sum).toBe(batch.length + batchOf(['d']).length)
  // Only one waited for its followers.
  expect(replicationTime.count).toBe(1)
  expect(replicationTime.sum).toBeGreaterThan(400)
  expect(replicationTime.sum).toBeLessThan(3000)
  expect(consumerFetchBytes.sum).toBe(firstFetched(fetched)?.records?.length)
  // Two followers, all of the log each.
  expect(replication.followerFetchBytes.sum).toBe(2 * batchBytes.sum)
  expect(replication.bytesOut.value).toBe(2 * batchBytes.sum)
  const families = readPrometheusText(registry.prometheusText())
  const waits = families.get('kafka_network_requestmetrics_remotetimems')
  expect(waits?.samples.at(-1)).toMatchObject({ value: 1 })
})

test('a produce that was not replicated in time is no measurement of replication', async () => {
  cluster.unreachable.add(1)
  const answer = client.call(apis.produce, 9, produceOf(batchOf(['a']), { acks: -1 }))
  await cluster.clock.advance(1500)
  expect(firstProduced(await answer)?.errorCode).toBe(errorCodes.REQUEST_TIMED_OUT)
  expect(cluster.broker(1).metrics.replication.replicationTime.count).toBe(0)
})

test('how long a request waited for its turn is counted where the listener says since when', async () => {
  const nowMs = cluster.clock.monotonicMs()
  const connection = Object.assign(new TestConnection(), { requestSinceMs: nowMs - 40 })
  const request = { clientSoftwareName: 'a', clientSoftwareVersion: '1' }
  await cluster.broker(1).handle(connection, requestFrame(apis.apiVersions, 3, request, 7))
  const { queueTime } = cluster.broker(1).metrics.ofApi(apis.apiVersions.key, 'ApiVersions')
  expect([queueTime.count, queueTime.sum]).toEqual([1, 40])
})
