import { expect, test } from 'vitest'
import type { NodeId } from '@trimaran/common'
import { leaderClient, produceSomewhere, start, until } from './support/clusters.ts'

test('a cluster explains itself: who leads what, what is in sync, what is committed', async () => {
  const cluster = await start()
  await cluster.createTopic({ name: 'orders', partitions: 2 })
  const client = leaderClient(cluster, 'orders', 1)
  for (const value of ['one', 'two']) await client.produce('orders', 1, value)
  const leader = cluster.leaderOf('orders', 1) as NodeId
  await until(
    () => cluster.explain().partitions[1]?.logEndOffsets.every(e => e.logEndOffset === 2) === true,
  )
  const account = cluster.explain()
  expect(account.controller).toBe(cluster.controller())
  expect(account.nodes.map(({ state }) => state)).toEqual(['running', 'running', 'running'])
  expect(account.nodes.map(({ address }) => address).join()).toBe(cluster.bootstrapServers)
  expect(account.nodes[leader - 1]?.clients).toBe(1)
  expect(account.partitions[1]).toMatchObject({
    topic: 'orders',
    partition: 1,
    leader,
    highWatermark: 2,
    leading: [leader],
  })
  expect(account.partitions[1]?.isr).toHaveLength(3)
  const text = String(account)
  expect(text).toContain(`Cluster ${cluster.clusterId}: controller ${cluster.controller()}, epoch `)
  expect(text).toMatch(/^orders +1 +\d +0 +\d,\d,\d +\d,\d,\d +2 +1:2 2:2 3:2$/m)
})

test('and what is wrong with it: nodes, links, requests, clock', async () => {
  const cluster = await start()
  await cluster.createTopic({ name: 'orders', partitions: 1 })
  const leader = cluster.leaderOf('orders', 0) as NodeId
  const [paused = 0, killed = 0] = [1, 2, 3].filter(nodeId => nodeId !== leader)
  await cluster.clock.advance(100)
  cluster.partitionOneWay({ from: [leader], to: [paused] })
  cluster.pause(paused)
  await cluster.kill(killed)
  cluster.failNext({ api: 'fetch', error: 'OFFSET_NOT_AVAILABLE', topic: 'orders' })
  cluster.failNext({ api: 'produce', error: 6, times: 3, nodeId: 2 })
  const account = cluster.explain()
  expect(account.nodes[paused - 1]?.state).toBe('paused')
  expect(account.nodes[killed - 1]).toMatchObject({ state: 'killed', status: null })
  expect(account.cuts).toEqual([{ from: leader, to: paused }])
  const text = String(account)
  expect(text).toMatch(new RegExp(`^ +${paused}  paused `, 'm'))
  expect(text).toMatch(new RegExp(`^ +${killed}  killed +- `, 'm'))
  expect(text).toContain(`Cut: ${leader} → ${paused}.`)
  expect(text).toContain('The next Fetch request of topic orders: OFFSET_NOT_AVAILABLE.')
  expect(text).toContain('The next 3 Produce requests to node 2: NOT_LEADER_OR_FOLLOWER.')
  expect(text).toContain('The clock is 100 ms ahead.')
})

test('a deposed leader that does not know it is named', async () => {
  const hasty = { 'broker.session.timeout.ms': '1000', 'broker.heartbeat.interval.ms': '200' }
  const cluster = await start({ config: { ...hasty, 'min.insync.replicas': '2' } })
  await cluster.createTopic({ name: 'orders', partitions: 3 })
  const controller = cluster.controller() as NodeId
  const partition = [0, 1, 2].find(p => cluster.leaderOf('orders', p) !== controller) as number
  const deposed = cluster.leaderOf('orders', partition) as NodeId
  cluster.partition([deposed])
  await until(() => cluster.leaderOf('orders', partition) !== deposed)
  await produceSomewhere(cluster, 'orders', partition, 'one')
  expect(cluster.explain().partitions[partition]?.leading).toContain(deposed)
  expect(String(cluster.explain())).toContain(`node ${deposed} still believes to lead it`)
})
