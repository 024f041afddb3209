import { uuidPattern } from '@trimaran/common'
import type { ControllerRequests } from '@trimaran/metadata'
import { expect, test } from 'vitest'
import { nameOf, TestCluster } from './harness.ts'

type NewTopic = ControllerRequests['createTopics']['request']['topics'][number]

const newTopic = (name: string, change: Partial<NewTopic> = {}): NewTopic => ({
  name,
  partitionCount: -1,
  replicationFactor: -1,
  assignments: [],
  configs: [],
  ...change,
})

const manual = (...replicas: readonly (readonly number[])[]): NewTopic['assignments'] =>
  replicas.map((brokerIds, partition) => ({ partition, brokerIds }))

async function create(
  cluster: TestCluster,
  topics: readonly NewTopic[],
  validateOnly = false,
): Promise<readonly string[]> {
  const answer = await cluster.ask('createTopics', { topics, validateOnly })
  return answer.topics.map(each => nameOf(each.errorCode))
}

test('a topic is created in one entry: the topic, its partitions, its configs', async () => {
  const cluster = await TestCluster.of([1, 2, 3])
  const entries = cluster.log.entries.length
  const { topics } = await cluster.ask('createTopics', {
    validateOnly: false,
    topics: [
      newTopic('orders', {
        partitionCount: 6,
        configs: [{ name: 'retention.ms', value: '1000' }],
      }),
    ],
  })
  expect(topics).toMatchObject([
    { name: 'orders', errorCode: 0, partitionCount: 6, replicationFactor: 3 },
  ])
  expect(cluster.log.entries.length).toBe(entries + 1)
  const topic = cluster.image.topicsByName.get('orders')
  expect(topic?.id).toBe(topics[0]?.topicId)
  expect(topic?.id).toMatch(uuidPattern)
  expect(topic?.partitions.map(each => each.leader).toSorted()).toEqual([1, 1, 2, 2, 3, 3])
  expect(cluster.image.configs.get('topic:orders')?.get('retention.ms')).toBe('1000')
  expect(topic?.partitions[0]).toMatchObject({ leaderEpoch: 0, partitionEpoch: 0 })
})

test('defaults stand in for -1', async () => {
  const config = { defaultPartitionCount: 4, defaultReplicationFactor: 2 }
  const cluster = await TestCluster.of([1, 2, 3], { config })
  await create(cluster, [newTopic('orders')])
  const topic = cluster.image.topicsByName.get('orders')
  expect(topic?.partitions).toHaveLength(4)
  expect(topic?.partitions[0]?.replicas).toHaveLength(2)
})

test('validation alone changes nothing', async () => {
  const cluster = await TestCluster.of([1, 2, 3])
  const end = cluster.log.nextOffset
  expect(await create(cluster, [newTopic('orders'), newTopic('a/b')], true)).toEqual([
    'NONE',
    'INVALID_TOPIC_EXCEPTION',
  ])
  expect(cluster.log.nextOffset).toBe(end)
})

const tooLong = 'x'.repeat(250)

test.each<[string, NewTopic]>([
  ['INVALID_TOPIC_EXCEPTION', newTopic('')],
  ['INVALID_TOPIC_EXCEPTION', newTopic('.')],
  ['INVALID_TOPIC_EXCEPTION', newTopic('..')],
  ['INVALID_TOPIC_EXCEPTION', newTopic('a/b')],
  ['INVALID_TOPIC_EXCEPTION', newTopic('a\0b')],
  ['INVALID_TOPIC_EXCEPTION', newTopic('ü')],
  ['INVALID_TOPIC_EXCEPTION', newTopic(tooLong)],
  ['NONE', newTopic(tooLong.slice(1))],
  ['NONE', newTopic('...')],
  ['INVALID_TOPIC_EXCEPTION', newTopic('a_b')],
  ['TOPIC_ALREADY_EXISTS', newTopic('a.b')],
  ['INVALID_REQUEST', newTopic('__cluster_metadata')],
  ['INVALID_PARTITIONS', newTopic('t', { partitionCount: 0 })],
  ['INVALID_PARTITIONS', newTopic('t', { partitionCount: -2 })],
  ['POLICY_VIOLATION', newTopic('t', { partitionCount: 1_000_000 })],
  ['POLICY_VIOLATION', newTopic('t', { partitionCount: 10_000 })],
  ['INVALID_REPLICATION_FACTOR', newTopic('t', { replicationFactor: 0 })],
  ['INVALID_REPLICATION_FACTOR', newTopic('t', { replicationFactor: 4 })],
  ['INVALID_REQUEST', newTopic('t', { replicationFactor: 1, assignments: manual([1]) })],
  ['INVALID_REQUEST', newTopic('t', { partitionCount: 1, assignments: manual([1]) })],
  ['INVALID_REPLICA_ASSIGNMENT', newTopic('t', { assignments: manual([1, 1]) })],
  ['INVALID_REPLICA_ASSIGNMENT', newTopic('t', { assignments: manual([]) })],
  ['INVALID_REPLICA_ASSIGNMENT', newTopic('t', { assignments: manual([1, 9]) })],
  ['INVALID_REPLICA_ASSIGNMENT', newTopic('t', { assignments: manual([1, -1]) })],
  ['INVALID_REPLICA_ASSIGNMENT', newTopic('t', { assignments: manual([1, 2], [1]) })],
  [
    'INVALID_REPLICA_ASSIGNMENT',
    newTopic('t', { assignments: [{ partition: 1, brokerIds: [1] }] }),
  ],
  ['INVALID_REPLICA_ASSIGNMENT', newTopic('t', { assignments: [...manual([1]), ...manual([2])] })],
  ['INVALID_CONFIG', newTopic('t', { configs: [{ name: 'no.such.key', value: '1' }] })],
  ['INVALID_CONFIG', newTopic('t', { configs: [{ name: 'retention.ms', value: 'long' }] })],
  ['INVALID_CONFIG', newTopic('t', { configs: [{ name: 'retention.ms', value: null }] })],
  [
    'INVALID_CONFIG',
    newTopic('t', { configs: [{ name: 'remote.storage.enable', value: 'true' }] }),
  ],
  [
    'INVALID_CONFIG',
    newTopic('t', {
      configs: [
        { name: 'min.compaction.lag.ms', value: '2' },
        { name: 'max.compaction.lag.ms', value: '1' },
      ],
    }),
  ],
])('creating a topic is answered %s: %j', async (error, topic) => {
  const cluster = await TestCluster.of([1, 2, 3])
  await create(cluster, [newTopic('a.b')])
  const end = cluster.log.nextOffset
  const { topics } = await cluster.ask('createTopics', { validateOnly: false, topics: [topic] })
  expect(topics.map(each => nameOf(each.errorCode))).toEqual([error])
  expect(topics[0]?.errorMessage === null).toBe(error === 'NONE')
  expect(cluster.log.nextOffset === end).toBe(error !== 'NONE')
})

test('topics of one request succeed and fail by themselves', async () => {
  const cluster = await TestCluster.of([1, 2, 3])
  expect(
    await create(cluster, [
      newTopic('a.b'),
      newTopic('twice'),
      newTopic('a_b'),
      newTopic('twice'),
      newTopic('big', { partitionCount: 9_990 }),
      newTopic('last', { partitionCount: 7 }),
    ]),
  ).toEqual(['NONE', 'INVALID_REQUEST', 'INVALID_TOPIC_EXCEPTION', 'NONE', 'POLICY_VIOLATION'])
  expect([...cluster.image.topicsByName.keys()].toSorted()).toEqual(['a.b', 'big'])
})

test('the name of a deleted topic no longer collides', async () => {
  const cluster = await TestCluster.of([1, 2, 3])
  await create(cluster, [newTopic('a.b')])
  await cluster.ask('deleteTopics', { topics: [{ name: 'a.b', topicId: null }] })
  expect(await create(cluster, [newTopic('a_b')])).toEqual(['NONE'])
})

test('nothing can be placed while no broker is up', async () => {
  const cluster = await TestCluster.of([1])
  cluster.kill(1)
  expect(await create(cluster, [newTopic('t', { replicationFactor: 1 })])).toEqual([
    'INVALID_REPLICATION_FACTOR',
  ])
  expect(await create(cluster, [newTopic('t', { assignments: manual([1]) })])).toEqual([
    'INVALID_REPLICA_ASSIGNMENT',
  ])
})

test('replicas on brokers that are down are assigned, but not in sync', async () => {
  const cluster = await TestCluster.of([1, 2, 3])
  cluster.kill(1)
  await cluster.topic('orders', [[1, 2, 3]])
  expect(cluster.describe('orders')).toBe('2/2,3')
})

type More = ControllerRequests['createPartitions']['request']['topics'][number]

test.each<[string, More]>([
  ['NONE', { name: 'orders', count: 3, assignments: null }],
  ['NONE', { name: 'orders', count: 2, assignments: [[2, 1]] }],
  ['INVALID_PARTITIONS', { name: 'orders', count: 1, assignments: null }],
  ['INVALID_PARTITIONS', { name: 'orders', count: 0, assignments: null }],
  ['POLICY_VIOLATION', { name: 'orders', count: 20_000, assignments: null }],
  ['UNKNOWN_TOPIC_OR_PARTITION', { name: 'none', count: 3, assignments: null }],
  ['INVALID_REPLICA_ASSIGNMENT', { name: 'orders', count: 3, assignments: [[1, 2]] }],
  ['INVALID_REPLICA_ASSIGNMENT', { name: 'orders', count: 2, assignments: [[1]] }],
  ['INVALID_REPLICA_ASSIGNMENT', { name: 'orders', count: 2, assignments: [[1, 9]] }],
])('adding partitions is answered %s: %j', async (error, request) => {
  const cluster = await TestCluster.of([1, 2, 3])
  await cluster.topic('orders', [[1, 2]])
  const answer = await cluster.ask('createPartitions', { validateOnly: false, topics: [request] })
  expect(answer.topics.map(each => nameOf(each.errorCode))).toEqual([error])
  const partitions = cluster.image.topicsByName.get('orders')?.partitions ?? []
  expect(partitions).toHaveLength(error === 'NONE' ? request.count : 1)
  expect(partitions.every(each => each.replicas.length === 2)).toBe(true)
})

test('new partitions go where the topic has few', async () => {
  const cluster = await TestCluster.of([1, 2, 3])
  await cluster.topic('orders', [[1], [1], [2]])
  const topics = [{ name: 'orders', count: 6, assignments: null }]
  await cluster.ask('createPartitions', { validateOnly: true, topics })
  expect(cluster.image.topicsByName.get('orders')?.partitions).toHaveLength(3)
  await cluster.ask('createPartitions', { validateOnly: false, topics })
  const leaders = cluster.image.topicsByName.get('orders')?.partitions.map(each => each.leader)
  expect(leaders?.toSorted()).toEqual([1, 1, 2, 2, 3, 3])
})

test('a topic named twice for more partitions gets none', async () => {
  const cluster = await TestCluster.of([1, 2, 3])
  await cluster.topic('orders', [[1]])
  const topic = { name: 'orders', count: 6, assignments: null }
  const { topics } = await cluster.ask('createPartitions', {
    validateOnly: false,
    topics: [topic, topic],
  })
  expect(topics.map(each => nameOf(each.errorCode))).toEqual(['INVALID_REQUEST'])
})
