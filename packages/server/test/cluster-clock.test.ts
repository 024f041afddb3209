import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { NodeId } from '@trimaran/common'
import {
  clientOf,
  leaderClient,
  produceSomewhere,
  sleep,
  start,
  until,
  within,
} from './support/clusters.ts'

const others = (nodeId: NodeId): NodeId[] => [1, 2, 3].filter(other => other !== nodeId)

const scratch = mkdtempSync(join(tmpdir(), 'trimaran-clock-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

test.for([
  ['in memory', {}],
  ['on disk', { inMemory: false, directory: scratch }],
] as const)(
  '%s: a minute passes in seconds, and nobody is taken for dead who lives',
  async ([, options]) => {
    const cluster = await start(options)
    await cluster.createTopic({ name: 'orders', partitions: 3 })
    const epochs = (): unknown[] => [
      cluster.controller(),
      cluster.node(1).raft.status.epoch,
      ...[1, 2, 3].map(id => cluster.node(1).image.brokers.get(id)?.epoch),
      ...(cluster.node(1).image.topicsByName.get('orders')?.partitions ?? []).map(
        ({ leader, leaderEpoch, isr }) => `${leader} ${leaderEpoch} ${isr.join()}`,
      ),
    ]
    const before = epochs()
    const startedMs = performance.now()
    const startedAt = cluster.clock.nowMs()
    await cluster.clock.advance(60_000)
    expect(cluster.clock.nowMs() - startedAt).toBeGreaterThanOrEqual(60_000)
    expect(performance.now() - startedMs).toBeLessThan(20_000)
    await sleep(300)
    expect(epochs()).toEqual(before)
    await produceSomewhere(cluster, 'orders', 0, 'on it goes')
  },
)

test('the session of a paused broker expires when the clock says so, without the wait', async () => {
  const cluster = await start({ config: { 'broker.session.timeout.ms': '60000' } })
  await cluster.createTopic({ name: 'orders', partitions: 3 })
  const controller = cluster.controller() as NodeId
  const [silent = 0] = others(controller)
  const isFenced = (): boolean | undefined =>
    cluster.node(controller).image.brokers.get(silent)?.fenced
  cluster.pause(silent)
  await cluster.clock.advance(50_000)
  expect(isFenced()).toBe(false)
  await cluster.clock.advance(15_000)
  await until(() => isFenced() === true)
  expect(cluster.controller()).toBe(controller)
  cluster.resume(silent)
  await until(() => isFenced() === false)
})

test('a request that waits for time to pass is answered when it has', async () => {
  const cluster = await start({
    config: { 'min.insync.replicas': '1', 'replica.lag.time.max.ms': '600000' },
  })
  await cluster.createTopic({ name: 'orders', partitions: 1 })
  const leader = cluster.leaderOf('orders', 0) as NodeId
  const [follower = 0] = others(leader).filter(id => id !== cluster.controller())
  cluster.partition([follower])
  // Its timeout is five seconds.
  const waiting = leaderClient(cluster, 'orders', 0).produce('orders', 0, 'one')
  expect(await within(waiting, 100)).toBe('waiting')
  await cluster.clock.advance(5_100)
  expect((await within(waiting, 1_000)) as object).toMatchObject({ errorCode: 7 })
})

test('who has nothing to say for ten minutes loses its connection, and so says the clock', async () => {
  const cluster = await start({ nodes: 1 })
  const client = clientOf(cluster, 1)
  await client.metadata()
  expect(cluster.explain().nodes[0]?.clients).toBe(1)
  await cluster.clock.advance(601_000)
  await until(() => cluster.explain().nodes[0]?.clients === 0)
})

test('what is older than its retention goes when the clock says so', async () => {
  const cluster = await start({ nodes: 1 })
  const configs = { 'retention.ms': '60000' }
  await cluster.createTopic({ name: 'orders', partitions: 1, configs })
  await clientOf(cluster, 1).produce('orders', 0, 'old')
  const logStartOffset = (): number | undefined =>
    cluster.node(1).status().partitions[0]?.local?.logStartOffset
  await cluster.clock.advance(50_000)
  expect(logStartOffset()).toBe(0)
  // It is looked at every five minutes.
  await cluster.clock.advance(310_000)
  await until(() => logStartOffset() === 1)
})

test('there is no way back', async () => {
  const cluster = await start({ nodes: 1 })
  expect(() => cluster.clock.advance(-1)).toThrow('clock.advance: -1 is no time to go forward')
})
