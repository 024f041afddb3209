import { expect, test } from 'vitest'
import { nameOf, TestCluster } from './harness.ts'

type Asked = readonly { readonly topic: string; readonly partition: number }[] | null

async function elect(
  cluster: TestCluster,
  kind: 'preferred' | 'unclean',
  partitions: Asked,
): Promise<readonly string[]> {
  const answer = await cluster.ask('electLeaders', { kind, partitions })
  return answer.partitions.map(each => `${each.topic}-${each.partition} ${nameOf(each.errorCode)}`)
}

const asked = (topic: string, partition = 0): Asked => [{ topic, partition }]

/** orders is led by 2 though 1 comes first and is back in sync; alone's only replica is down. */
async function shaken(): Promise<TestCluster> {
  const cluster = await TestCluster.of([1, 2, 3])
  await cluster.topic('orders', [[1, 2]])
  await cluster.topic('alone', [[3]])
  cluster.kill(3)
  cluster.kill(1)
  await cluster.start(1)
  await cluster.alterIsr('orders', [2, 1])
  return cluster
}

test('the preferred leader is elected on request', async () => {
  const cluster = await shaken()
  expect(await elect(cluster, 'preferred', asked('orders'))).toEqual(['orders-0 NONE'])
  expect(cluster.describe('orders')).toBe('1/2,1')
  expect(await elect(cluster, 'preferred', asked('orders'))).toEqual([
    'orders-0 ELECTION_NOT_NEEDED',
  ])
})

test('without names, all partitions are looked at that need it', async () => {
  const cluster = await shaken()
  expect(await elect(cluster, 'preferred', null)).toEqual([
    expect.stringMatching(/^(?:orders-0 NONE|alone-0 PREFERRED_LEADER_NOT_AVAILABLE)$/),
    expect.stringMatching(/^(?:orders-0 NONE|alone-0 PREFERRED_LEADER_NOT_AVAILABLE)$/),
  ])
  expect(await elect(cluster, 'unclean', null)).toEqual(['alone-0 ELIGIBLE_LEADERS_NOT_AVAILABLE'])
})

test.each([
  ['preferred', asked('none'), 'none-0 UNKNOWN_TOPIC_OR_PARTITION'],
  ['preferred', asked('orders', 7), 'orders-7 UNKNOWN_TOPIC_OR_PARTITION'],
  ['preferred', asked('alone'), 'alone-0 PREFERRED_LEADER_NOT_AVAILABLE'],
  ['unclean', asked('orders'), 'orders-0 ELECTION_NOT_NEEDED'],
  ['unclean', asked('alone'), 'alone-0 ELIGIBLE_LEADERS_NOT_AVAILABLE'],
] as const)('%s election of %j is answered %s', async (kind, partitions, wanted) => {
  expect(await elect(await shaken(), kind, partitions)).toEqual([wanted])
})

test('an unclean election takes what is up, and says so', async () => {
  const cluster = await TestCluster.of([1, 2])
  await cluster.topic('orders', [[1, 2]])
  cluster.kill(2)
  cluster.kill(1)
  await cluster.start(2)
  expect(await elect(cluster, 'unclean', asked('orders'))).toEqual(['orders-0 NONE'])
  expect(cluster.describe('orders')).toBe('2/2 recovering')
})

test('leadership returns to preferred replicas in the background', async () => {
  const config = { autoLeaderRebalanceEnable: true, leaderImbalanceCheckIntervalMs: 4_000 }
  const cluster = await TestCluster.of([1, 2], { config })
  await cluster.topic('orders', [[1, 2]])
  cluster.kill(1)
  await cluster.start(1)
  await cluster.alterIsr('orders', [2, 1])
  expect(cluster.controller.metrics.preferredReplicaImbalanceCount).toBe(1)
  cluster.clock.pass(4_000)
  cluster.commit()
  expect(cluster.describe('orders')).toBe('1/2,1')
  expect(cluster.controller.metrics.preferredReplicaImbalanceCount).toBe(0)
})

test('a preferred replica that is not in sync is left alone', async () => {
  const config = { autoLeaderRebalanceEnable: true, leaderImbalanceCheckIntervalMs: 4_000 }
  const cluster = await TestCluster.of([1, 2], { config })
  await cluster.topic('orders', [[1, 2]])
  cluster.kill(1)
  await cluster.start(1)
  cluster.clock.pass(4_000)
  cluster.commit()
  expect(cluster.describe('orders')).toBe('2/2')
})
