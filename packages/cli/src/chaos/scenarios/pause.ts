import type { Scenario } from './scenario.ts'

export const pause: Scenario = {
  name: 'pause',
  words: 'a leader hangs with its connections open (SIGSTOP), and wakes up believing that it leads',
  needs: ['pause'],
  async round({ torture, random, partitions, wait }) {
    const leader = await torture.leader(random.between(0, partitions - 1))
    await torture.pause(leader)
    // A broker's session is 9 s: half of the times nobody takes over, half of the times somebody does.
    if (random.chance(1, 2)) await wait(200, 2500)
    else await wait(10_000, 13_000)
    await torture.resume(leader)
  },
}
