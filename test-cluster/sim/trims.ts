import { calmNetwork } from './swarm.ts'
import type { Swarm } from './swarm.ts'

/** What shrinking tries to do without. */
const trims = {
  lateMessages: swarm => ({ ...swarm, network: calmNetwork }),
  slowDisks: ({ disk, ...swarm }) => ({
    ...swarm,
    disk: { ...disk, syncMaxUs: Math.min(disk.syncMaxUs, 300), stallOneIn: 0 },
  }),
  wrongClocks: swarm => ({ ...swarm, wallSkewMaxMs: 0 }),
  reassignments: swarm => ({ ...swarm, hasReassignments: false }),
  deletions: swarm => ({ ...swarm, deletesRecords: false }),
  retention: ({ topics, ...swarm }) => ({
    ...swarm,
    topics: topics.map(({ configs, ...topic }) => ({
      ...topic,
      configs: configs.filter(({ name }) => name === 'max.message.bytes'),
    })),
  }),
  giants: swarm => ({ ...swarm, giantBytes: 0 }),
  admin: swarm => ({ ...swarm, hasAdmin: false }),
  group: swarm => ({ ...swarm, members: 0 }),
  plainProducers: swarm => ({ ...swarm, plainProducers: 0 }),
  consumers: swarm => ({ ...swarm, consumers: 0 }),
  allButOneProducer: swarm => ({ ...swarm, producers: 1 }),
  allButOnePartition: ({ topics, ...swarm }) => ({
    ...swarm,
    topics: topics.slice(0, 1).map(topic => ({ ...topic, partitionCount: 1 })),
  }),
} as const satisfies Record<string, (swarm: Swarm) => Swarm>

export type TrimName = keyof typeof trims
export const trimNames = Object.keys(trims) as readonly TrimName[]
export const isTrimName = (name: string): name is TrimName => Object.hasOwn(trims, name)

export const trimmed = (swarm: Swarm, names: readonly TrimName[]): Swarm =>
  names.reduce<Swarm>((rest, name) => trims[name](rest), swarm)
