import { Prng } from '@trimaran/common'
import { expect, test } from 'vitest'
import { TimerQueue } from '../src/replication/timers.ts'
import type { Timer } from '../src/replication/timers.ts'
import { ManualTime } from './replication-cluster.ts'

test('deadlines come in order, cancelled ones never, over one wake-up of the clock', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Prng(seed)
    const time = new ManualTime()
    const timers = new TimerQueue(time)
    const rung: number[] = []
    const waiting = new Map<Timer, number>()
    for (let count = 0; count < 200; count++) {
      const deadlineMs = random.between(1, 500)
      const timer = timers.at(deadlineMs, () => rung.push(deadlineMs))
      waiting.set(timer, deadlineMs)
      if (random.chance(1, 3)) {
        const cancelled = random.pick([...waiting.keys()])
        timers.cancel(cancelled)
        waiting.delete(cancelled)
      }
    }
    expect(timers.size).toBe(waiting.size)
    await time.pass(500)
    expect(rung).toEqual([...waiting.values()].toSorted((a, b) => a - b))
    expect(timers.size).toBe(0)
  }
})

test('a deadline set or cancelled by another one holds', async () => {
  const time = new ManualTime()
  const timers = new TimerQueue(time)
  const rung: string[] = []
  const later = timers.at(20, () => rung.push('cancelled'))
  timers.at(10, () => {
    timers.cancel(later)
    timers.at(15, () => rung.push('set at 10'))
  })
  timers.cancel(later)
  timers.cancel(later)
  await time.pass(30)
  expect(rung).toEqual(['set at 10'])
})
