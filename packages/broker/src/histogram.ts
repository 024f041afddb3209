/** Upper ends of the buckets: `smallest`, then each twice the one before, `count` of them. */
export interface Bounds {
  readonly smallest: number
  readonly count: number
}

/** Milliseconds: 62.5 µs … 33 s. */
export const timeBounds: Bounds = { smallest: 1 / 16, count: 20 }
/** Milliseconds, for what stays within a process: 4 µs … 2 s. */
export const shortTimeBounds: Bounds = { smallest: 1 / 256, count: 20 }
/** Bytes: 64 B … 64 MiB. */
export const sizeBounds: Bounds = { smallest: 64, count: 21 }
/** 1 … 1,048,576. */
export const countBounds: Bounds = { smallest: 1, count: 21 }

/** Counts values by size. Recording is two additions and a bucket that is computed, not looked for. */
export class Histogram {
  count = 0
  sum = 0
  readonly bounds: Bounds
  /** Not cumulative; the last one counts what is above every end. */
  readonly counts: number[]
  readonly #perSmallest: number
  /** The largest end, in steps of the smallest. */
  readonly #stepsMax: number

  constructor(bounds: Bounds) {
    this.bounds = bounds
    this.counts = Array.from({ length: bounds.count + 1 }, () => 0)
    this.#perSmallest = 1 / bounds.smallest
    this.#stepsMax = 2 ** (bounds.count - 1)
  }

  record(value: number): void {
    this.count++
    this.sum += value
    const steps = Math.ceil(value * this.#perSmallest)
    const bucket =
      steps <= 1 ? 0 : steps > this.#stepsMax ? this.bounds.count : 32 - Math.clz32(steps - 1)
    this.counts[bucket] = (this.counts[bucket] as number) + 1
  }

  endOf(bucket: number): number {
    return this.bounds.smallest * 2 ** bucket
  }

  /** The end of the bucket that holds it, so up to twice as much as it is; infinite above every end. 0: nothing yet. */
  percentile(percent: number): number {
    if (this.count === 0) return 0
    let below = 0
    for (const [bucket, count] of this.counts.entries()) {
      below += count
      if (below >= (this.count * percent) / 100)
        return bucket === this.bounds.count ? Number.POSITIVE_INFINITY : this.endOf(bucket)
    }
    return Number.POSITIVE_INFINITY
  }
}
