import type { Prng } from '@trimaran/common'
import type { DiskProfile } from './disk.ts'
import type { NetworkProfile } from './network.ts'

export const faultKinds = [
  'kill',
  'powerLoss',
  'blackout',
  'restart',
  'pause',
  'isolate',
  'split',
  'oneWay',
  'cut',
  'slow',
  'clientCut',
  'diskFails',
  'diskFull',
  'bridge',
  'swizzle',
  'clockJump',
] as const
/** Drawn apart from the others: see extras.ts. */
export const extraFaultKinds = ['reconfigure', 'wipe', 'rot', 'rotRecords', 'restore'] as const
export type FaultKind = (typeof faultKinds)[number] | (typeof extraFaultKinds)[number]
export const allFaultKinds: readonly FaultKind[] = [...faultKinds, ...extraFaultKinds]

/** What one seed is: drawn once, before anything happens. Half of the seeds have a kind of fault, half do not. */
export interface Swarm {
  readonly nodeCount: number
  readonly voterCount: number
  readonly faults: ReadonlySet<FaultKind>
  /** Time between two faults. */
  readonly harmMinMs: number
  readonly harmMaxMs: number
  readonly downMaxMs: number
  readonly network: NetworkProfile
  readonly disk: DiskProfile
  readonly properties: ReadonlyMap<string, string>
  /** log.flush.interval.messages=1: fsync before ack, so that even a blackout loses nothing. */
  readonly fsyncs: boolean
  readonly fetchTimeoutMs: number
  readonly wallSkewMaxMs: number
  readonly topics: readonly {
    readonly partitionCount: number
    readonly replicationFactor: number
    readonly configs: readonly { readonly name: string; readonly value: string }[]
  }[]
  readonly producers: number
  readonly plainProducers: number
  readonly consumers: number
  readonly members: number
  readonly memberLifeMs: number
  readonly hasAdmin: boolean
  readonly pauseMaxMs: number
  /** Partitions move to other brokers, and back, all the time. */
  readonly hasReassignments: boolean
  /** Voters of the quorum are added and removed all the time. */
  readonly hasVoterChanges: boolean
  /** Somebody deletes records that others read (DeleteRecords). */
  readonly deletesRecords: boolean
  /** Besides `faults`. */
  readonly extraFaults: ReadonlySet<FaultKind>
  /** max.message.bytes of the first topic, where somebody sends batches just as large; 0: nobody does. */
  readonly giantBytes: number
}

const ms = 1000

export function drawSwarm(random: Prng, options: { readonly nodes: number }): Swarm {
  const sessionTimeoutMs = random.pick([600, 1_500, 3_000])
  const electionTimeoutMs = random.pick([200, 500, 1_000])
  const fetchTimeoutMs = electionTimeoutMs * 2
  const fsyncs = random.chance(1, 3)
  const properties = new Map<string, string>([
    ['broker.session.timeout.ms', String(sessionTimeoutMs)],
    ['broker.heartbeat.interval.ms', String(Math.floor(sessionTimeoutMs / random.pick([3, 5])))],
    ['controller.quorum.election.timeout.ms', String(electionTimeoutMs)],
    ['controller.quorum.fetch.timeout.ms', String(fetchTimeoutMs)],
    ['controller.quorum.election.backoff.max.ms', String(random.pick([300, 1_000]))],
    ['replica.lag.time.max.ms', String(random.pick([300, 1_000, 3_000]))],
    ['replica.fetch.wait.max.ms', String(random.pick([200, 500]))],
    ['replica.fetch.backoff.ms', String(random.pick([50, 300]))],
    ['replica.fetch.max.bytes', String(random.pick([2_000, 1_048_576]))],
    ['replica.fetch.response.max.bytes', String(random.pick([4_000, 10_485_760]))],
    ['fetch.max.bytes', String(random.pick([2_000, 57_671_680]))],
    ['log.index.size.max.bytes', String(random.pick([64, 10_485_760]))],
    ['offsets.commit.timeout.ms', String(random.pick([300, 5_000]))],
    ['replica.high.watermark.checkpoint.interval.ms', String(random.pick([300, 2_000, 5_000]))],
    ['log.flush.offset.checkpoint.interval.ms', String(random.pick([700, 3_000, 60_000]))],
    // Segments cannot be smaller than 1 MiB, so they are made to be younger.
    ['log.roll.ms', String(random.pick([400, 3_000, 604_800_000]))],
    ['log.cleaner.enable', 'false'],
    ['log.index.interval.bytes', String(random.pick([200, 4_096]))],
    ['offsets.topic.num.partitions', String(random.pick([1, 3]))],
    ['offsets.topic.replication.factor', '3'],
    ['offsets.load.buffer.size', String(random.pick([200, 5_242_880]))],
    ['group.initial.rebalance.delay.ms', String(random.pick([0, 200]))],
    ['group.min.session.timeout.ms', '500'],
    ['min.insync.replicas', '2'],
    ['default.replication.factor', '3'],
    ['auto.create.topics.enable', 'false'],
    ['leader.imbalance.check.interval.seconds', String(random.pick([2, 300]))],
    ['metadata.log.max.record.bytes.between.snapshots', String(random.pick([1_500, 20_971_520]))],
    ['request.timeout.ms', '3000'],
    ...(fsyncs ? [['log.flush.interval.messages', '1'] as const] : []),
  ])
  return {
    nodeCount: options.nodes,
    voterCount: random.chance(1, 8) ? 1 : Math.min(3, options.nodes),
    faults: drawFaults(random, fsyncs),
    harmMinMs: 100,
    harmMaxMs: random.pick([600, 2_000, 4_000]),
    downMaxMs: random.pick([100, 1_000, 4_000]),
    network: drawNetwork(random),
    disk: {
      syncMinUs: 100,
      syncMaxUs: random.pick([300, 3_000, 20_000]),
      stallOneIn: random.pick([0, 0, 100]),
      stallMaxUs: 500 * ms,
    },
    properties,
    fsyncs,
    fetchTimeoutMs,
    wallSkewMaxMs: random.pick([0, 0, 60_000]),
    topics: Array.from({ length: random.between(1, 3) }, () => ({
      partitionCount: random.between(1, 3),
      replicationFactor: 3,
      configs: [],
    })),
    producers: random.between(1, 3),
    plainProducers: random.between(0, 2),
    consumers: random.between(1, 2),
    members: random.pick([0, 2, 3]),
    memberLifeMs: random.pick([0, 2_500, 6_000]),
    hasAdmin: random.chance(1, 2),
    pauseMaxMs: random.pick([40, 120, 300]),
    hasReassignments: random.chance(1, 2),
    hasVoterChanges: random.chance(1, 3),
    deletesRecords: false,
    extraFaults: new Set(),
    giantBytes: 0,
  }
}

function drawFaults(random: Prng, fsyncs: boolean): Set<FaultKind> {
  const faults = new Set<FaultKind>()
  // One seed in twenty has none: what fails there is no fault's fault.
  if (random.chance(1, 20)) return faults
  for (const kind of faultKinds) if (random.chance(1, 2)) faults.add(kind)
  if (!fsyncs) faults.delete('blackout')
  return faults
}

function drawNetwork(random: Prng): NetworkProfile {
  return {
    delayMinUs: random.pick([50, 200]),
    delayMaxUs: random.pick([500, 2 * ms, 10 * ms]),
    lateOneIn: random.pick([0, 0, 200, 50]),
    lateMaxUs: random.pick([50 * ms, 400 * ms]),
    lossOneIn: random.pick([0, 0, 0, 2_000, 300]),
    repeatOneIn: random.pick([0, 0, 20]),
  }
}

/** After the faults: a network and disks that work. */
export const calmNetwork: NetworkProfile = {
  delayMinUs: 200,
  delayMaxUs: 1 * ms,
  lateOneIn: 0,
  lateMaxUs: 0,
  lossOneIn: 0,
  repeatOneIn: 0,
}
