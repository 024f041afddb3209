import type { BesideCluster } from './beside.ts'
import type { Address } from './client.ts'
import type { Outcome } from './report.ts'
import type { WarmCluster } from './running.ts'

export interface BenchContext {
  readonly root: string
  /** A directory that is empty and removed at the end. */
  readonly directory: string
  /** Brokers of another cluster to measure in turns with ours; null: there is none. */
  readonly beside: readonly Address[] | null
  /** The same cluster, with what can be done to it. */
  readonly besideCluster: BesideCluster | null
  /** Ours, for measurements of clusters that run. */
  readonly ownCluster: WarmCluster
  /** How kafka-producer-perf-test is called; null: it is not there. */
  readonly perfTest: string | null
  /** How many rounds, if the measurement itself would take so many. */
  rounds(usual: number): number
  /** One line about what goes on. */
  progress(text: string): void
  /** Is run at the end, however it comes: the measurement's, an error's or Ctrl-C's. */
  onEnd(clean: () => Promise<void>): void
}

/** One row or a few of the table, each in a file of its own. */
export interface Measurement {
  readonly name: string
  readonly title: string
  /** Both clusters run, warm, all the time; otherwise the measurement starts one when it needs it. */
  readonly areRunning?: boolean
  /** Takes so long that it is not part of a whole run. */
  readonly isOnDemand?: boolean
  measure(context: BenchContext): Promise<Omit<Outcome, 'name'>>
}
