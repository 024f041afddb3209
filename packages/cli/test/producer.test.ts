import { startCluster } from '@trimaran/server'
import { expect, test } from 'vitest'
import { ClusterClient, Producer, type Delivery } from '../src/client/index.ts'

const text = (value: string) => ({ key: null, value: Buffer.from(value) })

test('what follows a batch of unknown outcome is stored, too, and not taken for its repetition', async () => {
  await using cluster = await startCluster({ nodes: 3 })
  await cluster.createTopic({ name: 'orders', partitions: 1, replicationFactor: 3 })
  const leader = cluster.leaderOf('orders', 0)
  const followers = cluster.nodeIds.filter(nodeId => nodeId !== leader)
  const client = new ClusterClient({ bootstrapServers: cluster.bootstrapServers })
  const deliveries: Delivery[] = []
  const producer = new Producer(client, {
    topic: 'orders',
    acks: -1,
    requestTimeoutMs: 100,
    deliveryTimeoutMs: 200,
    onDelivery: delivery => deliveries.push(delivery),
  })
  await producer.open()
  await producer.send(text('first'))
  await producer.flush()
  for (const nodeId of followers) cluster.pause(nodeId)
  await producer.send(text('second'))
  await producer.flush()
  for (const nodeId of followers) cluster.resume(nodeId)
  await producer.send(text('third'))
  await producer.flush()
  await producer.send(text('fourth'))
  await producer.flush()
  await client.close()
  expect(deliveries.map(({ error }) => error === null)).toEqual([true, false, true, true])
  // The second is there, though nobody was told; the third is no repetition of it.
  expect(deliveries.map(({ baseOffset }) => baseOffset)).toEqual([0, -1, 2, 3])
})
