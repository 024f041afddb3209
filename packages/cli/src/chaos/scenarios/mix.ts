import type { Scenario } from './scenario.ts'

export const mixOf = (scenarios: readonly Scenario[]): Scenario => ({
  name: 'mix',
  words: 'each time one of the others',
  needs: [...new Set(scenarios.flatMap(({ needs }) => needs))],
  round: scene => scene.random.pick(scenarios).round(scene),
})
