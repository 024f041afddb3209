import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { bugs } from './bugs.ts'
import type { BugName } from './bugs.ts'
import { Simulation } from './simulation.ts'
import type { Outcome } from './simulation.ts'

const simulate = (seed: number, bug?: BugName): Promise<Outcome> =>
  new Simulation({ seed, nodes: 3, seconds: 6, ...(bug && { mistakes: bugs[bug] }) }).run()

test('a handful of clusters keeps every promise under faults and is well again afterwards', async () => {
  let acked = 0
  let faults = 0
  for (let seed = 1; seed <= 8; seed++) {
    const outcome = await simulate(seed)
    expect(outcome.failure, `seed ${seed}`).toBeNull()
    acked += outcome.counts['ackedRecords'] ?? 0
    for (const count of Object.values(outcome.faults)) faults += count
  }
  // A run in which nothing happens proves nothing.
  expect(acked).toBeGreaterThan(500)
  expect(faults).toBeGreaterThan(20)
})

test('a seed is the same every time, also in a process that has done nothing else', async () => {
  const seed = 5
  const first = await simulate(seed)
  await simulate(seed + 1)
  const again = await simulate(seed)
  expect(again.hash).toBe(first.hash)
  const main = new URL('main.ts', import.meta.url).pathname
  const args = [main, '--seed', String(seed), '--seconds', '6', '--json']
  const { hash } = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as {
    hash: string
  }
  expect(Number.parseInt(hash, 16)).toBe(first.hash)
})

/** As in TRACK-RECORD.md, without the slow ones (B01, B08: --bug with more seeds): within how many seeds each broken rule is noticed, and by the loss of which promise. */
const noticed: Readonly<Partial<Record<BugName, readonly [seeds: number, promise: RegExp]>>> = {
  doubleVote: [20, /^R2:/],
  noUpToDateCheck: [60, /^R6:/],
  voteBeforeDurable: [5, /^R12:/],
  ackBeforeDurable: [5, /^R12:/],
  leaderCountsUnsynced: [5, /^R8:/],
  commitOlderEpochs: [10, /^R8:/],
  resumeLeadership: [10, /^R11:/],
  halfIsMajority: [10, /^R(1|6|8):/],
  noDivergenceCheck: [20, /^R5:/],
  truncateAll: [20, /nothing below the high watermark is truncated/],
  noCheckQuorum: [20, /^R14:/],
  snapshotEndOffByOne: [30, /^R17:/],
  acceptOldAnswers: [20, /events in a second/],
  B05: [30, /committed records are lost|^P(5|7|12):/],
  B06: [30, /^P5:/],
}

test.each(Object.entries(noticed) as [BugName, readonly [number, RegExp]][])(
  'the simulator notices %s',
  { timeout: 60_000 },
  async (bug, [seeds, promise]) => {
    for (let seed = 1; seed <= seeds; seed++) {
      const { failure } = await simulate(seed, bug)
      if (failure === null) continue
      expect(failure.message).toMatch(promise)
      return
    }
    expect.unreachable(`not within ${seeds} seeds`)
  },
)
