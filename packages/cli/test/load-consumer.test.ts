import { startCluster, type Cluster } from '@trimaran/server'
import { apis } from '@trimaran/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { earliest, listOffsets } from '../src/client/reader.ts'
import { FetchParser, type FetchPosition } from '../src/perf/fetch-format.ts'
import { LoadCluster } from '../src/perf/load-cluster.ts'
import { LoadConsumer, type ConsumerHost } from '../src/perf/load-consumer.ts'
import { runProduce } from '../src/perf/index.ts'

const version = 12
const topic = 'orders'
let cluster: Cluster
let load: LoadCluster

beforeAll(async () => {
  cluster = await startCluster({ nodes: 1 })
  const { bootstrapServers } = cluster
  await cluster.createTopic({ name: topic, partitions: 1 })
  await runProduce({ bootstrapServers, topic, recordSizeBytes: 100, numRecords: 1000 })
  load = new LoadCluster({ bootstrapServers, clientId: 'reader' })
  await load.open([topic])
  const leader = await load.client.broker(load.layout(topic).leaders.get(0) ?? -1)
  const partitions = [{ partitionIndex: 0, offset: 900 }]
  await leader.request(apis.deleteRecords, {
    topics: [{ name: topic, partitions }],
    timeoutMs: 5_000,
  })
})
afterAll(async () => {
  await load.client.close()
  await cluster.stop()
})

/** Reads from offset 0, of which nothing is left: until the last record, or until it fails. */
async function readFromZero(host: Partial<ConsumerHost>) {
  const position: FetchPosition = {
    ...{ topic: load.topic(topic), partition: 0, nextOffset: 0, highWatermark: -1 },
  }
  const troubles: string[] = []
  let records = 0
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const limits = { maxWaitMs: 100, minBytes: 1, maxBytes: 1e6, partitionMaxBytes: 1e6 }
  const consumer = new LoadConsumer(
    { version, clientId: 'reader', ...limits },
    {
      layout: name => load.layout(name),
      refresh: () => load.refresh(),
      onFatal: reject,
      onRead: count => {
        records += count
        if (position.nextOffset === 1000) resolve()
      },
      onThrottled: () => {},
      onTrouble: name => troubles.push(name),
      reader: events => new FetchParser(version, events),
      ...host,
    },
    [position],
  )
  await consumer.open()
  consumer.start()
  await promise.finally(() => consumer.close())
  return { records, troubles }
}

test('a reader whose next record is deleted reads on where it is told to', async () => {
  const resetOffset = async (): Promise<number> =>
    (await listOffsets(load.client, topic, [0], earliest)).get(0) ?? -1
  const { records, troubles } = await readFromZero({ resetOffset })
  expect(records).toBe(100)
  expect(troubles).toEqual(['OFFSET_OUT_OF_RANGE'])
})

test('a reader that is not told where to read on fails, and says where it was', async () => {
  await expect(readFromZero({})).rejects.toThrow('orders-0, offset 0: OFFSET_OUT_OF_RANGE')
})
