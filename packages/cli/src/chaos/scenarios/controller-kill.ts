import type { Scenario } from './scenario.ts'

export const controllerKill: Scenario = {
  name: 'controller-kill',
  words: 'the active controller dies without a word, and comes back a little later',
  needs: ['kill'],
  async round({ torture, wait }) {
    const controller = await torture.controller()
    await torture.kill(controller)
    await wait(500, 3000)
    await torture.start(controller)
  },
}
