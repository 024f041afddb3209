/** Ours and the one beside it, both up: what is measured in turns on clusters that run, warm, all the time. */
import type { Address } from './client.ts'
import { untilHealthy } from './cluster.ts'
import type { Figure, RatioMust, Unit } from './figures.ts'
import type { BenchContext } from './measurement.ts'
import { untilWrittenBack } from './page-cache.ts'
import { ProcessCluster } from './process-cluster.ts'
import { warmUp } from './warm-up.ts'

export interface RunningCluster {
  readonly label: '' | ' beside'
  readonly addresses: readonly Address[]
}

/** Of every round, in order: ours, and beside it the other's; that is empty if there is none. */
export interface RunningTurns<T> {
  readonly ours: readonly T[]
  readonly beside: readonly T[]
}

/** Ours, started and warmed like the one beside when the first measurement asks for it, and kept for the others. */
export class WarmCluster {
  readonly #root: string
  readonly #directory: string
  #cluster: ProcessCluster | null = null

  constructor(root: string, directory: string) {
    this.#root = root
    this.#directory = directory
  }

  async ensureWarm(): Promise<readonly Address[]> {
    if (this.#cluster === null) {
      this.#cluster = new ProcessCluster({
        root: this.#root,
        directory: this.#directory,
        // It outlives the measurement that it was started for.
        onEnd: () => {},
      })
      await this.#cluster.launch()
      await untilHealthy(this.#cluster.addresses)
      await warmUp(this.#cluster.addresses)
    }
    return this.#cluster.addresses
  }

  async stop(): Promise<void> {
    const cluster = this.#cluster
    this.#cluster = null
    await cluster?.stop()
  }
}

/** Both clusters, or ours alone. One that a measurement has failed on is not trusted with the next. */
export async function withRunning<T>(
  context: BenchContext,
  measure: (clusters: readonly RunningCluster[]) => Promise<T>,
): Promise<T> {
  const { ownCluster, beside } = context
  const ours: RunningCluster = { label: '', addresses: await ownCluster.ensureWarm() }
  try {
    return await measure(beside === null ? [ours] : [ours, { label: ' beside', addresses: beside }])
  } catch (error) {
    await ownCluster.stop()
    throw error
  }
}

/** One round of ours, one of the other: whatever changes on the machine meanwhile meets both. */
export async function inRunningTurns<T>(
  clusters: readonly RunningCluster[],
  rounds: number,
  round: (cluster: RunningCluster, at: number) => Promise<T>,
): Promise<RunningTurns<T>> {
  const taken: T[][] = clusters.map(() => [])
  for (let at = 1; at <= rounds; at++)
    for (const [which, cluster] of clusters.entries()) {
      await untilWrittenBack()
      taken[which]?.push(await round(cluster, at))
    }
  return { ours: taken[0] ?? [], beside: taken[1] ?? [] }
}

export function figureOf<T>(
  turns: RunningTurns<T>,
  row: { readonly name: string; readonly unit: Unit; readonly ratioMust?: RatioMust },
  pick: (taken: T) => number,
): Figure {
  const beside = turns.beside.map(pick)
  return {
    ...row,
    samples: turns.ours.map(pick),
    ...(beside.length > 0 && { beside }),
    must: [],
  }
}

/** For the settings under the table. */
export const besideNote = ({ beside }: BenchContext): string =>
  beside === null
    ? ''
    : ' In turns with the cluster beside, both warmed with a minute and a half of such loads before; both run all the time, so each takes what the other leaves of the machine; what a load left in the page cache is written back before the next begins.'
