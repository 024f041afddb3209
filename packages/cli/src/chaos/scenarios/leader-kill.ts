import type { Scenario } from './scenario.ts'

export const leaderKill: Scenario = {
  name: 'leader-kill',
  words: 'the leader of some partition dies without a word, and comes back a little later',
  needs: ['kill'],
  async round({ torture, random, partitions, wait }) {
    const leader = await torture.leader(random.between(0, partitions - 1))
    await torture.kill(leader)
    await wait(500, 3000)
    await torture.start(leader)
  },
}
