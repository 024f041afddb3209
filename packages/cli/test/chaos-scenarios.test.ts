import { Prng } from '@trimaran/common'
import { afterEach, expect, test } from 'vitest'
import { playRound } from '../src/chaos/run.ts'
import { scenarios } from '../src/chaos/scenarios/index.ts'
import type { Scenario } from '../src/chaos/scenarios/scenario.ts'
import { SimulatedVictim } from '../src/chaos/testing/simulated-victim.ts'
import { Torture } from '../src/chaos/torture/torture.ts'
import { faults, type Fault } from '../src/chaos/torture/victim.ts'
import { run } from '../src/program.ts'

afterEach(() => {
  process.exitCode = undefined
})

/** What a scenario does to a simulated cluster of three, with the times it waits. */
async function played(
  scenario: Scenario,
  seed: number,
  rounds: number,
  can: readonly Fault[] = faults,
): Promise<string[]> {
  const events: string[] = []
  const torture = new Torture(new SimulatedVictim(3, 6, can), (what, node) =>
    events.push(`${what} ${node}`),
  )
  const random = new Prng(seed)
  for (let round = 0; round < rounds; round++) {
    await playRound(scenario, torture, random.fork(1), 6, async ms => void events.push(`${ms} ms`))
    await torture.healed()
    expect(torture.troubles.size).toBe(0)
  }
  return events
}

const named = (name: string): Scenario => {
  const found = scenarios.find(scenario => scenario.name === name)
  if (found === undefined) throw new Error(`no ${name}`)
  return found
}

test.each(scenarios.map(scenario => [scenario.name, scenario] as const))(
  '%s is the same for the same seed, another for another, and needs what it says',
  async (_, scenario) => {
    const first = await played(scenario, 7, 8)
    expect(await played(scenario, 7, 8)).toEqual(first)
    expect(await played(scenario, 8, 8)).not.toEqual(first)
    const used = faults.filter(fault => first.some(event => event.startsWith(`${fault} `)))
    expect(used.length).toBeGreaterThan(0)
    expect([...scenario.needs, ...(scenario.wants ?? [])]).toEqual(expect.arrayContaining(used))
    // What it would merely like to have it does without.
    await played(scenario, 7, 8, scenario.needs)
  },
)

test('a leader is killed and started, and nothing else', async () => {
  const events = await played(named('leader-kill'), 1, 1)
  expect(events.map(event => event.replace(/\d+/, '#'))).toEqual(['kill #', '# ms', 'start #'])
  expect(events[0]?.split(' ')[1]).toBe(events[2]?.split(' ')[1])
})

test('a stranded leader is alone when it is killed', async () => {
  const events = await played(named('stranded-leader'), 1, 1)
  expect(events.map(event => event.replace(/\d+/, '#'))).toEqual([
    ...['pause #', 'pause #', '# ms', 'kill #', 'resume #', 'resume #', '# ms', 'start #'],
  ])
})

test('a blackout takes all nodes at once', async () => {
  const events = await played(named('blackout'), 1, 1)
  expect(events.map(event => event.replace(/\d+/, '#'))).toEqual([
    ...Array.from({ length: 3 }, () => 'cut-power #'),
    '# ms',
    ...Array.from({ length: 3 }, () => 'start #'),
  ])
})

test('partitions are of every kind, and end', async () => {
  for (const [name, kinds] of [
    ['partition', ['cut', 'unplug']],
    ['one-way-partition', ['deafen', 'mute']],
    ['controller-partition', ['cut', 'unplug']],
  ] as const) {
    const events = await played(named(name), 3, 12)
    const words = events.filter(event => !event.endsWith(' ms')).map(event => event.split(' ')[0])
    expect([...new Set(words)].toSorted()).toEqual([...kinds, 'reconnect'].toSorted())
  }
})

test('a rolling restart touches every node once', async () => {
  const events = await played(named('rolling-restart'), 1, 1)
  const stopped = events.filter(event => event.startsWith('stop'))
  expect(stopped.toSorted()).toEqual(['stop 1', 'stop 2', 'stop 3'])
})

test('what a scenario of somebody leaves down is brought back', async () => {
  const careless: Scenario = {
    name: 'careless',
    words: 'forgets its victims',
    needs: ['kill', 'pause', 'cut'],
    async round({ torture }) {
      await torture.pause(1)
      await torture.kill(2)
      await torture.strike('cut', 3)
    },
  }
  // A node that starts needs the others to be heard.
  expect(await played(careless, 1, 1)).toEqual([
    ...['pause 1', 'kill 2', 'cut 3'],
    ...['reconnect 3', 'resume 1', 'start 2'],
  ])
})

test('a node that is killed while it hangs only has to be started', async () => {
  const twice: Scenario = {
    name: 'twice',
    words: 'hangs, then dies',
    needs: ['kill', 'pause'],
    async round({ torture }) {
      await torture.pause(1)
      await torture.kill(1)
    },
  }
  expect(await played(twice, 1, 1)).toEqual(['pause 1', 'kill 1', 'start 1'])
})

test.each([
  [['--scenario', 'no-such-thing']],
  [['--scenario', 'leader-kill', '--duration', 'x']],
  [['--scenario', 'leader-kill', '--acks', '2']],
  [['--scenario', 'leader-kill', '--rate', '1000000', '--duration', '100']],
  [['--scenario', 'leader-kill', '--dir', '/nowhere/at/all']],
  [['--scenario', 'leader-kill', '--bootstrap-server', 'localhost:1']],
  [['--scenario', 'leader-kill', '--kill-command', 'true {}']],
  [['--scenario', 'leader-kill', '--hooks', 'x']],
  [['--scenario', 'leader-kill', '-b', 'localhost:1', '--kill-command', 'true {}']],
  [['--scenario', 'leader-kill', '-b', 'localhost:1', '--hooks', '/nowhere/hooks']],
  [['--scenario', 'leader-kill', '--dir', 'x', '--override', 'a=b']],
  [['--scenario', 'leader-kill', '--override', 'a']],
  [['--scenario', 'leader-kill', '--dir', 'x', '--bootstrap-server', 'localhost:1']],
  [[]],
])('chaos run %j is wrong usage', async args => {
  expect(await run(['node', 'trimaran', 'chaos', 'run', ...args])).toBe(2)
})
