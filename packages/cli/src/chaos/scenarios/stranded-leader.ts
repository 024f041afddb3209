import type { Scenario } from './scenario.ts'

/** With acks=1 this loses records for certain: what the leader took alone dies with it. */
export const strandedLeader: Scenario = {
  name: 'stranded-leader',
  words: 'all but one leader hang; it goes on alone, and dies as the others wake up',
  needs: ['kill', 'pause'],
  async round({ torture, random, partitions, wait }) {
    const leader = await torture.leader(random.between(0, partitions - 1))
    const others = torture.nodes.filter(node => node !== leader)
    for (const node of others) await torture.pause(node)
    await wait(200, 800)
    await torture.kill(leader)
    for (const node of others) await torture.resume(node)
    await wait(500, 3000)
    await torture.start(leader)
  },
}
