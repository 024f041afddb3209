import { shuffled } from './draw.ts'
import type { Scenario } from './scenario.ts'

export const allKill: Scenario = {
  name: 'all-kill',
  words: 'all nodes die within moments, and start again on what they have',
  needs: ['kill'],
  async round({ torture, random, wait }) {
    for (const node of shuffled(random, torture.nodes)) {
      await torture.kill(node)
      await wait(0, 50)
    }
    await Promise.all(torture.nodes.map(node => torture.start(node)))
  },
}
