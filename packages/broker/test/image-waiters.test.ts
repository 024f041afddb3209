import { emptyImage, type Image } from '@trimaran/metadata'
import { expect, test } from 'vitest'
import { ImageWaiters } from '../src/image-waiters.ts'
import { SimClock } from './support/sim-clock.ts'

function given() {
  const clock = new SimClock()
  let image: Image = emptyImage
  const waiters = new ImageWaiters(clock, () => image)
  const publish = (endOffset: number): void => {
    image = { ...image, endOffset }
    waiters.onImage(image)
  }
  const wait = (endOffset: number): { done: boolean } => {
    const state = { done: false }
    void waiters.until(at => at.endOffset >= endOffset).then(() => (state.done = true))
    return state
  }
  return { clock, waiters, publish, wait }
}

test('who waits for metadata goes on when they show it', async () => {
  const { clock, publish, wait } = given()
  const waiting = wait(5)
  publish(4)
  await clock.advance(10)
  expect(waiting.done).toBe(false)
  publish(5)
  await clock.advance(0)
  expect(waiting.done).toBe(true)
})

test('metadata that do not come keep nobody for long', async () => {
  const { clock, wait } = given()
  const waiting = wait(5)
  await clock.advance(1000)
  expect(waiting.done).toBe(true)
})

test('more waiters than there is room for are not kept waiting', async () => {
  const { clock, wait } = given()
  const all = Array.from({ length: 101 }, () => wait(5))
  await clock.advance(0)
  expect(all.map(waiting => waiting.done).lastIndexOf(false)).toBe(99)
  expect(all.at(-1)?.done).toBe(true)
})

test('a broker that stops lets everybody go', async () => {
  const { clock, waiters, wait } = given()
  const waiting = wait(5)
  waiters.stop()
  await clock.advance(0)
  expect(waiting.done).toBe(true)
})
