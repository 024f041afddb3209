import { ClusterError, zeroUuid } from '@trimaran/common'
import { apis, errorCodes } from '@trimaran/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { partitionsPerForwardMax } from '../src/forward.ts'
import type { TestClient } from './support/client.ts'
import { TestCluster } from './support/test-cluster.ts'

let cluster: TestCluster
let client: TestClient

beforeEach(async () => {
  cluster = await TestCluster.start({ brokerCount: 2 })
  client = cluster.client(2)
})
afterEach(() => cluster.stop())

const newTopic = (name: string, numPartitions = 1, replicationFactor = 1) => ({
  name,
  numPartitions,
  replicationFactor,
  assignments: [],
  configs: [{ name: 'retention.ms', value: '1000' }],
})
const topicResource = 2
const brokerResource = 4

test('a topic is created through any broker, and that broker knows it when it answers', async () => {
  const answer = await client.call(apis.createTopics, 7, {
    topics: [newTopic('orders', 3, 2)],
    timeoutMs: 1000,
    validateOnly: false,
  })
  const topic = cluster.topic('orders')
  expect(answer.topics[0]).toMatchObject({
    name: 'orders',
    errorCode: 0,
    topicId: topic.id,
    numPartitions: 3,
    replicationFactor: 2,
  })
  expect(cluster.broker(2).image.topicsByName.has('orders')).toBe(true)
  expect(answer.topics[0]?.configs?.find(config => config.name === 'retention.ms')).toMatchObject({
    value: '1000',
    configSource: 1,
  })
  expect(answer.topics[0]?.configs?.find(config => config.name === 'cleanup.policy')).toMatchObject(
    {
      value: 'delete',
      configSource: 5,
    },
  )
})

test('what concerns thousands of partitions is asked of the controller in parts', async () => {
  const { controller } = cluster
  const sizes: number[] = []
  const request = controller.request.bind(controller)
  controller.request = (kind, asked, timeoutMs) => {
    if ('topics' in asked) sizes.push(asked.topics?.length ?? 0)
    return request(kind, asked, timeoutMs)
  }
  const topics = Array.from({ length: 95 }, (_, at) => newTopic(`t${at}`, 20))
  const created = await client.call(apis.createTopics, 7, {
    topics: [...topics, newTopic('wide', partitionsPerForwardMax + 1), newTopic('last')],
    timeoutMs: 10_000,
    validateOnly: false,
  })
  expect(created.topics.filter(topic => topic.errorCode === 0)).toHaveLength(97)
  expect(sizes).toEqual([25, 25, 25, 20, 1, 1])
  sizes.length = 0
  const removed = await client.call(apis.deleteTopics, 6, {
    topics: topics.map(({ name }) => ({ name, topicId: zeroUuid })),
    timeoutMs: 10_000,
  })
  expect(removed.responses.filter(topic => topic.errorCode === 0)).toHaveLength(95)
  expect(sizes).toEqual([25, 25, 25, 20])
})

test('when the controller is lost in the middle, what it did is told, and the rest is not tried', async () => {
  const { controller } = cluster
  const request = controller.request.bind(controller)
  let asked = 0
  controller.request = (kind, body, timeoutMs) => {
    if (++asked === 2) return Promise.reject(new ClusterError('RPC_TIMEOUT', 'nobody there'))
    return request(kind, body, timeoutMs)
  }
  const answer = await client.call(apis.createTopics, 7, {
    topics: Array.from({ length: 75 }, (_, at) => newTopic(`t${at}`, 20)),
    timeoutMs: 10_000,
    validateOnly: false,
  })
  const codes = answer.topics.map(topic => topic.errorCode)
  expect(codes).toEqual(
    Array.from({ length: 75 }, (_, at) => (at < 25 ? 0 : errorCodes.REQUEST_TIMED_OUT)),
  )
  expect(asked).toBe(2)
})

test('duplicates and the topic of the quorum are refused, the rest is created', async () => {
  const topics = [newTopic('a'), newTopic('b'), newTopic('a'), newTopic('__cluster_metadata')]
  const answer = await client.call(apis.createTopics, 5, {
    topics,
    timeoutMs: 1000,
    validateOnly: false,
  })
  expect(new Map(answer.topics.map(t => [t.name, t.errorCode]))).toEqual(
    new Map([
      ['a', errorCodes.INVALID_REQUEST],
      ['__cluster_metadata', errorCodes.INVALID_REQUEST],
      ['b', errorCodes.NONE],
    ]),
  )
})

test('validateOnly creates nothing', async () => {
  const answer = await client.call(apis.createTopics, 7, {
    topics: [newTopic('orders')],
    timeoutMs: 1000,
    validateOnly: true,
  })
  expect(answer.topics[0]?.errorCode).toBe(0)
  expect(cluster.controller.image.topicsByName.size).toBe(0)
})

test('without a controller every admin request gets a retriable error', async () => {
  await cluster.addTopic('orders', [[1]])
  cluster.controller.failure = new ClusterError('RPC_TIMEOUT', 'nobody there')
  const create = await client.call(apis.createTopics, 7, {
    topics: [newTopic('a')],
    timeoutMs: 1,
    validateOnly: false,
  })
  expect(create.topics[0]?.errorCode).toBe(errorCodes.REQUEST_TIMED_OUT)
  const remove = await client.call(apis.deleteTopics, 6, {
    topics: [{ name: 'a', topicId: zeroUuid }],
    timeoutMs: 1,
  })
  expect(remove.responses[0]?.errorCode).toBe(errorCodes.REQUEST_TIMED_OUT)
  const grow = await client.call(apis.createPartitions, 3, {
    topics: [{ name: 'orders', count: 2, assignments: null }],
    timeoutMs: 1,
    validateOnly: false,
  })
  expect(grow.results[0]?.errorCode).toBe(errorCodes.REQUEST_TIMED_OUT)
  const elect = await client.call(apis.electLeaders, 2, {
    electionType: 0,
    topicPartitions: [{ topic: 'orders', partitions: [0] }],
    timeoutMs: 1,
  })
  expect(elect.errorCode).toBe(errorCodes.REQUEST_TIMED_OUT)
  cluster.controller.failure = new ClusterError('NOT_CONTROLLER', 'moved')
  const unregister = await client.call(apis.unregisterBroker, 0, { brokerId: 9 })
  expect(unregister.errorCode).toBe(errorCodes.NOT_CONTROLLER)
  const quorum = await client.call(apis.describeQuorum, 2, { topics: [] })
  expect(quorum.errorCode).toBe(errorCodes.NOT_CONTROLLER)
})

test('topics are deleted by name and by id, each once', async () => {
  const a = await cluster.addTopic('a', [[1]])
  await cluster.addTopic('b', [[1]])
  const c = await cluster.addTopic('c', [[2]])
  const old = await client.call(apis.deleteTopics, 5, {
    topicNames: ['b', 'nope'],
    timeoutMs: 1000,
  })
  expect(old.responses.map(r => [r.name, r.errorCode])).toEqual([
    ['b', 0],
    ['nope', errorCodes.UNKNOWN_TOPIC_OR_PARTITION],
  ])
  const answer = await client.call(apis.deleteTopics, 6, {
    topics: [
      { name: null, topicId: a.id },
      { name: 'c', topicId: c.id },
      { name: null, topicId: zeroUuid },
    ],
    timeoutMs: 1000,
  })
  const codes = new Map(answer.responses.map(r => [r.name ?? r.topicId, r.errorCode]))
  expect(codes.get('a')).toBe(0)
  expect(codes.get('c')).toBe(errorCodes.INVALID_REQUEST)
  expect(codes.get(zeroUuid)).toBe(errorCodes.INVALID_REQUEST)
  const twice = await client.call(apis.deleteTopics, 6, {
    topics: [
      { name: 'c', topicId: zeroUuid },
      { name: null, topicId: c.id },
    ],
    timeoutMs: 1000,
  })
  expect(twice.responses.map(r => r.errorCode)).toEqual([errorCodes.INVALID_REQUEST])
  expect(cluster.controller.image.topicsByName.has('c')).toBe(true)
})

test('a request may name as many topics as fit into it', async () => {
  const topicNames = Array.from({ length: 130_000 }, (_, at) => `t${at}`)
  const answer = await client.call(apis.deleteTopics, 5, { topicNames, timeoutMs: 1000 })
  expect(answer.responses).toHaveLength(topicNames.length)
})

test('partitions are added, duplicates refused', async () => {
  await cluster.addTopic('a', [[1]])
  await cluster.addTopic('b', [[1]])
  const grow = (name: string, count: number) => ({ name, count, assignments: null })
  const answer = await client.call(apis.createPartitions, 3, {
    topics: [grow('a', 3), grow('b', 2), grow('b', 3), grow('nope', 1)],
    timeoutMs: 1000,
    validateOnly: false,
  })
  expect(new Map(answer.results.map(r => [r.name, r.errorCode]))).toEqual(
    new Map([
      ['b', errorCodes.INVALID_REQUEST],
      ['a', errorCodes.NONE],
      ['nope', errorCodes.UNKNOWN_TOPIC_OR_PARTITION],
    ]),
  )
  expect(cluster.broker(2).image.topicsByName.get('a')?.partitions).toHaveLength(3)
})

test('DescribeConfigs tells value, source and synonyms of a topic', async () => {
  await cluster.addTopic('orders', [[1]])
  cluster.setTopicConfig('orders', 'retention.ms', '5000')
  const answer = await client.call(apis.describeConfigs, 4, {
    resources: [
      { resourceType: topicResource, resourceName: 'orders', configurationKeys: ['retention.ms'] },
    ],
    includeSynonyms: true,
    includeDocumentation: true,
  })
  expect(answer.results[0]).toMatchObject({ errorCode: 0, resourceName: 'orders' })
  const [config] = answer.results[0]?.configs ?? []
  expect(config).toMatchObject({
    name: 'retention.ms',
    value: '5000',
    configSource: 1,
    isSensitive: false,
    configType: 5,
  })
  expect(config?.synonyms[0]).toEqual({ name: 'retention.ms', value: '5000', source: 1 })
  expect(config?.documentation).not.toBe('')
})

test('DescribeConfigs lists every key when none is named, without synonyms unless asked', async () => {
  await cluster.addTopic('orders', [[1]])
  const answer = await client.call(apis.describeConfigs, 1, {
    resources: [
      { resourceType: topicResource, resourceName: 'orders', configurationKeys: null },
      { resourceType: brokerResource, resourceName: '2', configurationKeys: null },
      { resourceType: brokerResource, resourceName: '2', configurationKeys: null },
    ],
    includeSynonyms: false,
  })
  expect(answer.results).toHaveLength(2)
  expect(answer.results[0]?.configs).toHaveLength(33)
  expect(answer.results[1]?.configs.length).toBeGreaterThan(200)
  expect(answer.results[1]?.configs.every(config => config.synonyms.length === 0)).toBe(true)
})

test('a broker describes itself alone', async () => {
  const describe = async (resourceType: number, resourceName: string) => {
    const answer = await client.call(apis.describeConfigs, 4, {
      resources: [{ resourceType, resourceName, configurationKeys: null }],
      includeSynonyms: false,
    })
    return answer.results[0]?.errorCode
  }
  expect(await describe(brokerResource, '2')).toBe(0)
  expect(await describe(brokerResource, '')).toBe(0)
  expect(await describe(brokerResource, '1')).toBe(errorCodes.INVALID_REQUEST)
  expect(await describe(brokerResource, 'x')).toBe(errorCodes.INVALID_REQUEST)
  expect(await describe(topicResource, 'nope')).toBe(errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
  expect(await describe(topicResource, 'a/b')).toBe(errorCodes.INVALID_TOPIC_EXCEPTION)
  expect(await describe(32, 'group')).toBe(errorCodes.INVALID_REQUEST)
})

test('single configurations are altered by operation', async () => {
  await cluster.addTopic('orders', [[1]])
  const answer = await client.call(apis.incrementalAlterConfigs, 1, {
    resources: [
      {
        resourceType: topicResource,
        resourceName: 'orders',
        configs: [
          { name: 'retention.ms', configOperation: 0, value: '7' },
          { name: 'segment.ms', configOperation: 1, value: 'ignored' },
          { name: 'cleanup.policy', configOperation: 2, value: 'compact' },
        ],
      },
    ],
    validateOnly: false,
  })
  expect(answer.responses).toEqual([
    { errorCode: 0, errorMessage: null, resourceType: topicResource, resourceName: 'orders' },
  ])
  const request = cluster.controller.log.findLast(entry => entry.kind === 'alterConfigs')?.request
  expect(request).toMatchObject({
    validateOnly: false,
    resources: [
      {
        resourceType: 'topic',
        changes: [
          { name: 'retention.ms', operation: 'set', value: '7' },
          { name: 'segment.ms', operation: 'delete', value: null },
          { name: 'cleanup.policy', operation: 'append', value: 'compact' },
        ],
      },
    ],
  })
})

test('alterations that cannot be meant are refused, each resource for itself', async () => {
  const set = (name: string, value: string | null = '1', configOperation = 0) => ({
    name,
    configOperation,
    value,
  })
  const resource = (
    resourceName: string,
    configs: ReturnType<typeof set>[],
    resourceType = topicResource,
  ) => ({
    resourceType,
    resourceName,
    configs,
  })
  const answer = await client.call(apis.incrementalAlterConfigs, 1, {
    resources: [
      resource('fine', [set('retention.ms')]),
      resource('key-twice', [set('retention.ms'), set('retention.ms', '2')]),
      resource('no-value', [set('retention.ms', null)]),
      resource('no-operation', [set('retention.ms', '1', 9)]),
      resource('twice', [set('retention.ms')]),
      resource('twice', [set('retention.ms')]),
      resource('logger', [set('x')], 8),
    ],
    validateOnly: true,
  })
  expect(new Map(answer.responses.map(r => [r.resourceName, r.errorCode]))).toEqual(
    new Map([
      ['key-twice', errorCodes.INVALID_REQUEST],
      ['no-value', errorCodes.INVALID_REQUEST],
      ['no-operation', errorCodes.INVALID_REQUEST],
      ['twice', errorCodes.INVALID_REQUEST],
      ['logger', errorCodes.INVALID_REQUEST],
      ['fine', errorCodes.NONE],
    ]),
  )
})

test('AlterConfigs replaces all overrides', async () => {
  await cluster.addTopic('orders', [[1]])
  cluster.setTopicConfig('orders', 'retention.ms', '5')
  cluster.setTopicConfig('orders', 'segment.ms', '6')
  const alter = (configs: { name: string; value: string | null }[]) =>
    client.call(apis.alterConfigs, 2, {
      resources: [{ resourceType: topicResource, resourceName: 'orders', configs }],
      validateOnly: false,
    })
  expect((await alter([{ name: 'retention.ms', value: '9' }])).responses[0]?.errorCode).toBe(0)
  const overrides = cluster.controller.image.configs.get('topic:orders')
  expect([...(overrides ?? [])]).toEqual([['retention.ms', '9']])
  const noValue = await alter([{ name: 'retention.ms', value: null }])
  expect(noValue.responses[0]?.errorCode).toBe(errorCodes.INVALID_CONFIG)
})

test('elections are asked of the controller and grouped by topic', async () => {
  await cluster.addTopic('a', [[1], [2]])
  const elect = (
    electionType: number,
    topicPartitions: { topic: string; partitions: number[] }[] | null,
  ) => client.call(apis.electLeaders, 2, { electionType, topicPartitions, timeoutMs: 1000 })
  const answer = await elect(0, [{ topic: 'a', partitions: [0, 1, 1] }])
  expect(answer.replicaElectionResults).toHaveLength(1)
  expect(
    answer.replicaElectionResults[0]?.partitionResult.map(p => [p.partitionId, p.errorCode]),
  ).toEqual([
    [0, errorCodes.ELECTION_NOT_NEEDED],
    [1, errorCodes.ELECTION_NOT_NEEDED],
  ])
  cluster.controller.overrides.electLeaders = () => ({
    errorCode: 0,
    errorMessage: null,
    partitions: [
      { topic: 'a', partition: 0, errorCode: errorCodes.ELECTION_NOT_NEEDED, errorMessage: null },
      { topic: 'a', partition: 1, errorCode: 0, errorMessage: null },
    ],
  })
  const all = await elect(1, null)
  expect(all.replicaElectionResults[0]?.partitionResult.map(p => p.partitionId)).toEqual([1])
  expect(cluster.controller.log.at(-1)?.request).toEqual({ kind: 'unclean', partitions: null })
  expect((await elect(7, null)).errorCode).toBe(errorCodes.INVALID_REQUEST)
})

const reassign = (
  topics: readonly (readonly [name: string, partition: number, replicas: number[] | null])[],
  allowReplicationFactorChange = true,
) =>
  client.call(apis.alterPartitionReassignments, 1, {
    timeoutMs: 1000,
    allowReplicationFactorChange,
    topics: topics.map(([name, partitionIndex, replicas]) => ({
      name,
      partitions: [{ partitionIndex, replicas }],
    })),
  })

test('a reassignment is asked of the controller, and listed by this broker when it is answered', async () => {
  await cluster.addTopic('a', [[1], [2]])
  const answer = await reassign([['a', 1, [1]]], false)
  expect(answer).toMatchObject({
    errorCode: 0,
    allowReplicationFactorChange: false,
    responses: [{ name: 'a', partitions: [{ partitionIndex: 1, errorCode: 0 }] }],
  })
  expect(cluster.controller.log.at(-1)?.request).toEqual({
    allowReplicationFactorChange: false,
    partitions: [{ topic: 'a', partition: 1, replicas: [1] }],
  })
  const listed = await client.call(apis.listPartitionReassignments, 0, {
    timeoutMs: 1000,
    topics: null,
  })
  expect(listed.topics[0]?.partitions).toEqual([
    { partitionIndex: 1, replicas: [2, 1], addingReplicas: [1], removingReplicas: [2] },
  ])
  expect((await reassign([['a', 1, null]])).responses[0]?.partitions[0]?.errorCode).toBe(0)
  expect(cluster.controller.log.at(-1)?.request).toMatchObject({
    partitions: [{ replicas: null }],
  })
})

test('a reassignment that names a partition twice does neither, and the others', async () => {
  await cluster.addTopic('a', [[1], [2]])
  const answer = await reassign([
    ['a', 0, [2]],
    ['a', 0, [1]],
    ['a', 1, [1]],
    ['b', 0, [1]],
  ])
  const told = answer.responses.map(({ name, partitions }) => [
    name,
    ...partitions.map(each => `${each.partitionIndex} ${each.errorCode}`),
  ])
  expect(told).toEqual([
    ['a', '1 0', `0 ${errorCodes.INVALID_REQUEST}`, `0 ${errorCodes.INVALID_REQUEST}`],
    ['b', `0 ${errorCodes.UNKNOWN_TOPIC_OR_PARTITION}`],
  ])
})

test('a large reassignment is asked in parts; a controller that is lost in the middle is told', async () => {
  await cluster.addTopic(
    'wide',
    Array.from({ length: partitionsPerForwardMax + 1 }, () => [1]),
  )
  const { controller } = cluster
  const request = controller.request.bind(controller)
  const sizes: number[] = []
  let lostAt = 2
  controller.request = (kind, body, timeoutMs) => {
    if ('partitions' in body) sizes.push(body.partitions?.length ?? 0)
    if (sizes.length === lostAt) return Promise.reject(new ClusterError('RPC_TIMEOUT', 'nobody'))
    return request(kind, body, timeoutMs)
  }
  const partitions = Array.from({ length: partitionsPerForwardMax + 1 }, (_, partitionIndex) => ({
    partitionIndex,
    replicas: [1],
  }))
  const asked = { timeoutMs: 1000, topics: [{ name: 'wide', partitions }] }
  const answer = await client.call(apis.alterPartitionReassignments, 0, asked)
  expect(sizes).toEqual([partitionsPerForwardMax, 1])
  expect(answer.errorCode).toBe(0)
  expect(answer.responses[0]?.partitions.filter(each => each.errorCode !== 0)).toEqual([
    {
      partitionIndex: partitionsPerForwardMax,
      errorCode: errorCodes.REQUEST_TIMED_OUT,
      errorMessage: 'nobody',
    },
  ])
  sizes.length = 0
  lostAt = 1
  const nothing = await client.call(apis.alterPartitionReassignments, 0, asked)
  expect(nothing).toMatchObject({ errorCode: errorCodes.REQUEST_TIMED_OUT, responses: [] })
})

test('the quorum is described by who leads it', async () => {
  const answer = await client.call(apis.describeQuorum, 2, {
    topics: [
      {
        topicName: '__cluster_metadata',
        partitions: [{ partitionIndex: 0 }, { partitionIndex: 1 }],
      },
      { topicName: 'orders', partitions: [{ partitionIndex: 0 }] },
    ],
  })
  expect(answer.topics[0]?.partitions[0]).toMatchObject({
    errorCode: 0,
    leaderId: 1,
    leaderEpoch: 7,
  })
  expect(answer.topics[0]?.partitions[1]?.errorCode).toBe(errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
  expect(answer.topics[1]?.partitions[0]?.errorCode).toBe(errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
  expect(answer.nodes).toEqual([
    { nodeId: 4, listeners: [{ name: 'CONTROLLER', host: 'node4', port: 9093 }] },
    { nodeId: 1, listeners: [{ name: 'CONTROLLER', host: 'node1', port: 9093 }] },
  ])
})

const addVoter = (
  listeners: readonly { name: string; host: string; port: number }[],
  voterId = 4,
) =>
  client.call(apis.addRaftVoter, 1, {
    clusterId: null,
    timeoutMs: 1000,
    voterId,
    voterDirectoryId: 'AAAAAAAAAAAAAAAAAAAAAQ',
    listeners: [...listeners],
    ackWhenCommitted: true,
  })

test('a voter is added where its controller listener is, whatever else it names', async () => {
  const others = { name: 'PLAINTEXT', host: 'a', port: 1 }
  const quorum = { name: 'CONTROLLER', host: 'b', port: 2 }
  expect(await addVoter([others, quorum])).toMatchObject({ errorCode: 0, errorMessage: 'b:2' })
  expect(await addVoter([others])).toMatchObject({ errorCode: 0, errorMessage: 'a:1' })
  expect((await addVoter([quorum], 1)).errorCode).toBe(errorCodes.DUPLICATE_VOTER)
})

test('a voter that nobody could reach is none', async () => {
  for (const listeners of [
    [],
    [{ name: 'CONTROLLER', host: '', port: 9093 }],
    [{ name: 'CONTROLLER', host: 'a\nb', port: 9093 }],
    [{ name: 'CONTROLLER', host: 'a'.repeat(256), port: 9093 }],
    [{ name: 'CONTROLLER', host: 'a', port: 0 }],
  ]) {
    expect((await addVoter(listeners)).errorCode).toBe(errorCodes.INVALID_REQUEST)
  }
})

test('a voter is removed by its id and its directory', async () => {
  const directory = 'AAAAAAAAAAAAAAAAAAAAAQ'
  const remove = (voterId: number) =>
    client.call(apis.removeRaftVoter, 0, { clusterId: null, voterId, voterDirectoryId: directory })
  expect(await remove(1)).toMatchObject({ errorCode: 0, errorMessage: directory })
  expect((await remove(4)).errorCode).toBe(errorCodes.VOTER_NOT_FOUND)
})

test('an answer does not grow by asking for the same again', async () => {
  const many = <T>(item: T): T[] => Array.from({ length: 5000 }, () => item)
  const quorum = await client.call(apis.describeQuorum, 2, {
    topics: many({
      topicName: '__cluster_metadata',
      partitions: many({ partitionIndex: 0 }).slice(0, 3),
    }),
  })
  expect(quorum.topics.map(topic => topic.partitions.length)).toEqual([1])
  const configs = await client.call(apis.describeConfigs, 4, {
    resources: many({ resourceType: brokerResource, resourceName: '2', configurationKeys: null }),
    includeSynonyms: true,
  })
  expect(configs.results).toHaveLength(1)
})

test('a broker that is gone for good is unregistered', async () => {
  expect((await client.call(apis.unregisterBroker, 0, { brokerId: 9 })).errorCode).toBe(
    errorCodes.BROKER_ID_NOT_REGISTERED,
  )
})
