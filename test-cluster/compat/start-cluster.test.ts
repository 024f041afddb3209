import type { Kafka, Producer } from 'kafkajs'
import { afterEach, expect, test } from 'vitest'
import { startCluster } from 'trimaran'
import type { Cluster, StartClusterOptions } from 'trimaran'
import { kafkaJs } from '../support/kafkajs.ts'
import { until } from '../support/run.ts'

/** What a user of `startCluster` sees of its verbs with a client that was not written here. */

const open: { disconnect(): Promise<void> }[] = []
let cluster: Cluster
afterEach(async () => {
  await Promise.all(open.splice(0).map(each => each.disconnect()))
  await cluster.stop()
})

async function begin(config: StartClusterOptions['config'] = {}): Promise<Kafka> {
  cluster = await startCluster({ config: { 'min.insync.replicas': '2', ...config } })
  await cluster.createTopic({ name: 'orders', partitions: 1 })
  return kafkaJs(cluster.bootstrapServers.split(','))
}

async function producerOf(kafka: Kafka): Promise<Producer> {
  const producer = kafka.producer({ idempotent: true })
  open.push(producer)
  await producer.connect()
  return producer
}

const send = (producer: Producer, value: string) =>
  producer.send({ topic: 'orders', acks: -1, messages: [{ value }] })

async function readAll(kafka: Kafka, groupId: string): Promise<string[]> {
  const values: string[] = []
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100, heartbeatInterval: 200 })
  open.push(consumer)
  await consumer.connect()
  await consumer.subscribe({ topic: 'orders', fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message }) => void values.push(String(message.value)),
  })
  return values
}

test('failNext: a producer sends again, a consumer joins and reads again, and nobody is told anything', async () => {
  const kafka = await begin()
  const producer = await producerOf(kafka)
  const failures = [
    cluster.failNext({ api: 'produce', error: 'NOT_LEADER_OR_FOLLOWER', times: 2 }),
    cluster.failNext({ api: 'metadata', error: 'LEADER_NOT_AVAILABLE', topic: 'orders' }),
    cluster.failNext({ api: 'findCoordinator', error: 'COORDINATOR_NOT_AVAILABLE' }),
    cluster.failNext({ api: 'joinGroup', error: 'UNKNOWN_MEMBER_ID' }),
    cluster.failNext({ api: 'fetch', error: 'UNKNOWN_TOPIC_OR_PARTITION', topic: 'orders' }),
  ]
  await send(producer, 'one')
  const values = await readAll(kafka, 'billing')
  await until('the record is read', () => values.length === 1)
  expect(failures.map(({ left }) => left)).toEqual([0, 0, 0, 0, 0])
})

test('failNext: what is not to be repeated reaches the caller by its name', async () => {
  const producer = await producerOf(await begin())
  cluster.failNext({ api: 'produce', error: 'TOPIC_AUTHORIZATION_FAILED' })
  await expect(send(producer, 'one')).rejects.toMatchObject({ type: 'TOPIC_AUTHORIZATION_FAILED' })
  await send(producer, 'two')
})

test('pause: a send hangs while the leader is silent, and goes on with it', async () => {
  const producer = await producerOf(await begin())
  await send(producer, 'one')
  const leader = cluster.leaderOf('orders', 0) as number
  cluster.pause(leader)
  let isSent = false
  const sending = send(producer, 'two').then(() => {
    isSent = true
  })
  await new Promise(resolve => setTimeout(resolve, 300))
  expect(isSent).toBe(false)
  cluster.resume(leader)
  await sending
  expect(cluster.leaderOf('orders', 0)).toBe(leader)
})

test('partition, clock, heal: the others elect when the session ends; what was acknowledged is there, once', async () => {
  const kafka = await begin()
  const producer = await producerOf(kafka)
  await send(producer, 'before')
  const leader = cluster.leaderOf('orders', 0) as number
  cluster.partition([leader])
  // It may know no other broker than the one that is cut off, and is told by it that all is as it was.
  const waiting = send(producer, 'cut off')
  await cluster.clock.advance(15_000)
  await until('another one leads', () => ![null, leader].includes(cluster.leaderOf('orders', 0)))
  const others = cluster.bootstrapServers.split(',').filter((_, at) => at !== leader - 1)
  await send(await producerOf(kafkaJs(others)), 'after')
  cluster.heal()
  await waiting
  await until('all are in sync', () => cluster.explain().partitions[0]?.isr.length === 3)
  const values = await readAll(kafka, 'billing')
  await until('all are read', () => values.length === 3)
  expect(values).toEqual(['before', 'after', 'cut off'])
}, 60_000)
