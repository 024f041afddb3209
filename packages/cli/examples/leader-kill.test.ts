import { Kafka, logLevel } from 'kafkajs'
import { startCluster } from 'trimaran'
import { expect, test } from 'vitest'

test('the leader dies in mid-stream, and every acknowledged record is seen', async () => {
  await using cluster = await startCluster({ nodes: 3, config: { 'min.insync.replicas': '2' } })
  await cluster.createTopic({ name: 'orders', partitions: 1, replicationFactor: 3 })
  const brokers = cluster.bootstrapServers.split(',')
  const retry = { initialRetryTime: 20, maxRetryTime: 200, retries: 50 }
  const kafka = new Kafka({ brokers, retry, logLevel: logLevel.NOTHING })
  const producer = kafka.producer()
  const consumer = kafka.consumer({ groupId: 'billing', maxWaitTimeInMs: 100 })

  await producer.connect()
  const acknowledged: string[] = []
  for (let n = 0; n < 200; n++) {
    const sending = producer.send({ topic: 'orders', messages: [{ value: `order ${n}` }] })
    if (n === 100) await cluster.kill(cluster.leaderOf('orders', 0) ?? 1)
    await sending
    acknowledged.push(`order ${n}`)
  }
  const seen = new Set<string>()
  await consumer.connect()
  await consumer.subscribe({ topic: 'orders', fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => void seen.add(String(message.value)) })
  const missing = () => acknowledged.filter(value => !seen.has(value))
  await expect.poll(missing, { timeout: 20_000 }).toEqual([])

  await Promise.all([producer.disconnect(), consumer.disconnect()])
})
