/** What a measurement gives: samples with a unit, and what they must be. */

export type Unit =
  | 'ms'
  | 'KB'
  | 'MB'
  | 'MB/s'
  | 'records/s'
  | 'cores'
  | 'times'
  | 'simulated s per s'

/** A promise about one statistic of the samples. */
export type Must =
  | { readonly of: Statistic; readonly below: number }
  | { readonly of: Statistic; readonly atLeast: number }

/** A promise about ours divided by the other's. */
export type RatioMust = { readonly below: number } | { readonly atLeast: number }

export type Statistic = 'median' | 'max' | 'min'

export interface Figure {
  readonly name: string
  readonly unit: Unit
  /** One per round, in the order they were taken; never empty. */
  readonly samples: readonly number[]
  /** The same of the cluster beside ours; absent: it was not measured. */
  readonly beside?: readonly number[]
  /** Empty: nothing is promised about it. */
  readonly must: readonly Must[]
  /** Judged only where there is a cluster beside. */
  readonly ratioMust?: RatioMust
}

export interface Summary {
  readonly median: number
  readonly min: number
  readonly max: number
  readonly count: number
}

/** Between the two middle ones if their number is even. */
export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** The smallest sample that at least this share (0 to 1) of all samples does not exceed. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

export function summarize(samples: readonly number[]): Summary {
  return {
    median: median(samples),
    min: Math.min(...samples),
    max: Math.max(...samples),
    count: samples.length,
  }
}

export function holds(must: Must, summary: Summary): boolean {
  const value = summary[must.of]
  return 'below' in must ? value < must.below : value >= must.atLeast
}

/** How much of the other's median ours is; null: there is no other. */
export function ratio({ samples, beside }: Figure): number | null {
  return beside === undefined ? null : median(samples) / median(beside)
}

/** Null: nothing was promised, or there is nothing to compare with. */
export function ratioVerdict(figure: Figure): boolean | null {
  const value = ratio(figure)
  const { ratioMust: must } = figure
  if (value === null || must === undefined) return null
  return 'below' in must ? value < must.below : value >= must.atLeast
}

/** Of ours alone. Null: nothing was promised. */
export function verdict(figure: Figure): boolean | null {
  if (figure.must.length === 0) return null
  const summary = summarize(figure.samples)
  return figure.must.every(must => holds(must, summary))
}
