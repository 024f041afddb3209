import { expect, test } from 'vitest'
import { ColdPace } from '../src/replication/cold-pace.ts'
import { TimerQueue } from '../src/replication/timers.ts'
import { SimClock } from './support/sim-clock.ts'

const readBytes = 3_200_000

/** While so many bytes per millisecond come in. */
async function paceBeside(
  appendedBytesPerMs: number,
): Promise<{ readonly clock: SimClock; readonly pace: ColdPace }> {
  const clock = new SimClock()
  const startMs = clock.monotonicMs()
  const appendedBytes = (): number => (clock.monotonicMs() - startMs) * appendedBytesPerMs
  const pace = new ColdPace(clock, new TimerQueue(clock), appendedBytes)
  await clock.advance(100)
  return { clock, pace }
}

test('beside producers a node reads 64 MB of old records a second', async () => {
  const { clock, pace } = await paceBeside(50_000)
  let bytes = 0
  let isOver = false
  const reader = (async () => {
    while (!isOver) {
      await pace.turn(readBytes)
      bytes += readBytes
    }
  })()
  await clock.advance(1_000)
  expect(bytes).toBeGreaterThanOrEqual(64e6 - readBytes)
  expect(bytes).toBeLessThanOrEqual(64e6 + 2 * readBytes)
  isOver = true
  await clock.advance(1_000)
  await reader
})

test('without a load to make room for nobody who reads old records waits', async () => {
  for (const appendedBytesPerMs of [0, 3_900]) {
    const { clock, pace } = await paceBeside(appendedBytesPerMs)
    const nowMs = clock.monotonicMs()
    for (let turn = 0; turn < 1_000; turn++) await pace.turn(readBytes)
    expect(clock.monotonicMs()).toBe(nowMs)
  }
})
