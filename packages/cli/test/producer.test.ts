import { createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster } from '@trimaran/server'
import { expect, test } from 'vitest'
import { ClusterClient, ConnectionError, Producer, type Delivery } from '../src/client/index.ts'

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
    requestTimeoutMs: 300,
    deliveryTimeoutMs: 1000,
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

test('who leads is told at once, while produces wait for a replica that hangs', async () => {
  await using cluster = await startCluster({ nodes: 3 })
  const partitions = 6
  await cluster.createTopic({ name: 'orders', partitions, replicationFactor: 3 })
  const queryTimeoutMs = 300
  const client = new ClusterClient({
    bootstrapServers: cluster.bootstrapServers,
    ...{ queryTimeoutMs, retryTimeoutMs: 10 * queryTimeoutMs },
  })
  const deliveries: Delivery[] = []
  const producer = new Producer(client, {
    ...{ topic: 'orders', acks: -1, onDelivery: delivery => deliveries.push(delivery) },
  })
  await producer.open()
  // Every broker has answered, so that nobody is in doubt beforehand.
  for (let partition = 0; partition < partitions; partition++) {
    await producer.send(text('first'), partition)
  }
  await producer.flush()
  const hangs = cluster.nodeIds.find(nodeId => nodeId !== cluster.controller()) ?? 0
  cluster.pause(hangs)
  for (let partition = 0; partition < partitions; partition++) {
    if (cluster.leaderOf('orders', partition) === hangs) continue
    await producer.send(text('second'), partition)
  }
  const flushed = producer.flush()
  const startedMs = performance.now()
  await client.metadata(['orders'])
  // One question to the broker that hangs, and the next broker answers.
  expect(performance.now() - startedMs).toBeLessThan(2 * queryTimeoutMs)
  expect(deliveries).toHaveLength(partitions)
  cluster.resume(hangs)
  await flushed
  await client.close()
  expect(deliveries.every(({ error }) => error === null)).toBe(true)
})

test('a leader that the others cut off is not asked who leads', async () => {
  await using cluster = await startCluster({
    ...{ nodes: 3, config: { 'broker.session.timeout.ms': '1500' } },
  })
  await cluster.createTopic({ name: 'orders', partitions: 3, replicationFactor: 3 })
  const client = new ClusterClient({ bootstrapServers: cluster.bootstrapServers })
  const deliveries: Delivery[] = []
  const producer = new Producer(client, {
    ...{ topic: 'orders', acks: -1, requestTimeoutMs: 200 },
    onDelivery: delivery => deliveries.push(delivery),
  })
  await producer.open()
  // The first of the brokers: the one that is asked before all others.
  const partition = [0, 1, 2].find(at => cluster.leaderOf('orders', at) === 1) ?? -1
  await producer.send(text('first'), partition)
  await producer.flush()
  cluster.partition([1])
  await producer.send(text('second'), partition)
  // By its own metadata it leads on, and clients reach it; the others have elected one of them.
  await producer.flush()
  expect(cluster.explain().cuts.length).toBeGreaterThan(0)
  cluster.heal()
  await client.close()
  expect(deliveries.map(({ error }) => error)).toEqual([null, null])
}, 20_000)

test('a client that is closed connects to nobody any more, whatever was under way', async () => {
  const sockets: Socket[] = []
  const silent = createServer(socket => sockets.push(socket.resume())).listen(0, '127.0.0.1')
  await expect.poll(() => silent.listening).toBe(true)
  const { port } = silent.address() as AddressInfo
  const client = new ClusterClient({
    ...{ bootstrapServers: `127.0.0.1:${port}`, queryTimeoutMs: 100, retryTimeoutMs: 5000 },
  })
  // Known, so that a cluster that is away for a moment is waited for.
  const asking = client.retry(async () => {
    await client.anyBroker().catch(() => {})
    throw new ConnectionError('not yet')
  })
  const failed = asking.catch((error: unknown) => (error as Error).message)
  await expect.poll(() => sockets.length).toBeGreaterThan(0)
  await client.close()
  expect(await failed).toContain('closed')
  const before = sockets.length
  await sleep(300)
  expect(sockets).toHaveLength(before)
  await expect.poll(() => sockets.every(socket => socket.readableEnded)).toBe(true)
  silent.close()
}, 4000)
