import type { Fault } from '../torture/victim.ts'
import type { Scenario } from './scenario.ts'

export const slowDisk: Scenario = {
  name: 'slow-disk',
  words: "a leader's disk takes up to 300 ms longer for whatever waits for it",
  needs: ['slow-disk'],
  async round({ torture, random, partitions, wait }) {
    const leader = await torture.leader(random.between(0, partitions - 1))
    await torture.strike('slow-disk', leader)
    await wait(1000, 6000)
    await torture.help('repair-disk', leader)
  },
}

/** A leader's disk ends its process, and it starts again on what is there. */
const stopped = (name: string, fault: Fault, words: string): Scenario => ({
  name,
  words,
  needs: [fault],
  async round({ torture, random, partitions, wait }) {
    const leader = await torture.leader(random.between(0, partitions - 1))
    await torture.strike(fault, leader)
    await wait(500, 3000)
    await torture.start(leader)
  },
})

export const diskFull: Scenario = stopped(
  'disk-full',
  'fill-disk',
  "a leader's disk is full in the middle of a write: it stops by itself, and starts with room",
)

export const powerLoss: Scenario = stopped(
  'power-loss',
  'cut-power',
  'a leader loses power, and with it what it had not synced',
)

/** With the default of log.flush.interval.messages this loses records for certain: no node had synced them. */
export const blackout: Scenario = {
  name: 'blackout',
  words: 'all nodes lose power at once; they sync before they acknowledge (flush.messages=1)',
  needs: ['cut-power'],
  settings: { 'log.flush.interval.messages': '1' },
  async round({ torture, wait }) {
    await Promise.all(torture.nodes.map(node => torture.strike('cut-power', node)))
    await wait(0, 1000)
    await Promise.all(torture.nodes.map(node => torture.start(node)))
  },
}
