/** One process of a campaign: a seed in, its outcome out. */
import { mistakesOf } from './bugs.ts'
import type { SeedJob } from './campaign.ts'
import { Simulation } from './simulation.ts'

process.on('message', (job: SeedJob) => {
  const { seed, nodes, seconds, bug } = job
  const mistakes = mistakesOf(bug)
  void new Simulation({ seed, nodes, seconds, mistakes })
    .run()
    .then(outcome => process.send?.(outcome))
})
process.on('disconnect', () => process.exit(0))
