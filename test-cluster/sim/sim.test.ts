import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { Prng } from '@trimaran/common'
import { Simulation } from './simulation.ts'
import type { Outcome } from './simulation.ts'
import { Owner, World } from './world.ts'

const simulate = (seed: number): Promise<Outcome> =>
  new Simulation({ seed, nodes: 3, seconds: 6 }).run()

test(
  'a handful of clusters keeps every promise under faults and is well again afterwards',
  { timeout: 120_000 },
  async () => {
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
    expect(faults).toBeGreaterThan(10)
  },
)

test('partitions move between five brokers under faults, and every move comes to its end', async () => {
  const counts = { reassignmentsBegun: 0, reassignmentsDone: 0, reassignmentsCancelled: 0 }
  for (let seed = 1; seed <= 8; seed++) {
    const outcome = await new Simulation({ seed, nodes: 5, seconds: 6 }).run()
    expect(outcome.failure, `seed ${seed}`).toBeNull()
    for (const name of Object.keys(counts) as (keyof typeof counts)[]) {
      counts[name] += outcome.counts[name] ?? 0
    }
  }
  expect(counts.reassignmentsBegun).toBeGreaterThan(5)
  expect(counts.reassignmentsDone).toBeGreaterThan(5)
  expect(counts.reassignmentsCancelled).toBeGreaterThan(0)
})

test('voters of the quorum come and go among five nodes under faults', async () => {
  const counts = { votersAdded: 0, votersRemoved: 0, voterChanges: 0 }
  for (let seed = 11; seed <= 18; seed++) {
    const outcome = await new Simulation({ seed, nodes: 5, seconds: 6 }).run()
    expect(outcome.failure, `seed ${seed}`).toBeNull()
    for (const name of Object.keys(counts) as (keyof typeof counts)[]) {
      counts[name] += outcome.counts[name] ?? 0
    }
  }
  expect(counts.votersAdded).toBeGreaterThan(5)
  expect(counts.votersRemoved).toBeGreaterThan(5)
  expect(counts.voterChanges).toBeGreaterThan(20)
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

test('what comes during a pause waits in its order, even when the pause is made longer', () => {
  const world = new World(new Prng(1))
  const node = new Owner(1)
  const came: string[] = []
  world.at(10, node, () => came.push('first'))
  world.at(36, node, () => came.push('second'))
  world.at(60, node, () => came.push('after'))
  node.pausedUntilUs = 40
  world.at(35, world.outside, () => {
    node.pausedUntilUs = 50
  })
  while (world.step(100));
  expect(came).toEqual(['first', 'second', 'after'])
  expect(world.nowUs).toBe(100)
})
