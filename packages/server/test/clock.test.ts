import { expect, test } from 'vitest'
import { systemClock } from '../src/ports/clock.ts'

const nextTurn = (): Promise<void> => new Promise(settle => setImmediate(settle))

test('what is due already wakes in the next turn of the event loop, not in the call and not a timer later', async () => {
  let isAwake = false
  systemClock.wakeAt(systemClock.monotonicMs() - 1, () => (isAwake = true))
  expect(isAwake).toBe(false)
  await Promise.resolve()
  expect(isAwake).toBe(false)
  await nextTurn()
  expect(isAwake).toBe(true)
})

test('a wake is never early, and one that was cancelled never comes', async () => {
  let cancelledCame = false
  const cancel = systemClock.wakeAt(systemClock.monotonicMs() + 5, () => (cancelledCame = true))
  const cancelDue = systemClock.wakeAt(0, () => (cancelledCame = true))
  cancel()
  cancelDue()
  const deadlineMs = systemClock.monotonicMs() + 20
  await new Promise<void>(settle => systemClock.wakeAt(deadlineMs, settle))
  expect(systemClock.monotonicMs()).toBeGreaterThanOrEqual(deadlineMs)
  expect(cancelledCame).toBe(false)
})
