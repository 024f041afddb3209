import { Prng } from '@trimaran/common'
import { drawPlan } from './plan.ts'
import type { Decision } from './plan.ts'
import { extraFaultKinds } from './swarm.ts'
import type { FaultKind, Swarm } from './swarm.ts'

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
  const extraFaults = new Set<FaultKind>()
  // Where nothing else fails, nothing of these does either.
  const isCalm = swarm.faults.size === 0
  for (const kind of extraFaultKinds) if (random.chance(1, 2) && !isCalm) extraFaults.add(kind)
  const giantBytes = random.pick([0, 0, 6_000, 60_000])
  return {
    ...swarm,
    topics: topics.map((topic, at) => (at === 0 ? withGiants(topic, giantBytes) : topic)),
    properties,
    deletesRecords,
    extraFaults,
    giantBytes,
  }
}

/** Segments as young as they come, so that there are some to be deleted. */
const drawRetention = (random: Prng) => [
  { name: 'segment.ms', value: String(random.pick([150, 600])) },
  { name: 'retention.ms', value: String(random.pick([-1, 1_000, 4_000])) },
  { name: 'retention.bytes', value: String(random.pick([-1, 0, 2_000, 20_000])) },
  { name: 'file.delete.delay.ms', value: String(random.pick([0, 300, 60_000])) },
]

const withGiants = (
  { configs, ...topic }: Swarm['topics'][number],
  giantBytes: number,
): Swarm['topics'][number] =>
  giantBytes === 0
    ? { ...topic, configs }
    : {
        ...topic,
        configs: [...configs, { name: 'max.message.bytes', value: String(giantBytes) }],
      }

/** Between the harm that the seed has anyway. */
export function withExtraHarm(
  plan: readonly Decision[],
  swarm: Swarm,
  options: { readonly seed: number; readonly nodes: number; readonly seconds: number },
): readonly Decision[] {
  if (swarm.extraFaults.size === 0) return plan
  const rare = { ...swarm, faults: swarm.extraFaults, harmMinMs: 300, harmMaxMs: 2_500 }
  const extra = drawPlan(new Prng(options.seed, 8), rare, options)
  return [...plan, ...extra].toSorted((a, b) => a.atMs - b.atMs)
}

/**
 * What a broker may come back with: settings that others need not share. Which records are committed does not depend on any of
 * them, and no election becomes faster than the fetch timeout of the quorum, which all have in common.
 */
export function otherSettings(random: Prng): readonly (readonly [string, string])[] {
  const settings: readonly (readonly [string, readonly number[]])[] = [
    ['replica.lag.time.max.ms', [300, 1_000, 3_000]],
    ['replica.fetch.wait.max.ms', [50, 200, 500]],
    ['replica.fetch.backoff.ms', [50, 300]],
    ['replica.fetch.max.bytes', [2_000, 1_048_576]],
    ['replica.fetch.response.max.bytes', [4_000, 10_485_760]],
    ['fetch.max.bytes', [2_000, 57_671_680]],
    ['log.index.size.max.bytes', [64, 10_485_760]],
    ['log.index.interval.bytes', [200, 4_096]],
    ['log.roll.ms', [400, 3_000, 604_800_000]],
    ['replica.high.watermark.checkpoint.interval.ms', [300, 2_000, 5_000]],
    ['log.flush.offset.checkpoint.interval.ms', [700, 3_000, 60_000]],
    ['offsets.load.buffer.size', [200, 5_242_880]],
    ['metadata.log.max.record.bytes.between.snapshots', [1_500, 20_971_520]],
    ['leader.imbalance.check.interval.seconds', [2, 300]],
    ['controller.quorum.election.backoff.max.ms', [300, 1_000]],
  ]
  return settings
    .filter(() => random.chance(1, 3))
    .map(([name, values]) => [name, String(random.pick(values))])
}
