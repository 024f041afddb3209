import { Prng } from '@trimaran/common'
import { expect, test } from 'vitest'
import { LogView } from '../src/log-view.ts'
import type { Entry } from '../src/messages.ts'

const entry = (epoch: number, size = 0): Entry => ({
  epoch,
  kind: 'data',
  payload: new Uint8Array(size),
})
const logOf = (...epochs: number[]): LogView =>
  new LogView(
    null,
    epochs.map(epoch => entry(epoch)),
  )
const epochsOf = (log: LogView): readonly number[] =>
  log.slice(log.startOffset, log.endOffset).map(({ epoch }) => epoch)

/** All histories of up to `length` entries over epochs 1 to `epochMax` that never decrease. */
function histories(length: number, epochMax: number): readonly (readonly number[])[] {
  const all: (readonly number[])[] = [[]]
  let longest: readonly (readonly number[])[] = [[]]
  for (let size = 1; size <= length; size++) {
    longest = longest.flatMap(history => {
      const from = history.at(-1) ?? 1
      return Array.from({ length: epochMax - from + 1 }, (_, at) => [...history, from + at])
    })
    all.push(...longest)
  }
  return all
}

/** One leader per epoch, and it only appends: an epoch starts at one offset, after one and the same log. */
const couldMeet = (a: readonly number[], b: readonly number[]): boolean =>
  a.every((epoch, at) => {
    if (!b.includes(epoch) || a.indexOf(epoch) !== at) return true
    return b.indexOf(epoch) === at && a.slice(0, at).every((each, i) => each === b[i])
  })

test('divergence leads every follower to a prefix of its leader’s log and cuts nothing they share', () => {
  let pairs = 0
  for (const leaderEpochs of histories(5, 4)) {
    for (const followerEpochs of histories(5, 4)) {
      if (!couldMeet(leaderEpochs, followerEpochs)) continue
      pairs++
      const leader = logOf(...leaderEpochs)
      const follower = logOf(...followerEpochs)
      const shared = followerEpochs.findIndex((epoch, at) => epoch !== leaderEpochs[at])
      const sharedEnd = shared < 0 ? followerEpochs.length : shared
      for (let round = 0; ; round++) {
        const divergence = leader.divergenceOf(follower.endOffset, follower.lastEpoch)
        if (divergence === null) break
        const end = follower.sharedEnd(divergence)
        expect(end).toBeLessThan(follower.endOffset)
        expect(end).toBeGreaterThanOrEqual(sharedEnd)
        follower.truncate(end)
        // At least one epoch of the follower per round.
        expect(round).toBeLessThan(4)
      }
      expect(epochsOf(follower)).toEqual(leaderEpochs.slice(0, follower.endOffset))
      expect(follower.endOffset).toBe(sharedEnd)
    }
  }
  expect(pairs).toBeGreaterThan(1000)
})

test('a log after truncations, dropped prefixes and appends answers as a plain array does', () => {
  for (let seed = 1; seed <= 100; seed++) {
    const prng = new Prng(seed)
    const log = new LogView(null, [])
    const model: number[] = []
    let start = 0
    for (let step = 0; step < 60; step++) {
      const end = model.length
      switch (prng.between(0, 3)) {
        case 0:
        case 1: {
          const epoch = (model.at(-1) ?? 0) + (prng.chance(1, 3) ? 1 : 0)
          log.append(entry(epoch))
          model.push(epoch)
          break
        }
        case 2: {
          const to = prng.between(Math.max(start, end - 3), end)
          log.truncate(to)
          model.length = to
          break
        }
        case 3: {
          const to = prng.between(start, Math.min(end, start + 3))
          log.dropPrefix({ endOffset: to, epoch: model[to - 1] ?? 0 })
          start = to
          break
        }
      }
      expect(log.startOffset).toBe(start)
      expect(log.endOffset).toBe(model.length)
      expect(log.lastEpoch).toBe(model.at(-1) ?? 0)
      for (let epoch = 0; epoch <= (model.at(-1) ?? 0) + 1; epoch++) {
        const known = start === 0 ? 0 : (model[start - 1] as number)
        const end = model.findLastIndex(each => each <= epoch) + 1
        const expected = epoch < known ? null : Math.max(start, end)
        expect(log.endOffsetForEpoch(epoch)?.endOffset ?? null).toBe(expected)
      }
    }
  }
})

test('a read stops at its bytes but brings one entry at least', () => {
  const log = new LogView(null, [entry(1, 100), entry(1, 100), entry(1, 100)])
  expect(log.read(0, 3, 1)).toHaveLength(1)
  expect(log.read(0, 3, 264)).toHaveLength(2)
  expect(log.read(1, 2, 10_000)).toHaveLength(1)
  expect(log.read(3, 3, 10_000)).toHaveLength(0)
})

test('an entry of an older epoch than the last is refused', () => {
  expect(() => logOf(2, 1)).toThrow('epochs never decrease')
})

test('an entry does not keep the message that it came in', () => {
  const message = new Uint8Array(64 * 1024).fill(7)
  const log = new LogView(null, [{ epoch: 1, kind: 'data', payload: message.subarray(100, 150) }])
  log.append({ epoch: 1, kind: 'data', payload: message.subarray(0, 60_000) })
  const [small, large] = log.slice(0, 2).map(({ payload }) => payload)
  expect(small).toEqual(new Uint8Array(50).fill(7))
  expect(small?.buffer.byteLength).toBe(50)
  // Not worth a copy.
  expect(large?.buffer).toBe(message.buffer)
})
