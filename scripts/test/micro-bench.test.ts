import { expect, test } from 'vitest'
import { measure, type Pace } from '../micro-bench/contest.ts'
import { jsonReport, textReport } from '../micro-bench/report.ts'

const pace: Pace = { rounds: 5, turnMs: 4, warmUpMs: 8 }
const bytes = new Uint8Array(64 * 1024).fill(1)
const walk = (): number => {
  let sum = 0
  for (const byte of bytes) sum += byte
  return sum
}
const twice = (): number => walk() + walk()
const named = { name: 'walk', naive: 'a walk', prepare: () => ({ ours, naive, stepBytes: 1 }) }
const ours = walk
const naive = walk

test('twice the work is half the ratio, and a must above it fails', async () => {
  const stepBytes = bytes.length
  const same = await measure({ ...named, must: 0.6 }, { ours, naive, stepBytes }, pace)
  expect(same.ratio).toBeGreaterThan(0.6)
  expect(same.holds).toBe(true)
  const lost = await measure({ ...named, must: 0.8 }, { ours: twice, naive, stepBytes }, pace)
  expect(lost.ratio).toBeLessThan(0.8)
  expect(lost.holds).toBe(false)
})

test('steps that wait are waited for, turns are reset, and none has more steps than it may', async () => {
  let underWay = 0
  let sinceReset = 0
  let most = 0
  const step = async (): Promise<void> => {
    most = Math.max(most, ++sinceReset)
    expect(++underWay).toBe(1)
    // So short that a turn would have room for thousands, on the slowest machine.
    await Promise.resolve()
    underWay--
  }
  const contest = {
    ours: step,
    naive: step,
    stepBytes: 0,
    stepsMax: 3,
    reset: () => (sinceReset = 0),
  }
  await measure({ ...named, must: 0 }, contest, pace)
  expect(most).toBe(3)
})

test('reports show speed, ratio and what does not hold', () => {
  const outcome = {
    name: 'append',
    naive: 'a loop',
    oursUs: 100,
    naiveUs: 50,
    stepBytes: 100_000,
    ratio: 0.5,
    must: 0.6,
    holds: false,
  }
  const text = textReport([outcome, { ...outcome, name: 'open', stepBytes: 0, holds: true }])
  expect(text).toMatch(/^append +1000 MB\/s +2000 MB\/s +0\.50 +≥ 0\.6 +✗ +a loop$/m)
  expect(text).toMatch(/^open +100 µs +50\.00 µs +0\.50 +≥ 0\.6 +✓ +a loop$/m)
  expect(JSON.parse(jsonReport([outcome]))).toEqual({ allHold: false, outcomes: [outcome] })
})
