import { apis, decodeBatch, errorCodes, forEachBatch } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { TestCluster, batchOf } from './support/test-cluster.ts'

const text = (bytes: Uint8Array | null): string => new TextDecoder().decode(bytes ?? undefined)

async function produced(
  cluster: TestCluster,
  key: string,
  values: readonly string[],
): Promise<void> {
  const { id } = cluster.topic('latest')
  for (const value of values) {
    const answer = await cluster.client(1).call(apis.produce, 13, {
      transactionalId: null,
      acks: 1,
      timeoutMs: 1000,
      topicData: [
        {
          name: 'latest',
          topicId: id,
          partitionData: [{ index: 0, records: batchOf([value.padEnd(400, '.')], { key }) }],
        },
      ],
    })
    expect(answer.responses[0]?.partitionResponses[0]?.errorCode).toBe(errorCodes.NONE)
  }
}

/** One fetch; an answer holds batches of one segment. */
async function fetched(cluster: TestCluster, fetchOffset: number): Promise<Uint8Array> {
  const partition = { partition: 0, fetchOffset, partitionMaxBytes: 10_000_000 }
  const answer = await cluster.client(1).call(apis.fetch, 13, {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 10_000_000,
    isolationLevel: 0,
    topics: [{ topicId: cluster.topic('latest').id, partitions: [partition] }],
    rackId: '',
  })
  return answer.responses[0]?.partitions[0]?.records ?? new Uint8Array()
}

/** Key, offset and value of everything that a consumer from the beginning sees. */
async function consumed(cluster: TestCluster): Promise<string[]> {
  const seen: string[] = []
  let nextOffset = 0
  for (;;) {
    const records = await fetched(cluster, nextOffset)
    if (records.length === 0) return seen
    forEachBatch(records, (header, at) => {
      nextOffset = header.lastOffset + 1
      for (const { key, offset, value } of decodeBatch(records, at).records) {
        seen.push(`${text(key)}@${offset}=${text(value).replace(/\.+$/, '')}`)
      }
    })
  }
}

async function filled(properties: Readonly<Record<string, string>>): Promise<TestCluster> {
  const cluster = await TestCluster.start({
    properties: { 'log.cleaner.backoff.ms': '1000', ...properties },
  })
  await cluster.addTopic('latest')
  cluster.setTopicConfig('latest', 'cleanup.policy', 'compact')
  cluster.setTopicConfig('latest', 'segment.bytes', '1048576')
  cluster.setTopicConfig('latest', 'segment.ms', '50')
  await produced(cluster, 'a', ['1', '2', '3'])
  await produced(cluster, 'b', ['1', '2'])
  await cluster.clock.advance(600_000)
  await produced(cluster, 'c', ['1'])
  return cluster
}

test('a compacted topic keeps the last value of each key, at its offset', async () => {
  const cluster = await filled({})
  await cluster.clock.advance(10_000)
  expect(await consumed(cluster)).toEqual(['a@2=3', 'b@4=2', 'c@5=1'])
  await cluster.stop()
})

test('with log.cleaner.enable=false nothing is compacted', async () => {
  const cluster = await filled({ 'log.cleaner.enable': 'false' })
  await cluster.clock.advance(10_000)
  expect(await consumed(cluster)).toHaveLength(6)
  await cluster.stop()
})
