import { Prng } from '@trimaran/common'
import type { Swarm } from './swarm.ts'

/**
 * What came later than the rest, with streams of its own: two thirds of the seeds are what they would be without, to the last
 * event, so that what the bug bank and the regressions know of them stays true.
 */
export function withExtras(swarm: Swarm, seed: number): Swarm {
  const random = new Prng(seed, 7)
  if (!random.chance(1, 3)) return swarm
  const deletesRecords = random.chance(1, 2)
  const retains = random.chance(1, 2)
  const topics = swarm.topics.map(topic =>
    retains && random.chance(2, 3) ? { ...topic, configs: drawRetention(random) } : topic,
  )
  const checkIntervalMs = String(random.pick([200, 1_000]))
  const properties = new Map(swarm.properties)
  if (retains || deletesRecords) properties.set('log.retention.check.interval.ms', checkIntervalMs)
  return { ...swarm, topics, properties, deletesRecords }
}

/** Segments as young as they come, so that there are some to be deleted. */
const drawRetention = (random: Prng) => [
  { name: 'segment.ms', value: String(random.pick([150, 600])) },
  { name: 'retention.ms', value: String(random.pick([-1, 1_000, 4_000])) },
  { name: 'retention.bytes', value: String(random.pick([-1, 0, 2_000, 20_000])) },
  { name: 'file.delete.delay.ms', value: String(random.pick([0, 300, 60_000])) },
]
