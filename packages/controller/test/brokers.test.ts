import { expect, test } from 'vitest'
import { nameOf, TestCluster } from './harness.ts'

test('a broker registers fenced, its epoch being the offset of its registration', async () => {
  const cluster = await TestCluster.of([])
  const offset = cluster.log.nextOffset
  const answer = await cluster.ask('registerBroker', cluster.registration(1))
  expect(answer).toMatchObject({ errorCode: 0, brokerEpoch: offset })
  expect(cluster.image.brokers.get(1)).toMatchObject({ epoch: offset, fenced: true })
})

test('a broker of another cluster is refused', async () => {
  const cluster = await TestCluster.of([])
  const request = cluster.registration(1, { clusterId: 'other' })
  const answer = await cluster.ask('registerBroker', request)
  expect(nameOf(answer.errorCode)).toBe('INCONSISTENT_CLUSTER_ID')
  expect(cluster.image.brokers.size).toBe(0)
})

test('the same incarnation that registers again keeps its epoch', async () => {
  const cluster = await TestCluster.of([])
  const request = cluster.registration(1)
  const first = await cluster.ask('registerBroker', request)
  const end = cluster.log.nextOffset
  expect(await cluster.ask('registerBroker', request)).toEqual(first)
  expect(cluster.log.nextOffset).toBe(end)
})

test('another process under the id of a living broker is refused until that one is silent or gone', async () => {
  const cluster = await TestCluster.of([1, 2])
  const before = cluster.epoch(1)
  const refused = await cluster.ask('registerBroker', cluster.twinOf(1))
  expect(nameOf(refused.errorCode)).toBe('DUPLICATE_BROKER_REGISTRATION')
  cluster.clock.pass(8_000)
  await cluster.beat(2)
  cluster.clock.pass(1_000)
  cluster.commit()
  const silent = await cluster.ask('registerBroker', cluster.twinOf(1))
  expect(silent.errorCode).toBe(0)
  expect(silent.brokerEpoch).toBeGreaterThan(before)
  cluster.kill(2)
  const gone = await cluster.ask('registerBroker', cluster.twinOf(2))
  expect(gone.errorCode).toBe(0)
})

test('a broker that is registered and fenced, but heard of, is refused a twin too', async () => {
  const cluster = await TestCluster.of([])
  await cluster.ask('registerBroker', cluster.registration(1))
  const refused = await cluster.ask('registerBroker', cluster.twinOf(1))
  expect(nameOf(refused.errorCode)).toBe('DUPLICATE_BROKER_REGISTRATION')
})

test('a broker that is started again on its own data directory need not wait for its former session', async () => {
  const cluster = await TestCluster.of([1, 2])
  await cluster.topic('orders', [[1, 2]])
  const before = cluster.epoch(1)
  const successor = await cluster.ask('registerBroker', cluster.registration(1))
  expect(successor.errorCode).toBe(0)
  expect(successor.brokerEpoch).toBeGreaterThan(before)
  expect(cluster.describe('orders')).toBe('2/2')
  expect(nameOf((await cluster.beat(1, { brokerEpoch: before })).errorCode)).toBe(
    'STALE_BROKER_EPOCH',
  )
})

test('after a crash of all nodes brokers need not wait for sessions that their dead selves were granted', async () => {
  const cluster = await TestCluster.of([1, 2])
  await cluster.topic('orders', [[1, 2]])
  const next = new TestCluster({ after: cluster })
  next.activate()
  await next.beat(2)
  const restarted = await next.ask('registerBroker', next.twinOf(1))
  expect(restarted.errorCode).toBe(0)
  expect(next.describe('orders')).toBe('2/2')
  const alive = await next.ask('registerBroker', next.twinOf(2))
  expect(nameOf(alive.errorCode)).toBe('DUPLICATE_BROKER_REGISTRATION')
})

test('a broker is unfenced when it has applied its own registration, and not before', async () => {
  const cluster = await TestCluster.of([])
  const { brokerEpoch } = await cluster.ask('registerBroker', cluster.registration(1))
  expect(await cluster.beat(1, { metadataOffset: Number(brokerEpoch) })).toMatchObject({
    isCaughtUp: false,
    isFenced: true,
  })
  expect(await cluster.beat(1, { metadataOffset: brokerEpoch + 1, wantFence: true })).toMatchObject(
    {
      isCaughtUp: true,
      isFenced: true,
    },
  )
  expect(await cluster.beat(1, { metadataOffset: brokerEpoch + 1 })).toMatchObject({
    isCaughtUp: true,
    isFenced: false,
  })
  expect(cluster.image.brokers.get(1)?.fenced).toBe(false)
})

test.each([
  ['BROKER_ID_NOT_REGISTERED', 9, 1],
  ['STALE_BROKER_EPOCH', 1, 0],
] as const)('a heartbeat is answered %s', async (error, brokerId, brokerEpoch) => {
  const cluster = await TestCluster.of([1])
  const answer = await cluster.ask('heartbeat', {
    brokerId,
    brokerEpoch,
    metadataOffset: 100,
    wantFence: false,
    wantShutDown: false,
  })
  expect(nameOf(answer.errorCode)).toBe(error)
})

test('heartbeats leave nothing in the log', async () => {
  const cluster = await TestCluster.of([1, 2])
  const end = cluster.log.nextOffset
  for (let round = 0; round < 50; round++) {
    cluster.clock.pass(2_000)
    await cluster.beat(1)
    await cluster.beat(2)
  }
  expect(cluster.log.nextOffset).toBe(end)
})

test('a silent broker is fenced when its session ends, and its partitions get other leaders', async () => {
  const cluster = await TestCluster.of([1, 2, 3])
  await cluster.topic('orders', [
    [1, 2, 3],
    [2, 1, 3],
  ])
  await cluster.topic('solo', [[1]])
  cluster.clock.pass(5_000)
  await cluster.beat(2)
  await cluster.beat(3)
  cluster.clock.pass(3_999)
  cluster.commit()
  expect(cluster.image.brokers.get(1)?.fenced).toBe(false)
  cluster.clock.pass(1)
  cluster.commit()
  expect(cluster.image.brokers.get(1)?.fenced).toBe(true)
  expect(cluster.describe('orders', 0)).toBe('2/2,3')
  expect(cluster.describe('orders', 1)).toBe('2/2,3')
  expect(cluster.describe('solo')).toBe('-1/1')
  expect(cluster.partition('orders', 0)).toMatchObject({ leaderEpoch: 1, partitionEpoch: 1 })
  expect(cluster.partition('orders', 1)).toMatchObject({ leaderEpoch: 0, partitionEpoch: 1 })
})

test('two brokers whose sessions end at once are taken out one after the other', async () => {
  const cluster = await TestCluster.of([1, 2, 3])
  await cluster.topic('orders', [[1, 2, 3]])
  await cluster.topic('pairs', [[1, 2]])
  cluster.clock.pass(5_000)
  await cluster.beat(3)
  cluster.clock.pass(4_000)
  cluster.commit()
  expect(cluster.describe('orders')).toBe('3/3')
  expect(cluster.describe('pairs')).toBe('-1/2')
})

test('a broker whose link is broken is fenced at once', async () => {
  const cluster = await TestCluster.of([1, 2])
  await cluster.topic('orders', [[1, 2]])
  cluster.kill(1)
  expect(cluster.describe('orders')).toBe('2/2')
  cluster.kill(9)
  expect(cluster.image.brokers.size).toBe(2)
})

test('a broker that was fenced by mistake is back with its next heartbeat', async () => {
  const cluster = await TestCluster.of([1, 2])
  await cluster.topic('orders', [[1]])
  cluster.kill(1)
  expect(cluster.describe('orders')).toBe('-1/1')
  expect(await cluster.beat(1)).toMatchObject({ isFenced: false })
  expect(cluster.describe('orders')).toBe('1/1')
  expect(cluster.partition('orders', 0).leaderEpoch).toBe(2)
})

test('a controller that stood still fences nobody for its own silence', async () => {
  const cluster = await TestCluster.of([1, 2])
  cluster.clock.stall(20_000)
  cluster.commit()
  expect(cluster.image.brokers.get(1)?.fenced).toBe(false)
  cluster.clock.pass(9_000)
  cluster.commit()
  expect(cluster.image.brokers.get(1)?.fenced).toBe(true)
})

test('a broker process that starts again leads nothing until it has registered and caught up', async () => {
  const cluster = await TestCluster.of([1, 2])
  await cluster.topic('orders', [[1, 2]])
  await cluster.topic('solo', [[1]])
  cluster.clock.pass(5_000)
  await cluster.beat(2)
  cluster.clock.pass(3_999)
  // Its session ends in the very moment in which it registers, before anyone has fenced it.
  cluster.clock.nowMs += 1
  await cluster.ask('registerBroker', cluster.registration(1))
  expect(cluster.describe('orders')).toBe('2/2')
  expect(cluster.describe('solo')).toBe('-1/1')
  await cluster.beat(1)
  expect(cluster.describe('solo')).toBe('1/1')
})

test('controlled shutdown moves leaders first, then waits until all others know, then lets go', async () => {
  const cluster = await TestCluster.of([1, 2, 3])
  await cluster.topic('orders', [[1, 2, 3]])
  await cluster.topic('pairs', [[2, 1]])
  await cluster.topic('solo', [[1]])
  for (const brokerId of [2, 3]) await cluster.beat(brokerId)
  const first = await cluster.beat(1, { wantShutDown: true })
  expect(first).toMatchObject({ isFenced: false, shouldShutDown: false })
  expect(cluster.image.brokers.get(1)).toMatchObject({ fenced: false, inControlledShutdown: true })
  expect(cluster.describe('orders')).toBe('2/2,3')
  expect(cluster.describe('pairs')).toBe('2/2')
  expect(cluster.describe('solo')).toBe('-1/1')
  expect(await cluster.beat(1, { wantShutDown: true })).toMatchObject({ shouldShutDown: false })
  await cluster.beat(2)
  expect(await cluster.beat(1, { wantShutDown: true })).toMatchObject({ shouldShutDown: false })
  await cluster.beat(3)
  expect(await cluster.beat(1, { wantShutDown: true })).toMatchObject({
    shouldShutDown: true,
    isFenced: true,
  })
  expect(cluster.image.brokers.get(1)?.fenced).toBe(true)
})

test('controlled shutdown ends under a new controller, too', async () => {
  const cluster = await TestCluster.of([1, 2])
  await cluster.topic('orders', [[1, 2]])
  await cluster.beat(1, { wantShutDown: true })
  const next = new TestCluster({ after: cluster })
  next.activate()
  expect(await next.beat(1, { wantShutDown: true })).toMatchObject({ shouldShutDown: false })
  await next.beat(2)
  expect(await next.beat(1, { wantShutDown: true })).toMatchObject({ shouldShutDown: true })
})

test('a fenced broker may stop at once', async () => {
  const cluster = await TestCluster.of([1])
  cluster.kill(1)
  expect(await cluster.beat(1, { wantShutDown: true })).toMatchObject({ shouldShutDown: true })
})

test('an unregistered broker is forgotten', async () => {
  const cluster = await TestCluster.of([1, 2])
  await cluster.topic('orders', [[1, 2]])
  await cluster.topic('solo', [[1]])
  expect(await cluster.ask('unregisterBroker', { brokerId: 1 })).toMatchObject({ errorCode: 0 })
  expect(cluster.image.brokers.has(1)).toBe(false)
  expect(cluster.describe('orders')).toBe('2/2')
  expect(cluster.describe('solo')).toBe('-1/1')
  const again = await cluster.ask('unregisterBroker', { brokerId: 1 })
  expect(nameOf(again.errorCode)).toBe('BROKER_ID_NOT_REGISTERED')
  await cluster.start(1)
  expect(cluster.describe('solo')).toBe('1/1')
})

test('producer ids are given out in blocks, once', async () => {
  const cluster = await TestCluster.of([1])
  const brokerEpoch = cluster.epoch(1)
  const ask = () => cluster.ask('allocateProducerIds', { brokerId: 1, brokerEpoch })
  expect(await ask()).toMatchObject({ errorCode: 0, firstProducerId: 0, count: 1000 })
  expect(await ask()).toMatchObject({ firstProducerId: 1000, count: 1000 })
  const next = new TestCluster({ after: cluster })
  next.activate()
  const answer = await next.ask('allocateProducerIds', { brokerId: 1, brokerEpoch })
  expect(answer.firstProducerId).toBe(2000)
  const stale = await next.ask('allocateProducerIds', { brokerId: 1, brokerEpoch: brokerEpoch - 1 })
  expect(nameOf(stale.errorCode)).toBe('STALE_BROKER_EPOCH')
})
