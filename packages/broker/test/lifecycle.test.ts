import { ClusterError, Prng, zeroUuid } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import type { ControllerChannel } from '../src/channels.ts'
import { BrokerLifecycle, type LifecycleState } from '../src/lifecycle.ts'
import { SimClock } from './support/sim-clock.ts'
import { StandInController } from './support/stand-in-controller.ts'

function given() {
  const clock = new SimClock()
  const controller = new StandInController()
  const fatal: ClusterError[] = []
  const states: LifecycleState[] = []
  const lifecycle = new BrokerLifecycle(
    {
      clock,
      random: new Prng(1),
      controller,
      registration: {
        brokerId: 1,
        clusterId: 'cluster',
        endpoints: [],
        nodeHost: 'node1',
        nodePort: 9093,
        rack: null,
        logDirs: [zeroUuid],
      },
      previousBrokerEpoch: -1,
      heartbeatIntervalMs: 2000,
      sessionTimeoutMs: 9000,
      logEvent: (_level, phrase, fields) => {
        if (phrase === 'broker state changes') states.push(fields?.['to'] as LifecycleState)
      },
      onFatal: error => fatal.push(error),
    },
    'incarnationAAAAAAAAAAA',
  )
  controller.publishers.push({ onMetadata: (_delta, image) => lifecycle.onMetadata(image) })
  return { clock, controller, fatal, states, lifecycle }
}

test('a broker registers, catches up and runs without waiting for an interval', async () => {
  const { clock, controller, states, lifecycle } = given()
  lifecycle.start()
  await clock.advance(0)
  expect(lifecycle.state).toBe('running')
  expect(states).toEqual(['starting', 'running'])
  expect(lifecycle.isFenced).toBe(false)
  expect(lifecycle.brokerEpoch).toBe(0)
  expect(controller.image.brokers.get(1)?.fenced).toBe(false)
})

test('caught up but still fenced is recovery', async () => {
  const { clock, controller, states, lifecycle } = given()
  let isFenced = true
  controller.overrides.heartbeat = () => ({
    errorCode: 0,
    errorMessage: null,
    isCaughtUp: true,
    isFenced,
    shouldShutDown: false,
  })
  lifecycle.start()
  await clock.advance(0)
  expect(lifecycle.state).toBe('recovery')
  isFenced = false
  await clock.advance(2000)
  expect(states).toEqual(['starting', 'recovery', 'running'])
})

test('heartbeats go on every interval, one at a time', async () => {
  const { clock, controller, lifecycle } = given()
  lifecycle.start()
  await clock.advance(0)
  const before = controller.count('heartbeat')
  await clock.advance(10_000)
  expect(controller.count('heartbeat') - before).toBe(5)
})

test('a broker that finds itself fenced asks to come back at once', async () => {
  const { clock, controller, lifecycle } = given()
  lifecycle.start()
  await clock.advance(100)
  controller.commit([
    { kind: 'brokerChange', brokerId: 1, brokerEpoch: 0, fenced: true, inControlledShutdown: null },
  ])
  await clock.advance(0)
  expect(controller.image.brokers.get(1)?.fenced).toBe(false)
})

test('without a controller it asks again, ever more slowly but at least each two seconds', async () => {
  const { clock, controller, lifecycle } = given()
  controller.failure = new ClusterError('NOT_CONTROLLER', 'election under way')
  lifecycle.start()
  await clock.advance(20_000)
  const asked = controller.count('registerBroker')
  expect(asked).toBeGreaterThan(10)
  expect(asked).toBeLessThan(60)
  controller.failure = null
  await clock.advance(2000)
  expect(lifecycle.state).toBe('running')
})

test('a broker whose place was taken registers anew with the same incarnation', async () => {
  const { clock, controller, lifecycle } = given()
  lifecycle.start()
  await clock.advance(0)
  controller.commit([{ kind: 'unregisterBroker', brokerId: 1, brokerEpoch: 0 }])
  controller.overrides.heartbeat = () => ({
    errorCode: errorCodes.BROKER_ID_NOT_REGISTERED,
    errorMessage: null,
    isCaughtUp: false,
    isFenced: true,
    shouldShutDown: false,
  })
  await clock.advance(2000)
  delete controller.overrides.heartbeat
  await clock.advance(2000)
  expect(lifecycle.state).toBe('running')
  expect(lifecycle.brokerEpoch).toBeGreaterThan(0)
  const incarnations = controller.log
    .filter(entry => entry.kind === 'registerBroker')
    .map(entry => (entry.request as { incarnationId: string }).incarnationId)
  expect(new Set(incarnations).size).toBe(1)
})

test('a broker of another cluster stops', async () => {
  const { clock, controller, fatal, lifecycle } = given()
  controller.overrides.registerBroker = () => ({
    errorCode: errorCodes.INCONSISTENT_CLUSTER_ID,
    errorMessage: 'expected cluster X',
    brokerEpoch: -1,
  })
  lifecycle.start()
  await clock.advance(0)
  expect(lifecycle.state).toBe('shuttingDown')
  expect(fatal.map(error => error.code)).toEqual(['WRONG_DIRECTORY'])
  await clock.advance(60_000)
  expect(controller.count('registerBroker')).toBe(1)
})

test('a controlled shutdown ends when the controller has moved everything away', async () => {
  const { clock, controller, lifecycle } = given()
  lifecycle.start()
  await clock.advance(0)
  let leads = true
  controller.overrides.heartbeat = () => ({
    errorCode: 0,
    errorMessage: null,
    isCaughtUp: true,
    isFenced: false,
    shouldShutDown: !leads,
  })
  let done = false
  void lifecycle.controlledShutdown().then(() => (done = true))
  await clock.advance(500)
  expect(lifecycle.state).toBe('pendingControlledShutdown')
  expect(done).toBe(false)
  leads = false
  await clock.advance(100)
  expect(done).toBe(true)
  expect(lifecycle.state).toBe('shuttingDown')
})

test('a controlled shutdown does not wait for a controller for ever', async () => {
  const { clock, controller, lifecycle } = given()
  lifecycle.start()
  await clock.advance(0)
  controller.failure = new ClusterError('RPC_UNAVAILABLE', 'gone')
  let done = false
  void lifecycle.controlledShutdown().then(() => (done = true))
  await clock.advance(14_000)
  expect(done).toBe(false)
  await clock.advance(1500)
  expect(done).toBe(true)
})

test('a broker that never became a member leaves at once', async () => {
  const { clock, controller, lifecycle } = given()
  controller.failure = new ClusterError('RPC_UNAVAILABLE', 'gone')
  lifecycle.start()
  await clock.advance(0)
  await lifecycle.controlledShutdown()
  expect(lifecycle.state).toBe('shuttingDown')
})

test('while another broker leaves, it is told at once how far the metadata is applied here: it waits for that', async () => {
  const { clock, controller, lifecycle } = given()
  lifecycle.start()
  await clock.advance(0)
  const registration = {
    brokerId: 2,
    clusterId: 'cluster',
    incarnationId: 'incarnationBBBBBBBBBBB',
    previousBrokerEpoch: -1,
    endpoints: [],
    nodeHost: 'node2',
    nodePort: 9093,
    rack: null,
    logDirs: [zeroUuid],
  }
  const { brokerEpoch } = await controller.request('registerBroker', registration)
  await clock.advance(100)
  const change = { kind: 'brokerChange', brokerId: 2, brokerEpoch } as const
  const toldAfter = async (
    flags: Readonly<Record<'fenced' | 'inControlledShutdown', boolean | null>>,
  ): Promise<number[]> => {
    const before = controller.log.length
    controller.commit([{ ...change, ...flags }])
    await clock.advance(0)
    return controller.log
      .slice(before)
      .map(({ request }) => (request as { metadataOffset: number }).metadataOffset)
  }
  expect(await toldAfter({ fenced: false, inControlledShutdown: false })).toEqual([])
  expect(await toldAfter({ fenced: null, inControlledShutdown: true })).toEqual([
    controller.image.endOffset,
  ])
  expect(await toldAfter({ fenced: true, inControlledShutdown: null })).toEqual([])
})

test('a heartbeat whose answer is lost is sent again while the session still lasts', async () => {
  const { clock, controller, lifecycle } = given()
  const request = controller.request.bind(controller) as ControllerChannel['request']
  let isLossy = false
  let asked = 0
  controller.request = (kind, body, timeoutMs = 30_000) => {
    if (kind !== 'heartbeat' || !isLossy) return request(kind, body)
    asked++
    return new Promise((_resolve, reject) => {
      const lost = new ClusterError('RPC_TIMEOUT', 'simulated')
      clock.wakeAt(clock.monotonicMs() + timeoutMs, () => reject(lost))
    })
  }
  lifecycle.start()
  await clock.advance(0)
  isLossy = true
  // The last one that was heard, and the whole session of 9 s after it.
  await clock.advance(8_500)
  expect(asked).toBeGreaterThan(1)
})
