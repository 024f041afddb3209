import { must } from '@trimaran/common'
import { expect, test } from 'vitest'
import { nameOf, TestCluster } from './harness.ts'

const orders = async (
  configs: Readonly<Record<string, string>> = {},
  replicas: readonly number[] = [1, 2, 3],
): Promise<TestCluster> => {
  const cluster = await TestCluster.of([1, 2, 3, 4, 5])
  await cluster.topic('orders', [replicas], configs)
  return cluster
}

const epochs = (cluster: TestCluster): string => {
  const { leaderEpoch, partitionEpoch } = cluster.partition('orders', 0)
  return `${leaderEpoch}/${partitionEpoch}`
}

test('new replicas join, and when they are in sync the old ones leave and the leader epoch rises', async () => {
  const cluster = await orders()
  expect(await cluster.reassign('orders', [1, 4, 5])).toBe('NONE')
  expect(cluster.describeReplicas('orders')).toBe('1,4,5,2,3 +4 +5 -2 -3 1/1,2,3')
  expect(epochs(cluster)).toBe('0/1')
  expect(await cluster.alterIsr('orders', [1, 2, 3, 4])).toBe('NONE')
  expect(cluster.describeReplicas('orders')).toBe('1,4,5,2,3 +4 +5 -2 -3 1/1,2,3,4')
  expect(await cluster.alterIsr('orders', [1, 2, 3, 4, 5])).toBe('NONE')
  expect(cluster.describeReplicas('orders')).toBe('1,4,5 1/1,4,5')
  expect(epochs(cluster)).toBe('1/3')
})

test('a leader that is moved away is told, and the first of the target leads', async () => {
  const cluster = await orders()
  await cluster.reassign('orders', [4, 5])
  expect(await cluster.alterIsr('orders', [1, 2, 3, 4])).toBe('NONE')
  expect(await cluster.alterIsr('orders', [1, 4, 5])).toBe('NEW_LEADER_ELECTED')
  expect(cluster.describeReplicas('orders')).toBe('4,5 4/4,5')
  expect(epochs(cluster)).toBe('1/3')
})

test.each([
  ['in another order', [3, 2, 1], '3,2,1 1/1,2,3', '0/1'],
  ['with fewer replicas', [1, 3], '1,3 1/1,3', '1/1'],
  ['without its leader', [3, 2], '3,2 3/2,3', '1/1'],
  ['as it is', [1, 2, 3], '1,2,3 1/1,2,3', '0/0'],
] as const)('a target that is in sync is reached at once: %s', async (_what, target, is, at) => {
  const cluster = await orders()
  expect(await cluster.reassign('orders', target)).toBe('NONE')
  expect([cluster.describeReplicas('orders'), epochs(cluster)]).toEqual([is, at])
})

test('a target that is part of the replicas waits for the one that is out of sync', async () => {
  const cluster = await orders()
  await cluster.alterIsr('orders', [1, 2])
  await cluster.reassign('orders', [1, 3])
  expect(cluster.describeReplicas('orders')).toBe('1,3,2 -2 1/1,2')
  await cluster.alterIsr('orders', [1, 2, 3])
  expect(cluster.describeReplicas('orders')).toBe('1,3 1/1,3')
})

test.each([
  ['INVALID_REPLICA_ASSIGNMENT', []],
  ['INVALID_REPLICA_ASSIGNMENT', [1, 1]],
  ['INVALID_REPLICA_ASSIGNMENT', [1, 9]],
  ['INVALID_REPLICA_ASSIGNMENT', [-1]],
  ['NO_REASSIGNMENT_IN_PROGRESS', null],
] as const)('%s: %j', async (error, replicas) => {
  const cluster = await orders()
  const end = cluster.log.nextOffset
  expect(await cluster.reassign('orders', replicas)).toBe(error)
  expect(cluster.log.nextOffset).toBe(end)
})

test('what does not exist is told, and what is named twice is not done at all', async () => {
  const cluster = await orders()
  const asked = [
    { topic: 'nothing', partition: 0, replicas: [1] },
    { topic: 'orders', partition: 7, replicas: [1] },
    { topic: 'orders', partition: 0, replicas: [4] },
    { topic: 'orders', partition: 0, replicas: null },
  ]
  const request = { allowReplicationFactorChange: true, partitions: asked }
  const { partitions } = await cluster.ask('alterPartitionReassignments', request)
  expect(
    partitions.map(each => `${each.topic}-${each.partition} ${nameOf(each.errorCode)}`),
  ).toEqual([
    'nothing-0 UNKNOWN_TOPIC_OR_PARTITION',
    'orders-7 UNKNOWN_TOPIC_OR_PARTITION',
    'orders-0 INVALID_REQUEST',
    'orders-0 INVALID_REQUEST',
  ])
  expect(cluster.describeReplicas('orders')).toBe('1,2,3 1/1,2,3')
})

test('the replication factor can be held, counted as it is when what is under way is done', async () => {
  const cluster = await orders()
  const held = { allowReplicationFactorChange: false }
  expect(await cluster.reassign('orders', [4, 5], held)).toBe('INVALID_REPLICATION_FACTOR')
  expect(await cluster.reassign('orders', [1, 2, 4], held)).toBe('NONE')
  expect(await cluster.reassign('orders', [1, 2, 3, 4], held)).toBe('INVALID_REPLICATION_FACTOR')
  expect(await cluster.reassign('orders', [1, 2, 5], held)).toBe('NONE')
})

test('cancelled, it is as before, and who was being added is out', async () => {
  const cluster = await orders()
  await cluster.reassign('orders', [4, 5, 1])
  await cluster.alterIsr('orders', [1, 2, 3, 4])
  expect(await cluster.reassign('orders', null)).toBe('NONE')
  expect(cluster.describeReplicas('orders')).toBe('1,2,3 1/1,2,3')
  expect(epochs(cluster)).toBe('1/3')
  expect(await cluster.reassign('orders', null)).toBe('NO_REASSIGNMENT_IN_PROGRESS')
})

test('cancelled while a new replica leads, an original one leads again', async () => {
  const cluster = await orders()
  await cluster.reassign('orders', [4, 5])
  await cluster.alterIsr('orders', [1, 2, 3, 4])
  await cluster.ask('electLeaders', { kind: 'preferred', partitions: null })
  expect(cluster.describe('orders')).toBe('4/1,2,3,4')
  await cluster.reassign('orders', null)
  expect(cluster.describeReplicas('orders')).toBe('1,2,3 1/1,2,3')
})

test('only new replicas are in sync: going back would be unclean', async () => {
  const cluster = await orders()
  await cluster.reassign('orders', [4, 5])
  await cluster.alterIsr('orders', [1, 2, 3, 4])
  for (const id of [1, 2, 3]) cluster.kill(id)
  expect(cluster.describe('orders')).toBe('4/4')
  await cluster.start(2)
  expect(await cluster.reassign('orders', null)).toBe('INVALID_REPLICA_ASSIGNMENT')
  const changes = [
    { name: 'unclean.leader.election.enable', operation: 'set' as const, value: 'true' },
  ]
  const resource = { resourceType: 'topic' as const, resourceName: 'orders', changes }
  await cluster.ask('alterConfigs', { validateOnly: false, resources: [resource] })
  expect(await cluster.reassign('orders', null)).toBe('NONE')
  expect(cluster.describeReplicas('orders')).toBe('1,2,3 2/2 recovering')
})

test('only new replicas are in sync: an eligible original one has everything, too', async () => {
  const cluster = await orders({ 'min.insync.replicas': '2' })
  await cluster.reassign('orders', [4, 5])
  await cluster.alterIsr('orders', [1, 2, 3, 4])
  for (const id of [1, 2, 3]) cluster.kill(id)
  expect(cluster.describe('orders')).toBe('4/4 elr 3')
  expect(await cluster.reassign('orders', null)).toBe('NONE')
  expect(cluster.describeReplicas('orders')).toBe('1,2,3 -1/3')
  await cluster.start(3, { previousBrokerEpoch: cluster.epoch(3) })
  expect(cluster.describe('orders')).toBe('3/3')
})

test('another target on the way: nobody leaves before it is reached, and the way back is to the first', async () => {
  const cluster = await orders()
  await cluster.reassign('orders', [1, 2, 4])
  await cluster.reassign('orders', [1, 2, 5])
  expect(cluster.describeReplicas('orders')).toBe('1,2,5,4,3 +5 +4 -4 -3 1/1,2,3')
  await cluster.reassign('orders', null)
  expect(cluster.describeReplicas('orders')).toBe('1,2,3 1/1,2,3')
  await cluster.reassign('orders', [1, 2, 4])
  await cluster.reassign('orders', [1, 2, 3, 4])
  expect(cluster.describeReplicas('orders')).toBe('1,2,3,4 +4 1/1,2,3')
  await cluster.alterIsr('orders', [1, 2, 3, 4])
  expect(cluster.describeReplicas('orders')).toBe('1,2,3,4 1/1,2,3,4')
})

test('the target may be what it was: then it is done at once', async () => {
  const cluster = await orders()
  await cluster.reassign('orders', [4])
  expect(await cluster.reassign('orders', [1, 2, 3])).toBe('NONE')
  expect(cluster.describeReplicas('orders')).toBe('1,2,3 1/1,2,3')
})

test('anybody in it may die: the leader, one that joins, one that leaves', async () => {
  const cluster = await orders()
  await cluster.reassign('orders', [4, 5])
  cluster.kill(1)
  expect(cluster.describe('orders')).toBe('2/2,3')
  await cluster.alterIsr('orders', [2, 3, 4])
  cluster.kill(4)
  cluster.kill(3)
  await cluster.alterIsr('orders', [2, 5])
  expect(cluster.describeReplicas('orders')).toBe('4,5,1,2,3 +4 +5 -1 -2 -3 2/2,5')
  await cluster.start(4)
  expect(await cluster.alterIsr('orders', [2, 5, 4])).toBe('NEW_LEADER_ELECTED')
  expect(cluster.describeReplicas('orders')).toBe('4,5 4/5,4')
})

test('the controller may die: its successor completes it', async () => {
  const cluster = await orders()
  await cluster.reassign('orders', [1, 4])
  cluster.controller.resign()
  const successor = new TestCluster({ after: cluster })
  successor.activate()
  expect(successor.describeReplicas('orders')).toBe('1,4,2,3 +4 -2 -3 1/1,2,3')
  await successor.alterIsr('orders', [1, 2, 3, 4])
  expect(successor.describeReplicas('orders')).toBe('1,4 1/1,4')
})

test('a broker that shuts down is in no ISR, so a target with it is not reached', async () => {
  const cluster = await orders()
  await cluster.beat(3, { wantShutDown: true })
  await cluster.reassign('orders', [3, 1])
  expect(cluster.describeReplicas('orders')).toBe('3,1,2 -2 1/1,2')
})

test('a partition that waits for the eligible leader replica of its target is done when that one leads', async () => {
  const cluster = await orders({ 'min.insync.replicas': '2' }, [1, 2])
  await cluster.alterIsr('orders', [1])
  expect(cluster.describe('orders')).toBe('1/1 elr 2')
  await cluster.reassign('orders', [2])
  expect(cluster.describeReplicas('orders')).toBe('2,1 -1 1/1 elr 2')
  cluster.kill(1)
  expect(cluster.describeReplicas('orders')).toBe('2 2/2')
})

test('an unclean leader is rather one that was there than one that is being added', async () => {
  const cluster = await orders({ 'unclean.leader.election.enable': 'true' })
  await cluster.alterIsr('orders', [1])
  await cluster.reassign('orders', [4, 2])
  cluster.kill(1)
  expect(cluster.describe('orders')).toBe('2/2 recovering')
})

test('a topic that is deleted on the way is deleted from everybody in it', async () => {
  const cluster = await orders()
  await cluster.reassign('orders', [4])
  const topicId = must(cluster.image.topicsByName.get('orders'), 'orders').id
  await cluster.ask('deleteTopics', { topics: [{ name: 'orders', topicId: null }] })
  const brokerIds = [...cluster.image.deletions.values()].map(each => each.brokerId)
  expect(brokerIds.toSorted()).toEqual([1, 2, 3, 4])
  for (const brokerId of brokerIds) {
    const request = { brokerId, brokerEpoch: cluster.epoch(brokerId), topicIds: [topicId] }
    await cluster.ask('replicasDeleted', request)
  }
  expect(cluster.image.deletions.size).toBe(0)
})

test('a replica that leaves walks the deletion states', async () => {
  const cluster = await orders()
  await cluster.reassign('orders', [1, 2])
  const hops = cluster.transitions.flatMap(each =>
    each.kind === 'replica' && each.brokerId === 3 ? [`${each.from} ${each.to}`] : [],
  )
  expect(hops.slice(-4)).toEqual([
    'online offline',
    'offline deletionStarted',
    'deletionStarted deletionSuccessful',
    'deletionSuccessful nonExistent',
  ])
})
