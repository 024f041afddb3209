import { LatencyHistogram, type HistogramData } from './histogram.ts'

/** What the orchestrating thread hears once a second: totals so far, and the slowest since it last heard. */
export interface Beat {
  readonly records: number
  readonly bytes: number
  readonly latencySumMs: number
  readonly latencyCount: number
  readonly intervalMaxMs: number
}

/** What a thread counts; only what lies from `fromMs` to before `untilMs` is measured. */
export class Tally {
  readonly latency = new LatencyHistogram()
  fromMs = 0
  untilMs = Infinity
  /** In the measured time. */
  records = 0
  bytes = 0
  firstMs = Infinity
  lastMs = 0
  /** Of the whole run. */
  totalRecords = 0
  totalBytes = 0
  requests = 0
  retries = 0
  throttledMs = 0
  readonly errors: Record<string, number> = {}
  #intervalMaxMs = 0
  #latencySumMs = 0
  #latencyCount = 0

  count(records: number, bytes: number, nowMs: number): void {
    this.totalRecords += records
    this.totalBytes += bytes
    if (nowMs < this.fromMs || nowMs >= this.untilMs) return
    this.records += records
    this.bytes += bytes
    if (nowMs < this.firstMs) this.firstMs = nowMs
    this.lastMs = nowMs
  }

  /** `atMs`: what decides whether it is measured. */
  delay(latencyMs: number, records: number, atMs: number): void {
    this.#latencySumMs += latencyMs * records
    this.#latencyCount += records
    if (latencyMs > this.#intervalMaxMs) this.#intervalMaxMs = latencyMs
    if (atMs >= this.fromMs && atMs < this.untilMs) this.latency.record(latencyMs, records)
  }

  error(name: string): void {
    this.errors[name] = (this.errors[name] ?? 0) + 1
  }

  beat(): Beat {
    const intervalMaxMs = this.#intervalMaxMs
    this.#intervalMaxMs = 0
    return {
      records: this.totalRecords,
      bytes: this.totalBytes,
      latencySumMs: this.#latencySumMs,
      latencyCount: this.#latencyCount,
      intervalMaxMs,
    }
  }

  outcome(): TallyData {
    const { records, bytes, totalRecords, totalBytes, requests, retries, throttledMs, errors } =
      this
    return {
      ...{ records, bytes, totalRecords, totalBytes, requests, retries, throttledMs, errors },
      latency: this.latency.data(),
      fromMs: performance.timeOrigin + Math.max(this.fromMs, 0),
      firstMs: this.firstMs === Infinity ? null : performance.timeOrigin + this.firstMs,
      lastMs: performance.timeOrigin + this.lastMs,
    }
  }
}

/** A tally between threads; times count from the epoch, since each thread's own clock begins elsewhere. */
export interface TallyData {
  readonly records: number
  readonly bytes: number
  readonly totalRecords: number
  readonly totalBytes: number
  readonly requests: number
  readonly retries: number
  readonly throttledMs: number
  readonly errors: Readonly<Record<string, number>>
  readonly latency: HistogramData
  readonly fromMs: number
  readonly firstMs: number | null
  readonly lastMs: number
}
