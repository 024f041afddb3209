import { ClusterError } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { ProducerIds } from '../src/producer-ids.ts'
import { StandInController } from './support/stand-in-controller.ts'

function given(): { controller: StandInController; ids: ProducerIds } {
  const controller = new StandInController()
  return { controller, ids: new ProducerIds({ controller, brokerId: 1, brokerEpoch: () => 5 }) }
}

test('no producer id is given twice, across blocks', async () => {
  const { controller, ids } = given()
  const seen = new Set<number>()
  for (let at = 0; at < 2500; at++) {
    const next = await ids.next()
    if (next.kind === 'assigned') seen.add(next.producerId)
  }
  expect(seen.size).toBe(2500)
  expect(controller.count('allocateProducerIds')).toBe(3)
})

test('all who wait for the first block share one request', async () => {
  const { controller, ids } = given()
  const all = await Promise.all(Array.from({ length: 50 }, () => ids.next()))
  expect(new Set(all.map(next => (next.kind === 'assigned' ? next.producerId : -1))).size).toBe(50)
  expect(controller.count('allocateProducerIds')).toBe(1)
})

test('the next block is asked for before the current one is used up', async () => {
  const { controller, ids } = given()
  for (let at = 0; at < 910; at++) await ids.next()
  expect(controller.count('allocateProducerIds')).toBe(2)
})

test('without a controller the client is told to come back', async () => {
  const { controller, ids } = given()
  controller.failure = new ClusterError('RPC_TIMEOUT', 'nobody there')
  expect(await ids.next()).toEqual({
    kind: 'unavailable',
    errorCode: errorCodes.COORDINATOR_LOAD_IN_PROGRESS,
  })
  controller.failure = null
  expect((await ids.next()).kind).toBe('assigned')
})

test('an empty block is no answer', async () => {
  const { controller, ids } = given()
  controller.overrides.allocateProducerIds = () => ({
    errorCode: 0,
    errorMessage: null,
    firstProducerId: 0,
    count: 0,
  })
  expect((await ids.next()).kind).toBe('unavailable')
})
