import { expect, test } from 'vitest'
import { BacklogPace } from '../src/backlog-pace.ts'

function pacing() {
  const state = { nowMs: 0, share: 0, asked: 0 }
  const pace = new BacklogPace(
    () => state.nowMs,
    () => {
      state.asked++
      return state.share
    },
  )
  const after = (ms: number): number => {
    state.nowMs += ms
    return pace.waitMs()
  }
  return { state, pace, after }
}

test('nobody waits while the event loop has room', () => {
  const { state, after } = pacing()
  state.share = 0.5
  for (let at = 0; at < 10; at++) expect(after(20)).toBe(0)
})

test('the wait grows while it is busy, to a bound, and is gone some judgements after', () => {
  const { state, after } = pacing()
  state.share = 0.9
  const grown = Array.from({ length: 12 }, () => after(20))
  expect(grown.slice(0, 4)).toEqual([1, 1.5, 2.25, 3.375])
  expect(grown.at(-1)).toBe(20)
  state.share = 0.1
  const shrunk = Array.from({ length: 16 }, () => after(20))
  expect(shrunk[0]).toBe(16)
  expect(shrunk.at(-1)).toBe(0)
})

test('beside others they wait sooner, and longer', () => {
  const { state, pace, after } = pacing()
  state.share = 0.3
  expect(after(20)).toBe(0)
  for (let at = 0; at < 12; at++) {
    pace.servesOthers(state.nowMs)
    after(20)
  }
  expect(pace.presentWaitMs).toBe(50)
  // The others are gone.
  state.nowMs += 251
  state.share = 0.5
  expect(after(0)).toBe(0)
})

test('what nobody has asked for is forgotten, and no longer shown', () => {
  const { state, pace, after } = pacing()
  state.share = 0.9
  for (let at = 0; at < 12; at++) after(20)
  expect(pace.presentWaitMs).toBe(20)
  state.nowMs += 251
  expect(pace.presentWaitMs).toBe(0)
  state.share = 0.1
  expect(after(0)).toBe(0)
})

test('many who ask at once are one judgement', () => {
  const { state, after } = pacing()
  state.share = 1
  expect(after(20)).toBe(1)
  for (let at = 0; at < 100; at++) expect(after(0)).toBe(1)
  expect(after(19)).toBe(1)
  expect(state.asked).toBe(1)
})
