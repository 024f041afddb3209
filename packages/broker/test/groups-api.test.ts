import { apis, decodeBatch, errorCodes } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { consumerOffsetsTopic } from '../src/topics.ts'
import { GroupClient, settles, topicOffsets } from './support/group-client.ts'
import { TestCluster } from './support/test-cluster.ts'

const properties = {
  'offsets.topic.num.partitions': '4',
  'offsets.topic.replication.factor': '1',
  'group.initial.rebalance.delay.ms': '0',
}

async function started(): Promise<{
  readonly cluster: TestCluster
  readonly consumer: GroupClient
}> {
  const cluster = await TestCluster.start({ properties })
  await cluster.addTopic('orders')
  const consumer = new GroupClient(cluster, cluster.client())
  await consumer.ready()
  return { cluster, consumer }
}

const versions = (min: number, max: number) =>
  Array.from({ length: max - min + 1 }, (_, each) => [min + each] as const)

test('the first FindCoordinator has __consumer_offsets created, once, as it is configured', async () => {
  const cluster = await TestCluster.start({ properties })
  const consumer = new GroupClient(cluster, cluster.client(1, 'OUTSIDE'))
  const request = { keyType: 0, coordinatorKeys: ['g', 'h'] }
  const first = await cluster.client().call(apis.findCoordinator, 4, request)
  expect(
    first.coordinators.map(each => [each.key, each.errorCode, each.nodeId, each.port]),
  ).toEqual([
    ['g', errorCodes.COORDINATOR_NOT_AVAILABLE, -1, -1],
    ['h', errorCodes.COORDINATOR_NOT_AVAILABLE, -1, -1],
  ])
  await consumer.ready()
  expect(cluster.controller.count('createTopics')).toBe(1)
  expect(cluster.topic(consumerOffsetsTopic).partitions).toHaveLength(4)
  expect(cluster.controller.image.configs.get(`topic:${consumerOffsetsTopic}`)).toEqual(
    new Map([
      ['cleanup.policy', 'compact'],
      ['compression.type', 'producer'],
      ['segment.bytes', '104857600'],
    ]),
  )
  const found = await consumer.call(apis.findCoordinator, 4, request)
  expect(found.coordinators[0]).toMatchObject({ nodeId: 1, host: 'outside1', port: 19_092 })
})

test.each(versions(0, 3))('FindCoordinator v%i answers one key', async version => {
  const { cluster } = await started()
  const found = await cluster.client().call(apis.findCoordinator, version, { key: 'g', keyType: 0 })
  expect(found).toMatchObject({ errorCode: 0, nodeId: 1, host: 'host1', port: 9092 })
})

test('coordinators of transactions and of unknown types are refused for good', async () => {
  const { cluster } = await started()
  const ask = async (keyType: number) =>
    (await cluster.client().call(apis.findCoordinator, 6, { keyType, coordinatorKeys: ['k'] }))
      .coordinators[0]
  expect((await ask(1))?.errorCode).toBe(errorCodes.UNSUPPORTED_VERSION)
  expect((await ask(2))?.errorCode).toBe(errorCodes.INVALID_REQUEST)
})

test('with too few brokers for the replication factor there is no coordinator, until there are enough', async () => {
  const tooMany = { ...properties, 'offsets.topic.replication.factor': '3' }
  const cluster = await TestCluster.start({ properties: tooMany })
  const find = () => cluster.client().call(apis.findCoordinator, 3, { key: 'g', keyType: 0 })
  for (let attempt = 0; attempt < 3; attempt++) {
    expect((await find()).errorCode).toBe(errorCodes.COORDINATOR_NOT_AVAILABLE)
    await cluster.clock.advance(300)
  }
  expect(cluster.controller.count('createTopics')).toBe(3)
  const enough = await TestCluster.start({ properties: tooMany, brokerCount: 3 })
  await enough.clock.advance(5000)
  await new GroupClient(enough, enough.client()).ready()
  expect(enough.topic(consumerOffsetsTopic).partitions[0]?.replicas).toHaveLength(3)
})

test.each(versions(0, 9))('a consumer lives with JoinGroup v%i', async version => {
  const { consumer } = await started()
  const joined = await consumer.join(version)
  expect(joined).toMatchObject({
    errorCode: 0,
    generationId: 1,
    protocolName: 'range',
    leader: joined.memberId,
  })
  expect(joined.memberId).toMatch(/^test-/)
  const synced = await consumer.sync(Math.min(version, 5), joined)
  expect(synced).toMatchObject({ errorCode: 0, assignment: new Uint8Array([1, 2, 3]) })
  const member = { groupId: 'g', generationId: 1, memberId: joined.memberId, groupInstanceId: null }
  expect((await consumer.call(apis.heartbeat, Math.min(version, 4), member)).errorCode).toBe(0)
  const committing = { generationIdOrMemberEpoch: 1, memberId: joined.memberId }
  const committed = await consumer.commit(Math.max(version, 2), 42, committing)
  expect(committed.topics[0]?.partitions[0]?.errorCode).toBe(0)
  expect(await consumer.committed()).toBe(42)
  const leaving = { memberId: joined.memberId, groupInstanceId: null, reason: null }
  const left = await consumer.call(apis.leaveGroup, Math.min(version, 5), {
    groupId: 'g',
    memberId: joined.memberId,
    members: [leaving],
  })
  expect(left.errorCode).toBe(0)
  const { groups } = await consumer.call(apis.describeGroups, 6, { groups: ['g'] })
  expect(groups[0]).toMatchObject({ errorCode: 0, groupState: 'Empty' })
})

test('metrics count the groups of this broker by state, and the partitions that hold them', async () => {
  const { cluster, consumer } = await started()
  const text = () => cluster.broker(1).metrics.registry.prometheusText()
  const bean = 'kafka_coordinator_group_groupmetadatamanager'
  expect(text()).toContain(`${bean}_numgroups 0\n`)
  expect(text()).toContain(`${bean}_numpartitions 4\n`)
  expect(text()).toContain(`${bean}_numpartitionsloading 0\n`)
  await consumer.join(9)
  await cluster.clock.advance(20)
  expect(text()).toContain(`${bean}_numgroups 1\n`)
  expect(text()).toContain(`${bean}_numgroupscompletingrebalance 1\n`)
  expect(text()).toContain(`${bean}_numgroupsstable 0\n`)
})

test('an error of JoinGroup has an empty protocol name before v7 and none since', async () => {
  const { consumer } = await started()
  const request = {
    groupId: '',
    sessionTimeoutMs: 10_000,
    memberId: '',
    protocolType: 'consumer',
    protocols: [],
  }
  expect(await consumer.call(apis.joinGroup, 6, request)).toMatchObject({
    errorCode: errorCodes.INVALID_GROUP_ID,
    protocolName: '',
  })
  expect((await consumer.call(apis.joinGroup, 7, request)).protocolName).toBe(null)
})

test('SyncGroup v5 must name the protocol', async () => {
  const { consumer } = await started()
  const joined = await consumer.join(9)
  const request = { groupId: 'g', generationId: 1, memberId: joined.memberId, assignments: [] }
  const refused = await consumer.call(apis.syncGroup, 5, request)
  expect(refused.errorCode).toBe(errorCodes.INCONSISTENT_GROUP_PROTOCOL)
})

test.each(versions(0, 2))(
  'LeaveGroup v%i: the error of the one member is that of the request',
  async version => {
    const { consumer } = await started()
    const left = await consumer.call(apis.leaveGroup, version, {
      groupId: 'g',
      memberId: 'stranger',
    })
    expect(left.errorCode).toBe(errorCodes.UNKNOWN_MEMBER_ID)
  },
)

test.each(versions(2, 10))('OffsetCommit v%i: what does not exist fails alone', async version => {
  const { cluster, consumer } = await started()
  const orders = topicOffsets(cluster, 'orders', 7)
  const topics = [
    topicOffsets(cluster, 'never', 1),
    {
      ...orders,
      partitions: [...topicOffsets(cluster, 'orders', 1, 99).partitions, ...orders.partitions],
    },
  ]
  const committed = await consumer.commit(version, 0, { topics })
  const unknown =
    version >= 10 ? errorCodes.UNKNOWN_TOPIC_ID : errorCodes.UNKNOWN_TOPIC_OR_PARTITION
  expect(committed.topics.map(topic => topic.partitions)).toEqual([
    [{ partitionIndex: 0, errorCode: unknown }],
    [
      { partitionIndex: 99, errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION },
      { partitionIndex: 0, errorCode: 0 },
    ],
  ])
  expect(await consumer.committed()).toBe(7)
})

test('a generation of a group that is not there: GROUP_ID_NOT_FOUND since OffsetCommit v9', async () => {
  const { consumer } = await started()
  const code = async (version: number) =>
    (await consumer.commit(version, 1, { generationIdOrMemberEpoch: 5, memberId: 'm' })).topics[0]
      ?.partitions[0]?.errorCode
  expect(await code(8)).toBe(errorCodes.ILLEGAL_GENERATION)
  expect(await code(9)).toBe(errorCodes.GROUP_ID_NOT_FOUND)
})

test.each(versions(1, 7))('OffsetFetch v%i answers one group', async version => {
  const { consumer } = await started()
  await consumer.commit(9, 11)
  const topics = [{ name: 'orders', partitionIndexes: [0, 5] }]
  const fetched = await consumer.call(apis.offsetFetch, version, {
    groupId: 'g',
    topics,
    requireStable: false,
  })
  expect(fetched.errorCode).toBe(0)
  expect(
    fetched.topics[0]?.partitions.map(each => [
      each.partitionIndex,
      each.committedOffset,
      each.errorCode,
    ]),
  ).toEqual([
    [0, 11, 0],
    [5, -1, 0],
  ])
  if (version < 2) return
  const all = await consumer.call(apis.offsetFetch, version, {
    groupId: 'g',
    topics: null,
    requireStable: false,
  })
  expect(all.topics.map(topic => topic.name)).toEqual(['orders'])
})

test.each(versions(8, 10))('OffsetFetch v%i answers several groups', async version => {
  const { cluster, consumer } = await started()
  await consumer.commit(9, 11)
  const topicId = cluster.topic('orders').id
  const asked = (
    topics: { name: string; topicId: string; partitionIndexes: number[] }[] | null,
    groupId = 'g',
  ) => ({
    groupId,
    memberId: null,
    memberEpoch: -1,
    topics,
  })
  const groups = [
    asked([{ name: 'orders', topicId, partitionIndexes: [0] }]),
    asked([{ name: 'never', topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', partitionIndexes: [3] }]),
    asked(null),
    asked(null, 'nobody'),
  ]
  const fetched = await consumer.call(apis.offsetFetch, version, { groups, requireStable: true })
  expect(fetched.groups.map(group => group.errorCode)).toEqual([0, 0, 0, 0])
  const [orders, never, all, nobody] = fetched.groups
  expect(orders?.topics[0]?.partitions[0]).toMatchObject({ committedOffset: 11, metadata: 'note' })
  expect(never?.topics[0]?.partitions[0]).toMatchObject({
    partitionIndex: 3,
    committedOffset: -1,
    errorCode: version >= 10 ? errorCodes.UNKNOWN_TOPIC_ID : 0,
  })
  expect(all?.topics).toEqual(orders?.topics)
  expect(nobody?.topics).toEqual([])
})

test('before there is a coordinator OffsetFetch says so, in v1 on every partition', async () => {
  const cluster = await TestCluster.start({ properties })
  const consumer = new GroupClient(cluster, cluster.client())
  const request = {
    groupId: 'g',
    topics: [{ name: 'orders', partitionIndexes: [0, 1] }],
    requireStable: false,
  }
  const { NOT_COORDINATOR } = errorCodes
  const spread = await consumer.call(apis.offsetFetch, 1, request)
  expect(spread.topics[0]?.partitions.map(each => each.errorCode)).toEqual([
    NOT_COORDINATOR,
    NOT_COORDINATOR,
  ])
  expect(await consumer.call(apis.offsetFetch, 2, request)).toMatchObject({
    errorCode: NOT_COORDINATOR,
    topics: [],
  })
  expect(await consumer.committed()).toBe(NOT_COORDINATOR)
})

test('DescribeGroups shows members once the group is stable, and what is not there', async () => {
  const { consumer } = await started()
  const joined = await consumer.join(9)
  await consumer.sync(5, joined)
  const request = { groups: ['g', 'nobody'], includeAuthorizedOperations: true }
  const { groups } = await consumer.call(apis.describeGroups, 6, request)
  expect(groups[0]).toMatchObject({
    errorCode: 0,
    groupState: 'Stable',
    protocolType: 'consumer',
    protocolData: 'range',
    authorizedOperations: 3400,
  })
  expect(groups[0]?.members).toMatchObject([
    {
      memberId: joined.memberId,
      clientId: 'test',
      clientHost: '/127.0.0.1',
      memberAssignment: new Uint8Array([1, 2, 3]),
    },
  ])
  expect(groups[1]).toMatchObject({
    errorCode: errorCodes.GROUP_ID_NOT_FOUND,
    errorMessage: 'Group nobody not found.',
    groupState: 'Dead',
  })
  const before = await consumer.call(apis.describeGroups, 5, request)
  expect(before.groups[1]).toMatchObject({ errorCode: 0, groupState: 'Dead' })
})

test('ListGroups filters by state and type', async () => {
  const { consumer } = await started()
  await consumer.commit(9, 1, { groupId: 'simple' })
  await consumer.sync(5, await consumer.join(9))
  const list = async (statesFilter: string[], typesFilter: string[]) =>
    (await consumer.call(apis.listGroups, 5, { statesFilter, typesFilter })).groups
      .map(group => group.groupId)
      .sort()
  expect(await list([], [])).toEqual(['g', 'simple'])
  expect(await list(['stable'], ['Classic'])).toEqual(['g'])
  expect(await list(['Empty', 'Dead'], [])).toEqual(['simple'])
  expect(await list([], ['consumer'])).toEqual([])
})

test('DeleteGroups and OffsetDelete', async () => {
  const { consumer } = await started()
  await consumer.commit(9, 1, { groupId: 'simple' })
  await consumer.sync(5, await consumer.join(9))
  const remove = {
    groupId: 'simple',
    topics: [{ name: 'orders', partitions: [{ partitionIndex: 0 }, { partitionIndex: 9 }] }],
  }
  const removed = await consumer.call(apis.offsetDelete, 0, remove)
  expect(removed.errorCode).toBe(0)
  expect(removed.topics[0]?.partitions.map(each => each.errorCode)).toEqual([
    0,
    errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
  ])
  const subscribed = await consumer.call(apis.offsetDelete, 0, { ...remove, groupId: 'g' })
  expect(subscribed.topics[0]?.partitions[0]?.errorCode).toBe(errorCodes.GROUP_SUBSCRIBED_TO_TOPIC)
  const unknown = await consumer.call(apis.offsetDelete, 0, { ...remove, groupId: 'nobody' })
  expect(unknown).toMatchObject({ errorCode: errorCodes.GROUP_ID_NOT_FOUND, topics: [] })
  await consumer.commit(9, 1, { groupId: 'simple' })
  const { results } = await consumer.call(apis.deleteGroups, 2, {
    groupsNames: ['simple', 'g', 'nobody', 'g'],
  })
  expect(results).toEqual([
    { groupId: 'simple', errorCode: 0 },
    { groupId: 'g', errorCode: errorCodes.NON_EMPTY_GROUP },
    { groupId: 'nobody', errorCode: errorCodes.GROUP_ID_NOT_FOUND },
  ])
})

test('commits that one connection sends at once take effect in their order', async () => {
  const { cluster, consumer } = await started()
  const request = (offset: number) => ({
    groupId: 'g',
    generationIdOrMemberEpoch: -1,
    memberId: '',
    topics: [topicOffsets(cluster, 'orders', offset)],
  })
  await settles(
    cluster,
    Promise.all(
      [5, 4, 3, 2, 1].map(offset => consumer.client.call(apis.offsetCommit, 8, request(offset))),
    ),
  )
  expect(await consumer.committed()).toBe(1)
})

test('a deleted topic takes the offsets of groups with it', async () => {
  const { cluster, consumer } = await started()
  await consumer.commit(9, 11)
  await settles(
    cluster,
    cluster.controller.request('deleteTopics', { topics: [{ name: 'orders', topicId: null }] }),
  )
  await cluster.clock.advance(2000)
  expect(await consumer.committed()).toBe(-1)
})

test('what is in __consumer_offsets is readable by any consumer', async () => {
  const { cluster, consumer } = await started()
  await consumer.commit(9, 11)
  const topicId = cluster.topic(consumerOffsetsTopic).id
  const fetched = await consumer.call(apis.fetch, 13, {
    replicaId: -1,
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 1 << 20,
    isolationLevel: 0,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [
      {
        topicId,
        partitions: [0, 1, 2, 3].map(partition => ({
          partition,
          currentLeaderEpoch: -1,
          fetchOffset: 0,
          lastFetchedEpoch: -1,
          logStartOffset: -1,
          partitionMaxBytes: 1 << 20,
        })),
      },
    ],
    forgottenTopicsData: [],
    rackId: '',
  })
  const batches =
    fetched.responses[0]?.partitions.flatMap(({ records }) => (records?.length ? [records] : [])) ??
    []
  expect(batches).toHaveLength(1)
  const [record] = decodeBatch(batches[0] ?? new Uint8Array(), 0).records
  expect([...(record?.key ?? [])].slice(0, 5)).toEqual([0, 1, 0, 1, 103])
})

test('a group and its offsets survive the fail-over to another broker, members go on', async () => {
  const cluster = await TestCluster.start({
    brokerCount: 3,
    properties: {
      ...properties,
      'offsets.topic.num.partitions': '1',
      'offsets.topic.replication.factor': '3',
    },
  })
  await cluster.clock.advance(5000)
  await cluster.addTopic('orders', [[2, 3]])
  const first = new GroupClient(cluster, cluster.client(1))
  const before = await first.ready()
  const old = new GroupClient(cluster, cluster.client(before))
  const joined = await old.join(9)
  await old.sync(5, joined)
  const member = { generationIdOrMemberEpoch: 1, memberId: joined.memberId }
  expect((await old.commit(9, 42, member)).topics[0]?.partitions[0]?.errorCode).toBe(0)
  const after = before === 1 ? 2 : 1
  const { id: topicId } = cluster.topic(consumerOffsetsTopic)
  cluster.controller.commit([
    { kind: 'partitionChange', topicId, partition: 0, leader: after, isr: [1, 2, 3] },
  ])
  expect(await old.committed()).toBe(errorCodes.NOT_COORDINATOR)
  expect(await first.ready()).toBe(after)
  const now = new GroupClient(cluster, cluster.client(after))
  expect(await now.committed()).toBe(42)
  const beat = { groupId: 'g', generationId: 1, memberId: joined.memberId, groupInstanceId: null }
  expect((await now.call(apis.heartbeat, 4, beat)).errorCode).toBe(0)
  expect((await now.commit(9, 43, member)).topics[0]?.partitions[0]?.errorCode).toBe(0)
  expect(await now.committed()).toBe(43)
})

test('a commit that the replicas do not get in time is answered, is not told, and counts when they are back', async () => {
  const cluster = await TestCluster.start({
    brokerCount: 2,
    properties: {
      ...properties,
      'offsets.topic.num.partitions': '1',
      'offsets.topic.replication.factor': '2',
      'replica.lag.time.max.ms': '600000',
    },
  })
  await cluster.clock.advance(5000)
  await cluster.addTopic('orders')
  const leader = await new GroupClient(cluster, cluster.client(1)).ready()
  const consumer = new GroupClient(cluster, cluster.client(leader))
  await consumer.commit(9, 1)
  cluster.unreachable.add(leader === 1 ? 2 : 1)
  const late = await consumer.commit(9, 2)
  expect(late.topics[0]?.partitions[0]?.errorCode).toBe(errorCodes.COORDINATOR_NOT_AVAILABLE)
  expect(await consumer.committed()).toBe(1)
  await cluster.clock.advance(60_000)
  expect(await consumer.committed()).toBe(1)
  cluster.unreachable.clear()
  await cluster.clock.advance(5000)
  expect(await consumer.committed()).toBe(2)
})
