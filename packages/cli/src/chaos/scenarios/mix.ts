import type { Scenario } from './scenario.ts'

export const mixOf = (scenarios: readonly Scenario[]): Scenario => ({
  name: 'mix',
  words: 'each time one of those that need no settings of their own',
  needs: ['kill'],
  wants: [...new Set(scenarios.flatMap(({ needs, wants }) => [...needs, ...(wants ?? [])]))],
  round: scene =>
    scene.random
      .pick(scenarios.filter(({ needs }) => needs.every(need => scene.torture.can.has(need))))
      .round(scene),
})
