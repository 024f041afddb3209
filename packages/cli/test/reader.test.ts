import { expect, test } from 'vitest'
import { startCluster } from '@trimaran/server'
import { ClusterClient, PartitionReader, Producer } from '../src/client/index.ts'

test('partitions that have a leader are read while another one of the topic has none', async () => {
  await using cluster = await startCluster({ nodes: 3 })
  await cluster.createTopic({ name: 'orders', partitions: 3, replicationFactor: 1 })
  const client = new ClusterClient({ bootstrapServers: cluster.bootstrapServers })
  const producer = new Producer(client, { topic: 'orders', acks: -1 })
  await producer.open()
  for (const partition of [0, 1, 2]) {
    await producer.send({ key: null, value: Buffer.from(`in ${partition}`) }, partition)
  }
  await producer.flush()
  await cluster.kill(cluster.leaderOf('orders', 2) as number)
  const reader = new PartitionReader(client, { readCommitted: false })
  reader.assign(
    [0, 1, 2].map(partition => ({ topic: 'orders', partition, nextOffset: 0, highWatermark: -1 })),
  )
  const seen = new Set<string>()
  while (seen.size < 2) {
    for (const { value } of await reader.poll()) seen.add(Buffer.from(value ?? []).toString())
  }
  expect([...seen].toSorted()).toEqual(['in 0', 'in 1'])
  await client.close()
})
