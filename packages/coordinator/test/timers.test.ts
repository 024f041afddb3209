import { Prng } from '@trimaran/common'
import { expect, test } from 'vitest'
import { Timer, Timers } from '../src/timers.ts'
import { SimClock } from './world.ts'

test('a timer fires once at its deadline, and not when it was disarmed', async () => {
  const clock = new SimClock()
  const timers = new Timers(clock)
  const fired: string[] = []
  const first = new Timer(() => fired.push('first'))
  const second = new Timer(() => fired.push('second'))
  timers.arm(second, 20)
  timers.arm(first, 10)
  timers.disarm(second)
  await clock.run(100)
  expect(fired).toEqual(['first'])
  expect(first.armed).toBe(false)
  expect(timers.count).toBe(0)
})

test('arming again moves the deadline, later or earlier', async () => {
  const clock = new SimClock()
  const timers = new Timers(clock)
  const fired: number[] = []
  const late = new Timer(() => fired.push(clock.monotonicMs()))
  const early = new Timer(() => fired.push(clock.monotonicMs()))
  timers.arm(late, 10)
  timers.arm(late, 50)
  timers.arm(early, 40)
  timers.arm(early, 5)
  await clock.run(100)
  expect(fired).toEqual([5, 50])
})

test('a timer that is moved a thousand times takes one place in the heap', () => {
  const clock = new SimClock()
  const timers = new Timers(clock)
  const session = new Timer(() => {})
  for (let beat = 0; beat < 1000; beat++) timers.arm(session, 10 + beat)
  expect(timers.count).toBe(1)
})

test('nothing fires after stop', async () => {
  const clock = new SimClock()
  const timers = new Timers(clock)
  let fired = 0
  const timer = new Timer(() => fired++)
  timers.arm(timer, 10)
  timers.stop()
  timers.arm(timer, 10)
  await clock.run(100)
  expect(fired).toBe(0)
})

test('any sequence of arming and disarming fires each timer exactly at its last deadline', async () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = new Prng(seed)
    const clock = new SimClock()
    const timers = new Timers(clock)
    const expected = new Map<Timer, number>()
    const wrong: string[] = []
    const all = Array.from({ length: 8 }, () => {
      const timer: Timer = new Timer(() => {
        if (expected.get(timer) !== clock.monotonicMs()) wrong.push(`at ${clock.monotonicMs()}`)
        expected.delete(timer)
      })
      return timer
    })
    for (let step = 0; step < 200; step++) {
      const timer = random.pick(all)
      if (random.chance(1, 4)) {
        timers.disarm(timer)
        expected.delete(timer)
      } else {
        const delayMs = random.between(0, 30)
        timers.arm(timer, delayMs)
        expected.set(timer, clock.monotonicMs() + delayMs)
      }
      if (random.chance(1, 3)) await clock.run(random.between(0, 10))
    }
    await clock.run(100)
    expect({ seed, wrong, left: expected.size }).toEqual({ seed, wrong: [], left: 0 })
  }
})
