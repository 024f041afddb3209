/** Buckets per power of two: each is at most 1/128 of its values wide. */
const SUB_BUCKETS = 128
const SUB_BITS = 7
/** Below this, every microsecond has a bucket of its own. */
const EXACT_MICROS = 2 * SUB_BUCKETS
/** Above it, values share the last bucket: 35 minutes. */
const MICROS_MAX = 2 ** 31 - 1
const BUCKETS = EXACT_MICROS + (31 - (SUB_BITS + 1)) * SUB_BUCKETS

/** What a histogram is between threads. */
export interface HistogramData {
  readonly buckets: Float64Array
  readonly count: number
  readonly sumMs: number
  readonly maxMs: number
}

export interface LatencySummary {
  readonly count: number
  readonly averageMs: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly maxMs: number
}

function bucketOf(micros: number): number {
  if (micros < EXACT_MICROS) return micros
  const shift = 31 - Math.clz32(micros) - SUB_BITS
  return EXACT_MICROS + (shift - 1) * SUB_BUCKETS + (micros >>> shift) - SUB_BUCKETS
}

/** The middle of a bucket: half its width off at most. */
function microsOf(bucket: number): number {
  if (bucket < EXACT_MICROS) return bucket
  const shift = Math.floor((bucket - EXACT_MICROS) / SUB_BUCKETS) + 1
  const low = (SUB_BUCKETS + ((bucket - EXACT_MICROS) % SUB_BUCKETS)) * 2 ** shift
  return low + (2 ** shift - 1) / 2
}

/** Latencies in 25 KiB, however many: log-linear buckets, percentiles at most 0.4 % off. */
export class LatencyHistogram {
  readonly #buckets = new Float64Array(BUCKETS)
  #count = 0
  #sumMs = 0
  #maxMs = 0

  get count(): number {
    return this.#count
  }

  get sumMs(): number {
    return this.#sumMs
  }

  /** `times` records that all waited so long. */
  record(latencyMs: number, times = 1): void {
    const micros = Math.min(MICROS_MAX, Math.max(0, Math.round(latencyMs * 1000)))
    const bucket = bucketOf(micros)
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + times
    this.#count += times
    this.#sumMs += latencyMs * times
    if (latencyMs > this.#maxMs) this.#maxMs = latencyMs
  }

  merge(other: HistogramData): void {
    for (let at = 0; at < BUCKETS; at++)
      this.#buckets[at] = (this.#buckets[at] ?? 0) + (other.buckets[at] ?? 0)
    this.#count += other.count
    this.#sumMs += other.sumMs
    this.#maxMs = Math.max(this.#maxMs, other.maxMs)
  }

  data(): HistogramData {
    return {
      buckets: this.#buckets,
      count: this.#count,
      sumMs: this.#sumMs,
      maxMs: this.#maxMs,
    }
  }

  /** 0 without values. */
  percentileMs(percent: number): number {
    const rank = Math.ceil((percent / 100) * this.#count)
    let seen = 0
    for (let at = 0; at < BUCKETS; at++) {
      seen += this.#buckets[at] ?? 0
      if (seen > 0 && seen >= rank) return Math.min(microsOf(at) / 1000, this.#maxMs)
    }
    return this.#maxMs
  }

  summary(): LatencySummary {
    return {
      count: this.#count,
      averageMs: this.#count === 0 ? 0 : this.#sumMs / this.#count,
      p50Ms: this.percentileMs(50),
      p95Ms: this.percentileMs(95),
      p99Ms: this.percentileMs(99),
      p999Ms: this.percentileMs(99.9),
      maxMs: this.#maxMs,
    }
  }
}
