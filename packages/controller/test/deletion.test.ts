import { zeroUuid } from '@trimaran/common'
import { expect, test } from 'vitest'
import { nameOf, TestCluster } from './harness.ts'

const deletions = (cluster: TestCluster): string[] =>
  [...cluster.image.deletions.values()]
    .map(each => `${each.topicName}@${each.brokerId} ${each.state}`)
    .toSorted()

const remove = (cluster: TestCluster, name: string) =>
  cluster.ask('deleteTopics', { topics: [{ name, topicId: null }] })

const acknowledge = (cluster: TestCluster, brokerId: number, topicId: string) =>
  cluster.ask('replicasDeleted', {
    brokerId,
    brokerEpoch: cluster.epoch(brokerId),
    topicIds: [topicId],
  })

test('a deleted topic is gone at once, and forgotten when every broker has deleted its replicas', async () => {
  const cluster = await TestCluster.of([1, 2])
  const topicId = await cluster.topic(
    'orders',
    [
      [1, 2],
      [2, 1],
    ],
    { 'retention.ms': '1' },
  )
  const { topics } = await remove(cluster, 'orders')
  expect(topics).toEqual([{ errorCode: 0, errorMessage: null, name: 'orders', topicId }])
  expect(cluster.image.topicsById.size).toBe(0)
  expect(cluster.image.configs.has('topic:orders')).toBe(false)
  expect(deletions(cluster)).toEqual(['orders@1 started', 'orders@2 started'])
  await acknowledge(cluster, 1, topicId)
  expect(deletions(cluster)).toEqual(['orders@1 successful', 'orders@2 started'])
  await acknowledge(cluster, 1, topicId)
  await acknowledge(cluster, 2, topicId)
  expect(deletions(cluster)).toEqual([])
  expect(await acknowledge(cluster, 2, topicId)).toMatchObject({ errorCode: 0 })
})

test('the name can be used again while the old topic is still being deleted', async () => {
  const cluster = await TestCluster.of([1, 2])
  const old = await cluster.topic('orders', [[1, 2]])
  await remove(cluster, 'orders')
  const fresh = await cluster.topic('orders', [[2, 1]])
  expect(fresh).not.toBe(old)
  await acknowledge(cluster, 1, old)
  await acknowledge(cluster, 2, old)
  expect(deletions(cluster)).toEqual([])
  expect(cluster.describe('orders')).toBe('2/2,1')
})

test('a broker that is away keeps its deletion until it is back', async () => {
  const cluster = await TestCluster.of([1, 2, 3])
  const topicId = await cluster.topic('orders', [[1, 2, 3]])
  cluster.kill(3)
  await remove(cluster, 'orders')
  cluster.kill(2)
  expect(deletions(cluster)).toEqual([
    'orders@1 started',
    'orders@2 ineligible',
    'orders@3 ineligible',
  ])
  await acknowledge(cluster, 1, topicId)
  await cluster.start(2)
  await cluster.beat(3)
  expect(deletions(cluster)).toEqual([
    'orders@1 successful',
    'orders@2 started',
    'orders@3 started',
  ])
  await acknowledge(cluster, 2, topicId)
  await acknowledge(cluster, 3, topicId)
  expect(deletions(cluster)).toEqual([])
})

test('a broker that dies after its acknowledgement is not waited for', async () => {
  const cluster = await TestCluster.of([1, 2])
  const topicId = await cluster.topic('orders', [[1, 2]])
  await remove(cluster, 'orders')
  await acknowledge(cluster, 1, topicId)
  cluster.kill(1)
  await acknowledge(cluster, 2, topicId)
  expect(deletions(cluster)).toEqual([])
})

test('an acknowledgement of a former incarnation counts for nothing', async () => {
  const cluster = await TestCluster.of([1])
  const topicId = await cluster.topic('orders', [[1]])
  await remove(cluster, 'orders')
  const brokerEpoch = cluster.epoch(1)
  cluster.kill(1)
  await cluster.start(1)
  const stale = await cluster.ask('replicasDeleted', {
    brokerId: 1,
    brokerEpoch,
    topicIds: [topicId],
  })
  expect(nameOf(stale.errorCode)).toBe('STALE_BROKER_EPOCH')
  expect(deletions(cluster)).toEqual(['orders@1 started'])
})

test('an unregistered broker is not waited for', async () => {
  const cluster = await TestCluster.of([1, 2])
  const topicId = await cluster.topic('orders', [[1, 2]])
  await cluster.topic('payments', [[2, 1]])
  await remove(cluster, 'orders')
  await acknowledge(cluster, 1, topicId)
  cluster.kill(2)
  await cluster.ask('unregisterBroker', { brokerId: 2 })
  expect(deletions(cluster)).toEqual([])
  await remove(cluster, 'payments')
  expect(deletions(cluster)).toEqual(['payments@1 started', 'payments@2 successful'])
})

test('a deletion survives the controller', async () => {
  const cluster = await TestCluster.of([1, 2])
  const topicId = await cluster.topic('orders', [[1, 2]])
  await remove(cluster, 'orders')
  await acknowledge(cluster, 1, topicId)
  const next = new TestCluster({ after: cluster })
  next.activate()
  await acknowledge(next, 2, topicId)
  expect(deletions(next)).toEqual([])
})

test.each([
  ['UNKNOWN_TOPIC_OR_PARTITION', { name: 'none', topicId: null }],
  ['UNKNOWN_TOPIC_ID', { name: null, topicId: zeroUuid }],
  ['INVALID_REQUEST', { name: null, topicId: null }],
  ['INVALID_REQUEST', { name: 'orders', topicId: zeroUuid }],
])('deleting is answered %s: %j', async (error, topic) => {
  const cluster = await TestCluster.of([1])
  await cluster.topic('orders', [[1]])
  const { topics } = await cluster.ask('deleteTopics', { topics: [topic] })
  expect(topics.map(each => nameOf(each.errorCode))).toEqual([error])
  expect(cluster.image.topicsById.size).toBe(1)
})

test('a topic is deleted by its id; named twice it is not', async () => {
  const cluster = await TestCluster.of([1])
  const topicId = await cluster.topic('orders', [[1]])
  const byId = { name: null, topicId }
  const twice = await cluster.ask('deleteTopics', {
    topics: [byId, { name: 'orders', topicId: null }],
  })
  expect(twice.topics.map(each => nameOf(each.errorCode))).toEqual([
    'INVALID_REQUEST',
    'INVALID_REQUEST',
  ])
  const { topics } = await cluster.ask('deleteTopics', { topics: [byId] })
  expect(topics).toMatchObject([{ errorCode: 0, name: 'orders', topicId }])
})

test('where deletion is switched off, topics stay', async () => {
  const cluster = await TestCluster.of([1], { config: { deleteTopicEnable: false } })
  await cluster.topic('orders', [[1]])
  const { topics } = await remove(cluster, 'orders')
  expect(nameOf(topics[0]?.errorCode ?? -2)).toBe('TOPIC_DELETION_DISABLED')
})
