import { AssertionError } from '@trimaran/common'
import { expect, test } from 'vitest'
import { nameOf, TestCluster } from './harness.ts'

const orders = async (minInsync = 1): Promise<TestCluster> => {
  const cluster = await TestCluster.of([1, 2, 3, 4])
  await cluster.topic('orders', [[1, 2, 3]], { 'min.insync.replicas': `${minInsync}` })
  return cluster
}

test('the leader shrinks and grows its ISR; every change raises the partition epoch alone', async () => {
  const cluster = await orders()
  expect(await cluster.alterIsr('orders', [1, 2])).toBe('NONE')
  expect(cluster.describe('orders')).toBe('1/1,2')
  expect(await cluster.alterIsr('orders', [1, 2, 3])).toBe('NONE')
  expect(cluster.partition('orders', 0)).toMatchObject({
    isr: [1, 2, 3],
    leaderEpoch: 0,
    partitionEpoch: 2,
  })
})

test('an ISR that is already so changes nothing', async () => {
  const cluster = await orders()
  const end = cluster.log.nextOffset
  expect(await cluster.alterIsr('orders', [1, 2, 3])).toBe('NONE')
  expect(cluster.log.nextOffset).toBe(end)
})

test.each([
  ['INVALID_UPDATE_VERSION', [1, 2], { partitionEpoch: 0 }],
  ['NOT_CONTROLLER', [1, 2], { partitionEpoch: 2 }],
  ['NOT_CONTROLLER', [1, 2], { leaderEpoch: 1 }],
  ['FENCED_LEADER_EPOCH', [1, 2], { leaderEpoch: -1 }],
  ['INVALID_REQUEST', [1, 2], { brokerId: 2 }],
  ['INVALID_REQUEST', [2, 3], {}],
  ['INVALID_REQUEST', [1, 4], {}],
  ['INVALID_REQUEST', [1, 1], {}],
  ['INVALID_REQUEST', [1], { recovering: true }],
  ['INELIGIBLE_REPLICA', [1, 2], { memberEpoch: 999 }],
  ['NONE', [1, 2, 3], { memberEpoch: -1 }],
] as const)('an ISR change is answered %s: %j %j', async (error, isr, change) => {
  const cluster = await orders()
  await cluster.alterIsr('orders', [1, 2])
  const before = cluster.describe('orders')
  expect(await cluster.alterIsr('orders', isr, change)).toBe(error)
  expect(cluster.describe('orders') === before).toBe(error !== 'NONE')
})

test.each([
  ['UNKNOWN_TOPIC_ID', 'UnknownAAAAAAAAAAAAAAA', 0],
  ['UNKNOWN_TOPIC_OR_PARTITION', null, 5],
] as const)('an unknown partition is answered %s', async (error, topicId, partition) => {
  const cluster = await orders()
  const id = cluster.image.topicsByName.get('orders')?.id ?? ''
  const item = {
    topicId: topicId ?? id,
    partition,
    leaderEpoch: 0,
    partitionEpoch: 0,
    newIsr: [],
    recovering: false,
  }
  const request = { brokerId: 1, brokerEpoch: cluster.epoch(1), partitions: [item] }
  const { partitions } = await cluster.ask('alterPartition', request)
  expect(nameOf(partitions[0]?.errorCode ?? -2)).toBe(error)
})

test('a former incarnation of a leader changes nothing', async () => {
  const cluster = await orders()
  const request = { brokerId: 1, brokerEpoch: cluster.epoch(1) - 1, partitions: [] }
  const answer = await cluster.ask('alterPartition', request)
  expect(nameOf(answer.errorCode)).toBe('STALE_BROKER_EPOCH')
})

test('a partition named twice in a request is changed once', async () => {
  const cluster = await orders()
  const topicId = cluster.image.topicsByName.get('orders')?.id ?? ''
  const item = {
    topicId,
    partition: 0,
    leaderEpoch: 0,
    partitionEpoch: 0,
    newIsr: [1, 2].map(brokerId => ({ brokerId, brokerEpoch: -1 })),
    recovering: false,
  }
  const request = { brokerId: 1, brokerEpoch: cluster.epoch(1), partitions: [item, item] }
  const { partitions } = await cluster.ask('alterPartition', request)
  expect(partitions.map(each => nameOf(each.errorCode))).toEqual(['NONE', 'INVALID_REQUEST'])
  expect(cluster.partition('orders', 0).partitionEpoch).toBe(1)
})

test('a fenced or stopping replica does not get into the ISR (KIP-841, B08)', async () => {
  const cluster = await orders()
  cluster.kill(3)
  expect(await cluster.alterIsr('orders', [1, 2, 3])).toBe('INELIGIBLE_REPLICA')
  await cluster.beat(2, { wantShutDown: true })
  expect(await cluster.alterIsr('orders', [1, 2])).toBe('INELIGIBLE_REPLICA')
})

test('a replica whose process has started again since the leader saw it does not get in (KIP-903, B09)', async () => {
  const cluster = await orders()
  const seen = cluster.epoch(3)
  cluster.kill(3)
  await cluster.start(3)
  expect(await cluster.alterIsr('orders', [1, 2, 3], { memberEpoch: seen })).toBe(
    'INELIGIBLE_REPLICA',
  )
  expect(await cluster.alterIsr('orders', [1, 2, 3])).toBe('NONE')
})

test('without the check of B08 the image itself refuses a fenced replica', async () => {
  const cluster = await TestCluster.of([1, 2, 3], { bugs: ['B08'] })
  await cluster.topic('orders', [[1, 2, 3]])
  cluster.kill(3)
  await expect(cluster.alterIsr('orders', [1, 2, 3])).rejects.toThrow(AssertionError)
})

test('the last in-sync replica stays in the ISR when it goes, and leads again when it is back', async () => {
  const cluster = await orders()
  for (const brokerId of [3, 2, 1]) cluster.kill(brokerId)
  expect(cluster.describe('orders')).toBe('-1/1')
  await cluster.beat(2)
  expect(cluster.describe('orders')).toBe('-1/1')
  await cluster.beat(1)
  expect(cluster.describe('orders')).toBe('1/1')
})

test('replicas that leave an ISR below min.insync.replicas stay eligible to lead (KIP-966)', async () => {
  const cluster = await orders(2)
  await cluster.alterIsr('orders', [1, 2])
  expect(cluster.describe('orders')).toBe('1/1,2')
  await cluster.alterIsr('orders', [1])
  expect(cluster.describe('orders')).toBe('1/1 elr 2')
  cluster.kill(1)
  expect(cluster.describe('orders')).toBe('2/2 elr 1')
  await cluster.beat(1)
  await cluster.alterIsr('orders', [2, 1])
  expect(cluster.describe('orders')).toBe('2/2,1')
})

test('the effective min.insync.replicas is never more than there are replicas', async () => {
  const cluster = await orders(5)
  expect(cluster.describe('orders')).toBe('1/1,2,3')
  await cluster.alterIsr('orders', [1, 2])
  expect(cluster.describe('orders')).toBe('1/1,2 elr 3')
  await cluster.alterIsr('orders', [1, 2, 3])
  expect(cluster.describe('orders')).toBe('1/1,2,3')
})

/** 1, the last in sync, has stopped uncleanly, and 2 waits to lead. */
async function oneGaveWay(): Promise<TestCluster> {
  const cluster = await orders(2)
  for (const brokerId of [3, 2, 1]) cluster.kill(brokerId)
  await cluster.start(1)
  expect(cluster.describe('orders')).toBe('-1/2 last 1')
  return cluster
}

test('the last replica standing that restarts uncleanly gives way to an eligible one (B07)', async () => {
  const cluster = await orders(2)
  for (const brokerId of [3, 2, 1]) cluster.kill(brokerId)
  expect(cluster.describe('orders')).toBe('-1/1 elr 2')
  await cluster.start(1)
  expect(cluster.describe('orders')).toBe('-1/2 last 1')
  await cluster.beat(2)
  expect(cluster.describe('orders')).toBe('2/2')
})

test('of two that both stopped uncleanly neither is better: the one whose turn it is stays', async () => {
  const cluster = await oneGaveWay()
  await cluster.start(2)
  expect(cluster.describe('orders')).toBe('2/2 last 1,2')
  await cluster.alterIsr('orders', [2, 1])
  expect(cluster.describe('orders')).toBe('2/2,1')
})

test('an heir that stopped uncleanly and finds its log damaged gives the partition back (KIP-966)', async () => {
  const cluster = await oneGaveWay()
  await cluster.start(2)
  expect(await cluster.alterIsr('orders', [])).toBe('NONE')
  expect(cluster.describe('orders')).toBe('1/1 last 1')
  // Each has its turn once.
  expect(await cluster.alterIsr('orders', [])).toBe('NONE')
  expect(cluster.describe('orders')).toBe('-1/1')
})

test('an heir that stopped cleanly is better than who stopped uncleanly, damage or not', async () => {
  const cluster = await oneGaveWay()
  await cluster.beat(2)
  expect(cluster.describe('orders')).toBe('2/2')
  expect(await cluster.alterIsr('orders', [])).toBe('NONE')
  expect(cluster.describe('orders')).toBe('-1/2')
})

test('who gave up a log is not remembered: a heir that was merely killed leads', async () => {
  const cluster = await orders(2)
  for (const brokerId of [3, 2]) cluster.kill(brokerId)
  expect(await cluster.alterIsr('orders', [])).toBe('NONE')
  expect(cluster.describe('orders')).toBe('-1/2')
  await cluster.start(2)
  expect(cluster.describe('orders')).toBe('2/2')
})

test('nobody is given a partition back who is gone for good', async () => {
  const cluster = await oneGaveWay()
  await cluster.start(2)
  expect(cluster.describe('orders')).toBe('2/2 last 1,2')
  cluster.kill(1)
  await cluster.ask('unregisterBroker', { brokerId: 1 })
  expect(cluster.describe('orders')).toBe('2/2 last 2')
  expect(await cluster.alterIsr('orders', [])).toBe('NONE')
  expect(cluster.describe('orders')).toBe('-1/2')
})

test('an unclean election prefers who was the last in sync', async () => {
  const cluster = await TestCluster.of([1, 2, 3])
  await cluster.topic('orders', [[3, 1, 2]], { 'min.insync.replicas': '2' })
  for (const brokerId of [3, 2, 1]) cluster.kill(brokerId)
  await cluster.start(1)
  await cluster.start(3)
  expect(cluster.describe('orders')).toBe('-1/2 last 1')
  const partitions = [{ topic: 'orders', partition: 0 }]
  await cluster.ask('electLeaders', { kind: 'unclean', partitions })
  expect(cluster.describe('orders')).toBe('1/1 recovering')
})

test('a clean stop keeps what a replica was', async () => {
  const cluster = await orders(2)
  for (const brokerId of [3, 2]) cluster.kill(brokerId)
  const epoch = cluster.epoch(1)
  cluster.kill(1)
  await cluster.start(1, { previousBrokerEpoch: epoch })
  expect(cluster.describe('orders')).toBe('1/1 elr 2')
})

test('an unclean restart ends the eligibility of a replica', async () => {
  const cluster = await orders(2)
  for (const brokerId of [3, 2]) cluster.kill(brokerId)
  expect(cluster.describe('orders')).toBe('1/1 elr 2')
  await cluster.start(2)
  expect(cluster.describe('orders')).toBe('1/1')
})

test('an unclean leader recovers alone, then its ISR grows again', async () => {
  const cluster = await TestCluster.of([1, 2])
  await cluster.topic('logs', [[1, 2]], { 'unclean.leader.election.enable': 'true' })
  cluster.kill(2)
  cluster.kill(1)
  expect(cluster.describe('logs')).toBe('-1/1')
  await cluster.start(2)
  expect(cluster.describe('logs')).toBe('2/2 recovering')
  await cluster.start(1)
  expect(await cluster.alterIsr('logs', [2, 1], { recovering: true })).toBe('INVALID_REQUEST')
  expect(await cluster.alterIsr('logs', [2])).toBe('NONE')
  expect(cluster.describe('logs')).toBe('2/2')
  expect(await cluster.alterIsr('logs', [2, 1])).toBe('NONE')
  expect(cluster.events.some(event => event.startsWith('unclean leader elected'))).toBe(true)
})

test('a leader that asks for an ISR without itself has lost its log: another one leads', async () => {
  const cluster = await orders()
  expect(await cluster.alterIsr('orders', [2, 3])).toBe('NONE')
  expect(cluster.partition('orders', 0)).toMatchObject({ leader: 2, leaderEpoch: 1, isr: [2, 3] })
})

test('what a lost log had is nobody’s any more: its broker is not eligible, whoever was eligible leads', async () => {
  const cluster = await orders(2)
  await cluster.alterIsr('orders', [1])
  expect(cluster.partition('orders', 0)).toMatchObject({ isr: [1], elr: [2, 3] })
  expect(await cluster.alterIsr('orders', [])).toBe('NONE')
  expect(cluster.partition('orders', 0)).toMatchObject({ leader: 2, isr: [2], elr: [3] })
})

test('the last member of an ISR stays in it even if it has lost its log, but leads no more', async () => {
  const cluster = await orders()
  await cluster.alterIsr('orders', [1])
  expect(await cluster.alterIsr('orders', [])).toBe('NONE')
  expect(cluster.partition('orders', 0)).toMatchObject({ leader: -1, isr: [1] })
})

test('a follower that has lost its log leaves ISR and ELR, and whoever is no replica changes nothing', async () => {
  const cluster = await orders(2)
  expect(await cluster.alterIsr('orders', [1, 2], { brokerId: 3 })).toBe('NONE')
  expect(cluster.partition('orders', 0)).toMatchObject({ leader: 1, leaderEpoch: 0, isr: [1, 2] })
  await cluster.alterIsr('orders', [1])
  expect(cluster.describe('orders')).toBe('1/1 elr 2')
  expect(await cluster.alterIsr('orders', [1], { brokerId: 2 })).toBe('NONE')
  expect(cluster.describe('orders')).toBe('1/1')
  expect(await cluster.alterIsr('orders', [1, 2], { brokerId: 2 })).toBe('INVALID_REQUEST')
  expect(await cluster.alterIsr('orders', [3], { brokerId: 2 })).toBe('INVALID_REQUEST')
  expect(await cluster.alterIsr('orders', [1], { brokerId: 4 })).toBe('INVALID_REQUEST')
})
