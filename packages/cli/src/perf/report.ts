import { LatencyHistogram, type LatencySummary } from './histogram.ts'
import type { TallyData } from './tally.ts'

/** MB of 1024 × 1024 bytes, as Kafka's own tools count. */
export const MEGABYTE = 1024 * 1024

export interface Moved {
  /** In the measured time: acknowledged, or read. */
  readonly records: number
  /** Of produced values; of batches as they are stored, for what is read. */
  readonly bytes: number
  readonly elapsedMs: number
  readonly recordsPerSecond: number
  readonly megabytesPerSecond: number
}

export interface LoadReport extends Moved {
  /** Of the whole run, the warm-up included. */
  readonly totalRecords: number
  readonly totalBytes: number
  readonly requests: number
  /** What went wrong and was tried again, by the error's name. */
  readonly errors: Readonly<Record<string, number>>
  /** What brokers asked the client to wait (quotas). */
  readonly throttledMs: number
  /** The load was ended by its signal. */
  readonly aborted: boolean
  /** Of the threads that carried the load, over the whole run. */
  readonly cpuMs: number
}

export interface ProduceReport extends LoadReport {
  /** Batches that were sent again. */
  readonly retries: number
  /** From when a record was due, or without a schedule its batch was sent, to its acknowledgement. */
  readonly latency: LatencySummary
}

export interface ConsumeReport extends LoadReport {
  /** From the first fetch; null: nothing was read. */
  readonly firstRecordMs: number | null
  /** From the first join until every member had its partitions; null: no group, or it did not form. */
  readonly groupFormedMs: number | null
}

export interface EndToEndReport extends LoadReport {
  readonly retries: number
  readonly acknowledged: LatencySummary
  /** From when a record was due until it was read. */
  readonly endToEnd: LatencySummary
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0)

export function moved(records: number, bytes: number, elapsedMs: number): Moved {
  const seconds = elapsedMs / 1000
  return {
    ...{ records, bytes, elapsedMs },
    recordsPerSecond: seconds > 0 ? records / seconds : 0,
    megabytesPerSecond: seconds > 0 ? bytes / MEGABYTE / seconds : 0,
  }
}

export function latencyOf(tallies: readonly TallyData[]): LatencySummary {
  const all = new LatencyHistogram()
  for (const { latency } of tallies) all.merge(latency)
  return all.summary()
}

/** `fixedMs`: the measured time, if it is known beforehand; otherwise it lasts until the last record. */
export function loadReport(
  tallies: readonly TallyData[],
  extra: { readonly cpuMs: number; readonly aborted: boolean },
  fixedMs?: number,
): LoadReport {
  const fromMs = Math.min(...tallies.map(each => each.fromMs))
  const lastMs = Math.max(...tallies.map(each => each.lastMs))
  const errors: Record<string, number> = {}
  for (const tally of tallies) {
    for (const [name, times] of Object.entries(tally.errors))
      errors[name] = (errors[name] ?? 0) + times
  }
  const total = (pick: (tally: TallyData) => number): number => sum(tallies.map(pick))
  return {
    ...moved(
      total(tally => tally.records),
      total(tally => tally.bytes),
      tallies.length === 0 ? 0 : (fixedMs ?? Math.max(0, lastMs - fromMs)),
    ),
    totalRecords: total(tally => tally.totalRecords),
    totalBytes: total(tally => tally.totalBytes),
    requests: total(tally => tally.requests),
    throttledMs: total(tally => tally.throttledMs),
    errors,
    ...extra,
  }
}
