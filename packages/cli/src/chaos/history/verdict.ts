import type { Anomaly, AnomalyName } from './anomaly.ts'
import { findAnomalies } from './checks.ts'
import { evidenceOf, type Evidence } from './evidence.ts'
import type { History } from './history.ts'
import { worstRealtimeLag, type Staleness } from './staleness.ts'
import { faultCosts, median, type FaultCost } from './progress.ts'

export interface Verdict {
  /** No anomaly, and enough was done and read to say so. */
  readonly kept: boolean
  readonly records: {
    readonly acknowledged: number
    /** Of these, by a leader alone (acks=1). */
    readonly leaderOnly: number
    /** Nobody said whether they were written. */
    readonly unknown: number
    readonly refused: number
    readonly read: number
  }
  readonly lost: number
  readonly duplicated: number
  readonly reordered: number
  /** How many there are of each name. */
  readonly anomalies: Readonly<Partial<Record<AnomalyName, number>>>
  /** Why nothing can be promised although no anomaly was found. */
  readonly doubts: readonly string[]
  readonly progress: {
    readonly faults: number
    readonly silenceMedianMs: number
    readonly silenceMaxMs: number
    readonly each: readonly FaultCost[]
  }
  /** How far behind what others knew somebody read at worst. */
  readonly stalest: Staleness | null
  /** Some anomalies of each name, with what shows them. */
  readonly evidence: readonly Evidence[]
}

export interface VerdictOptions {
  /** Records that only a leader acknowledged count as lost, too. */
  readonly countLeaderAcks: boolean
}

/** Names of what `reordered` counts. */
export const reorderings: readonly AnomalyName[] = [
  'realtime-inversion',
  'nonmonotonic-poll',
  'int-nonmonotonic-poll',
  'nonmonotonic-send',
  'int-nonmonotonic-send',
]

/** A thousand lost records tell no more than the first ones. */
const evidencePerNameMax = 3

export function judge(history: History, options: VerdictOptions): Verdict {
  const anomalies: Partial<Record<AnomalyName, number>> = {}
  const shown: Anomaly[] = []
  for (const anomaly of findAnomalies(history, options)) {
    const count = (anomalies[anomaly.name] ?? 0) + 1
    anomalies[anomaly.name] = count
    if (count <= evidencePerNameMax) shown.push(anomaly)
  }
  const records = countRecords(history)
  const doubts = doubtsOf(history)
  const each = faultCosts(history)
  const silencesMs = each.map(cost => cost.silenceMs)
  return {
    kept: shown.length === 0 && doubts.length === 0,
    records,
    lost: (anomalies['lost-write'] ?? 0) + (anomalies.unseen ?? 0),
    duplicated: anomalies.duplicate ?? 0,
    reordered: reorderings.reduce((sum, name) => sum + (anomalies[name] ?? 0), 0),
    anomalies,
    doubts,
    progress: {
      faults: each.length,
      silenceMedianMs: median(silencesMs),
      silenceMaxMs: silencesMs.reduce((most, next) => Math.max(most, next), 0),
      each,
    },
    stalest: worstRealtimeLag(history),
    evidence: shown.map(anomaly => evidenceOf(history, anomaly)),
  }
}

function countRecords({ sends, polls }: History): Verdict['records'] {
  const counts = { acked: 0, failed: 0, unknown: 0, open: 0 }
  let leaderOnly = 0
  for (const { status, values, acks } of sends) {
    counts[status] += values.length
    if (status === 'acked' && acks === 1) leaderOnly += values.length
  }
  return {
    acknowledged: counts.acked,
    leaderOnly,
    unknown: counts.unknown + counts.open,
    refused: counts.failed,
    read: polls.reduce((sum, { records }) => sum + records.length, 0),
  }
}

/** A history in which nothing happened, or that ends too early, has no anomaly either. */
function doubtsOf({ sends, finallyRead, deleted }: History): string[] {
  // With acks=0 nobody has said anything.
  const acknowledged = sends.filter(
    ({ status, acks, values }) => status === 'acked' && acks !== 0 && values.length > 0,
  )
  if (acknowledged.length === 0) return ['nothing was acknowledged']
  const unread = new Set<string>()
  for (const { partition } of acknowledged) {
    if (!finallyRead.has(partition) && !deleted.has(partition)) unread.add(partition)
  }
  return [...unread].toSorted().map(partition => `${partition} was not read to its end`)
}
