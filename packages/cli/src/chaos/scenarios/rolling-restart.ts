import { shuffled } from './draw.ts'
import type { Scenario } from './scenario.ts'

export const rollingRestart: Scenario = {
  name: 'rolling-restart',
  words: 'every node is stopped in order and started again, one after the other',
  needs: ['stop'],
  async round({ torture, random, wait }) {
    for (const node of shuffled(random, torture.nodes)) {
      await torture.stop(node)
      await wait(0, 500)
      await torture.start(node)
      await torture.healed()
    }
  },
}
