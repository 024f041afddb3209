/** One round of ours, one of the cluster beside: whatever changes on the machine meanwhile meets both. */
import type { BesideCluster } from './beside.ts'
import type { Cluster } from './cluster.ts'
import type { Figure } from './figures.ts'
import type { BenchContext } from './measurement.ts'
import { untilWrittenBack } from './page-cache.ts'
import { ProcessCluster } from './process-cluster.ts'

export interface Turns<T> {
  readonly ours: readonly T[]
  /** Empty: nothing is measured beside. */
  readonly beside: readonly T[]
  /** What the reader of the figures has to know of the cluster beside; empty if there is none. */
  readonly note: string
}

export interface TurnOptions {
  readonly rounds: number
  /** A JVM cluster takes half a minute a round, so it gets fewer. */
  readonly besideRounds: number
  /** The round starts, stops or kills nodes. */
  readonly needsControl: boolean
  /** The figures are of memory or processor time. */
  readonly needsProcesses: boolean
}

/** A round gets a cluster that does not run; the other one is down meanwhile, if it can be. */
export async function inTurns<T>(
  context: BenchContext,
  options: TurnOptions,
  round: (cluster: Cluster, at: number) => Promise<T>,
): Promise<Turns<T>> {
  const { besideCluster } = context
  const isBeside = besideCluster !== null && (besideCluster.isControlled || !options.needsControl)
  const ours: T[] = []
  const beside: T[] = []
  for (let at = 1; at <= options.rounds; at++) {
    await untilWrittenBack()
    ours.push(await round(new ProcessCluster(context), at))
    if (!isBeside || at > options.besideRounds) continue
    await untilWrittenBack()
    beside.push(await round(besideCluster, at))
  }
  return { ours, beside, note: noteOf(besideCluster, options) }
}

export function noteOf(
  cluster: BesideCluster | null,
  { needsControl, needsProcesses }: Pick<TurnOptions, 'needsControl' | 'needsProcesses'>,
): string {
  if (cluster === null) return ''
  if (needsControl && !cluster.isControlled)
    return ' Not measured beside: that takes --beside-control.'
  return needsProcesses && cluster.whyHidden !== null
    ? ` What the processes beside use is not known: ${cluster.whyHidden}.`
    : ''
}

/** One number out of each round. Ours must be known; of the cluster beside it may be hidden. */
export function pairOf<T>(
  turns: Turns<T>,
  pick: (taken: T) => number | null,
): Pick<Figure, 'samples' | 'beside'> {
  const samples = known(turns.ours.map(pick))
  if (samples === null) throw new Error('this system does not tell what processes use (/proc)')
  const beside = known(turns.beside.map(pick))
  return beside === null || beside.length === 0 ? { samples } : { samples, beside }
}

function known(numbers: readonly (number | null)[]): number[] | null {
  const all = numbers.filter(each => each !== null)
  return all.length === numbers.length ? all : null
}
