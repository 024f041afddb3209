import { zeroUuid } from '@trimaran/common'
import { apis, errorCodes, type IncomingResponseOf } from '@trimaran/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { clusterOperations, notAsked, topicOperations } from '../src/authorized-operations.ts'
import { TestCluster } from './support/test-cluster.ts'

let cluster: TestCluster

beforeEach(async () => {
  cluster = await TestCluster.start({ brokerCount: 3 })
})
afterEach(() => cluster.stop())

const everything = { topics: null, allowAutoTopicCreation: false }

test('brokers are told by the listener the client came in on', async () => {
  const inside = await cluster.client(1, 'PLAINTEXT').call(apis.metadata, 12, everything)
  expect(inside.brokers.map(b => [b.nodeId, b.host, b.port])).toEqual([
    [1, 'host1', 9092],
    [2, 'host2', 9092],
    [3, 'host3', 9092],
  ])
  const outside = await cluster.client(1, 'OUTSIDE').call(apis.metadata, 12, everything)
  expect(outside.brokers.map(b => b.host)).toEqual(['outside1', 'outside2', 'outside3'])
  expect(inside.clusterId).toBe('cluster-of-the-test')
})

test('a leader without the listener of the client is told as such from v6', async () => {
  await cluster.addTopic('orders', [[1]])
  const client = cluster.client(1, 'ELSEWHERE')
  const newer = await client.call(apis.metadata, 6, everything)
  expect(newer.topics[0]?.partitions[0]).toMatchObject({
    errorCode: errorCodes.LISTENER_NOT_FOUND,
    leaderId: -1,
  })
  const older = await client.call(apis.metadata, 5, everything)
  expect(older.topics[0]?.partitions[0]?.errorCode).toBe(errorCodes.LEADER_NOT_AVAILABLE)
})

test('the controller is a live broker, and fenced ones are not shown', async () => {
  cluster.fence(1)
  const answer = await cluster.client(1).call(apis.metadata, 12, everything)
  expect(answer.brokers.map(b => b.nodeId)).toEqual([2, 3])
  expect(answer.controllerId).toBe(2)
  const healthy = await cluster.client(3).call(apis.metadata, 12, everything)
  expect(healthy.controllerId).toBe(3)
})

test('the empty array asks for all topics in v0 and for none later, null for all', async () => {
  await cluster.addTopic('orders')
  await cluster.addTopic('payments')
  const client = cluster.client()
  expect((await client.call(apis.metadata, 0, { topics: [] })).topics).toHaveLength(2)
  expect((await client.call(apis.metadata, 1, { topics: [] })).topics).toHaveLength(0)
  expect((await client.call(apis.metadata, 1, { topics: null })).topics).toHaveLength(2)
})

test('a topic is found by its id from v12 on, and refused by it before', async () => {
  const topic = await cluster.addTopic('orders')
  const client = cluster.client()
  const byId = { topics: [{ name: null, topicId: topic.id }], allowAutoTopicCreation: false }
  const found = await client.call(apis.metadata, 12, byId)
  expect(found.topics[0]).toMatchObject({ errorCode: 0, name: 'orders', topicId: topic.id })
  const refused = await client.call(apis.metadata, 10, byId)
  expect(refused.topics[0]?.errorCode).toBe(errorCodes.INVALID_REQUEST)
  const unknown = await client.call(apis.metadata, 12, {
    topics: [{ name: null, topicId: 'nosuchtopicAAAAAAAAAAA' }],
    allowAutoTopicCreation: true,
  })
  expect(unknown.topics[0]).toMatchObject({ errorCode: errorCodes.UNKNOWN_TOPIC_ID, name: null })
})

test('partitions show leader, epoch, replicas, ISR and who is offline', async () => {
  await cluster.addTopic('orders', [[1, 2, 3]])
  cluster.fence(3)
  const answer = await cluster.client().call(apis.metadata, 12, everything)
  expect(answer.topics[0]?.partitions).toEqual([
    {
      errorCode: 0,
      partitionIndex: 0,
      leaderId: 1,
      leaderEpoch: 0,
      replicaNodes: [1, 2, 3],
      isrNodes: [1, 2, 3],
      offlineReplicas: [3],
    },
  ])
})

test('v0 hides replicas that are down, since it cannot mark them', async () => {
  await cluster.addTopic('orders', [[1, 2, 3]])
  cluster.fence(3)
  const answer = await cluster.client().call(apis.metadata, 0, { topics: [] })
  expect(answer.topics[0]?.partitions[0]).toMatchObject({
    errorCode: errorCodes.REPLICA_NOT_AVAILABLE,
    replicaNodes: [1, 2],
    isrNodes: [1, 2],
  })
})

test('a partition without a leader is LEADER_NOT_AVAILABLE', async () => {
  const topic = await cluster.addTopic('orders', [[1, 2]])
  cluster.controller.commit([
    { kind: 'partitionChange', topicId: topic.id, partition: 0, leader: -1 },
  ])
  const answer = await cluster.client().call(apis.metadata, 12, everything)
  expect(answer.topics[0]?.partitions[0]).toMatchObject({
    errorCode: errorCodes.LEADER_NOT_AVAILABLE,
    leaderId: -1,
  })
})

test('an unknown topic is created once however many ask, and there for the next question', async () => {
  const ask = { topics: [{ name: 'fresh', topicId: zeroUuid }], allowAutoTopicCreation: true }
  const first = await Promise.all(
    [1, 2, 3].map(() => cluster.client(1).call(apis.metadata, 12, ask)),
  )
  expect(first.map(answer => answer.topics[0]?.errorCode)).toEqual(
    Array.from({ length: 3 }, () => errorCodes.UNKNOWN_TOPIC_OR_PARTITION),
  )
  await cluster.clock.advance(10)
  expect(cluster.controller.count('createTopics')).toBe(1)
  const second = await cluster.client(2).call(apis.metadata, 12, ask)
  expect(second.topics[0]).toMatchObject({ errorCode: 0, name: 'fresh' })
})

test('nothing is created when the client or the broker says no, or the name is none', async () => {
  const client = cluster.client()
  const asked = (name: string, allowAutoTopicCreation: boolean) =>
    client.call(apis.metadata, 12, {
      topics: [{ name, topicId: zeroUuid }],
      allowAutoTopicCreation,
    })
  expect((await asked('fresh', false)).topics[0]?.errorCode).toBe(
    errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
  )
  for (const name of ['a/b', '..', 'x'.repeat(250), '']) {
    expect((await asked(name, true)).topics[0]?.errorCode).toBe(errorCodes.INVALID_TOPIC_EXCEPTION)
    expect((await asked(name, false)).topics[0]?.errorCode).toBe(errorCodes.INVALID_TOPIC_EXCEPTION)
  }
  const closed = await TestCluster.start({ properties: { 'auto.create.topics.enable': 'false' } })
  const answer = await closed
    .client()
    .call(apis.metadata, 1, { topics: [{ name: 'fresh', topicId: zeroUuid }] })
  expect(answer.topics[0]?.errorCode).toBe(errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
  await closed.clock.advance(10)
  expect(closed.controller.count('createTopics') + cluster.controller.count('createTopics')).toBe(0)
  await closed.stop()
})

test('topics that only a quorum or transactions could fill are not created', async () => {
  const topics = ['__cluster_metadata', '__transaction_state'].map(name => ({ name }))
  const answer = await cluster.client().call(apis.metadata, 1, { topics })
  expect(answer.topics.map(topic => topic.errorCode)).toEqual([
    errorCodes.INVALID_TOPIC_EXCEPTION,
    errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
  ])
  await cluster.clock.advance(10)
  expect(cluster.controller.count('createTopics')).toBe(0)
})

test('the offsets topic is created with its own settings', async () => {
  const topics = [{ name: '__consumer_offsets', topicId: zeroUuid }]
  await cluster.client().call(apis.metadata, 12, { topics, allowAutoTopicCreation: true })
  await cluster.clock.advance(10)
  expect(cluster.topic('__consumer_offsets').partitions).toHaveLength(50)
  expect(
    cluster.controller.image.configs.get('topic:__consumer_offsets')?.get('cleanup.policy'),
  ).toBe('compact')
  const answer = await cluster
    .client()
    .call(apis.metadata, 12, { topics, allowAutoTopicCreation: true })
  expect(answer.topics[0]?.isInternal).toBe(true)
})

test('authorized operations are told to who asks', async () => {
  await cluster.addTopic('orders')
  const client = cluster.client()
  const asked = {
    ...everything,
    includeClusterAuthorizedOperations: true,
    includeTopicAuthorizedOperations: true,
  }
  const told = await client.call(apis.metadata, 9, asked)
  expect(told.clusterAuthorizedOperations).toBe(clusterOperations)
  expect(told.topics[0]?.topicAuthorizedOperations).toBe(topicOperations)
  const silent = await client.call(apis.metadata, 9, everything)
  expect(silent.clusterAuthorizedOperations).toBe(notAsked)
  expect(silent.topics[0]?.topicAuthorizedOperations).toBe(notAsked)
})

test('a topic named many times is answered once', async () => {
  await cluster.addTopic('orders')
  const topics = Array.from({ length: 1000 }, () => ({ name: 'orders', topicId: zeroUuid }))
  const answer = await cluster
    .client()
    .call(apis.metadata, 12, { topics, allowAutoTopicCreation: false })
  expect(answer.topics).toHaveLength(1)
})

test('DescribeCluster shows brokers, and fenced ones to who asks', async () => {
  cluster.fence(3)
  const client = cluster.client(1)
  const plain = await client.call(apis.describeCluster, 2, {
    includeClusterAuthorizedOperations: true,
  })
  expect(plain).toMatchObject({ errorCode: 0, clusterId: 'cluster-of-the-test', controllerId: 1 })
  expect(plain.brokers.map(b => b.brokerId)).toEqual([1, 2])
  expect(plain.clusterAuthorizedOperations).toBe(clusterOperations)
  const all = await client.call(apis.describeCluster, 2, {
    includeClusterAuthorizedOperations: false,
    includeFencedBrokers: true,
  })
  expect(all.brokers.map(b => [b.brokerId, b.isFenced])).toEqual([
    [1, false],
    [2, false],
    [3, true],
  ])
  const controllers = await client.call(apis.describeCluster, 1, {
    includeClusterAuthorizedOperations: false,
    endpointType: 2,
  })
  expect(controllers.errorCode).toBe(errorCodes.MISMATCHED_ENDPOINT_TYPE)
  const nonsense = await client.call(apis.describeCluster, 1, {
    includeClusterAuthorizedOperations: false,
    endpointType: 9,
  })
  expect(nonsense.errorCode).toBe(errorCodes.UNSUPPORTED_ENDPOINT_TYPE)
})

test('DescribeTopicPartitions pages through sorted topics with a cursor', async () => {
  await cluster.addTopic('b', [[1], [2], [3]])
  await cluster.addTopic('a', [[1], [2]])
  const client = cluster.client()
  const pages: [string | null, number[]][][] = []
  let cursor: { topicName: string; partitionIndex: number } | null = null
  do {
    const request = { topics: [], responsePartitionLimit: 2, cursor }
    const page: IncomingResponseOf<typeof apis.describeTopicPartitions> = await client.call(
      apis.describeTopicPartitions,
      0,
      request,
    )
    pages.push(page.topics.map(t => [t.name, t.partitions.map(p => p.partitionIndex)]))
    cursor = page.nextCursor
  } while (cursor !== null)
  expect(pages).toEqual([[['a', [0, 1]]], [['b', [0, 1]]], [['b', [2]]]])
})

test('DescribeTopicPartitions shows who is eligible to lead without being in sync (KIP-966)', async () => {
  await cluster.addTopic('orders', [[1, 2, 3]])
  const topicId = cluster.topic('orders').id
  cluster.controller.commit([
    { kind: 'partitionChange', topicId, partition: 0, isr: [1], elr: [2] },
  ])
  const answer = await cluster.client().call(apis.describeTopicPartitions, 0, {
    topics: [{ name: 'orders' }],
    responsePartitionLimit: 10,
    cursor: null,
  })
  expect(answer.topics[0]?.partitions[0]).toMatchObject({
    isrNodes: [1],
    eligibleLeaderReplicas: [2],
    lastKnownElr: [],
  })
})

test('DescribeTopicPartitions answers what is not there, and refuses a cursor elsewhere', async () => {
  await cluster.addTopic('a', [[1]])
  const client = cluster.client()
  const topics = [{ name: 'nope' }, { name: 'a/b' }, { name: 'a' }, { name: 'a' }]
  const answer = await client.call(apis.describeTopicPartitions, 0, {
    topics,
    responsePartitionLimit: 10,
    cursor: null,
  })
  expect(answer.topics.map(t => [t.name, t.errorCode])).toEqual([
    ['a', errorCodes.NONE],
    ['a/b', errorCodes.INVALID_TOPIC_EXCEPTION],
    ['nope', errorCodes.UNKNOWN_TOPIC_OR_PARTITION],
  ])
  const elsewhere = await client.call(apis.describeTopicPartitions, 0, {
    topics: [{ name: 'a' }],
    responsePartitionLimit: 10,
    cursor: { topicName: 'b', partitionIndex: 0 },
  })
  expect(elsewhere.topics[0]?.errorCode).toBe(errorCodes.INVALID_REQUEST)
  const beyond = await client.call(apis.describeTopicPartitions, 0, {
    topics: [{ name: 'a' }],
    responsePartitionLimit: 10,
    cursor: { topicName: 'a', partitionIndex: 2_000_000_000 },
  })
  expect(beyond.topics[0]?.partitions).toEqual([])
  expect(beyond.nextCursor).toBeNull()
})

test('ListPartitionReassignments lists what an earlier target added with those that leave', async () => {
  const topic = await cluster.addTopic('a', [[1]])
  cluster.controller.commit([
    {
      kind: 'partitionChange',
      topicId: topic.id,
      partition: 0,
      replicas: [3, 2, 1],
      addingReplicas: [3, 2],
      removingReplicas: [2, 1],
    },
  ])
  const asked = { timeoutMs: 100, topics: null }
  const listed = await cluster.client().call(apis.listPartitionReassignments, 0, asked)
  expect(listed.topics[0]?.partitions).toEqual([
    { partitionIndex: 0, replicas: [3, 2, 1], addingReplicas: [3], removingReplicas: [2, 1] },
  ])
})

test('ListPartitionReassignments lists what is being moved and nothing else', async () => {
  const topic = await cluster.addTopic('a', [[1], [2]])
  await cluster.addTopic('b', [[1]])
  const client = cluster.client()
  const none = await client.call(apis.listPartitionReassignments, 0, {
    timeoutMs: 100,
    topics: null,
  })
  expect(none).toMatchObject({ errorCode: 0, topics: [] })
  cluster.controller.commit([
    {
      kind: 'partitionChange',
      topicId: topic.id,
      partition: 1,
      replicas: [2, 3],
      addingReplicas: [3],
    },
  ])
  const moving = [
    {
      name: 'a',
      partitions: [
        { partitionIndex: 1, replicas: [2, 3], addingReplicas: [3], removingReplicas: [] },
      ],
    },
  ]
  const all = await client.call(apis.listPartitionReassignments, 0, {
    timeoutMs: 100,
    topics: null,
  })
  expect(all.topics).toEqual(moving)
  const asked = [
    { name: 'a', partitionIndexes: [0, 1, 7] },
    { name: 'nope', partitionIndexes: [0] },
  ]
  const some = await client.call(apis.listPartitionReassignments, 0, {
    timeoutMs: 100,
    topics: asked,
  })
  expect(some.topics).toEqual(moving)
})
