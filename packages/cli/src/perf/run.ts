import { Crew } from './crew.ts'
import {
  checkConsume,
  checkEndToEnd,
  checkProduce,
  type ConsumeOptions,
  type EndToEndOptions,
  type ProduceOptions,
} from './options.ts'
import {
  latencyOf,
  loadReport,
  type ConsumeReport,
  type EndToEndReport,
  type ProduceReport,
} from './report.ts'
import type { Share } from './work.ts'

const shares = (count: number, readTotal: BigInt64Array | null = null): Share[] =>
  Array.from({ length: count }, (_, index) => ({ index, count, readTotal }))

const retriesOf = (tallies: readonly { readonly retries: number }[]): number =>
  tallies.reduce((total, { retries }) => total + retries, 0)

/**
 * Produces to a topic of any Kafka cluster. Resolves with what was acknowledged; aborted, with what was until then.
 * @throws CliError if an option is wrong, the topic does not exist, or the cluster refuses for good
 */
export async function runProduce(options: ProduceOptions): Promise<ProduceReport> {
  const checked = checkProduce(options)
  const result = await new Crew(
    options,
    shares(checked.workers).map(share => ({ kind: 'produce', share, options: checked })),
  ).run()
  const tallies = result.outcomes.map(({ tally }) => tally)
  // By a schedule, the last of its records belong to the time, however late they are.
  const isFixed = checked.throughput === -1 && checked.numRecords === undefined && !result.aborted
  return {
    ...loadReport(
      tallies,
      { cpuMs: result.cpuMs, aborted: result.aborted },
      isFixed ? checked.durationMs : undefined,
    ),
    retries: retriesOf(tallies),
    latency: latencyOf(tallies),
  }
}

/**
 * Reads topics of any Kafka cluster, alone or as a group; records are counted, not looked at.
 * @throws CliError as `runProduce`
 */
export async function runConsume(options: ConsumeOptions): Promise<ConsumeReport> {
  const checked = checkConsume(options)
  const isShared = checked.workers > 1 && checked.numRecords !== undefined
  const readTotal = isShared ? new BigInt64Array(new SharedArrayBuffer(8)) : null
  const result = await new Crew(
    options,
    shares(checked.workers, readTotal).map(share => ({ kind: 'consume', share, options: checked })),
    {
      members: checked.group === undefined ? 0 : checked.members,
      endsTogether: checked.numRecords !== undefined,
    },
  ).run()
  const tallies = result.outcomes.map(({ tally }) => tally)
  const fromMs = Math.min(...tallies.map(tally => tally.fromMs))
  const firstMs = Math.min(...tallies.map(tally => tally.firstMs ?? Infinity))
  return {
    ...loadReport(tallies, { cpuMs: result.cpuMs, aborted: result.aborted }),
    firstRecordMs: Number.isFinite(firstMs) ? firstMs - fromMs : null,
    groupFormedMs: result.groupFormedMs,
  }
}

/**
 * Produces by a schedule, reads it back, and tells both latencies.
 * @throws CliError as `runProduce`; Error if an acknowledged record cannot be read
 */
export async function runEndToEnd(options: EndToEndOptions): Promise<EndToEndReport> {
  const checked = checkEndToEnd(options)
  const result = await new Crew(
    options,
    shares(1).map(share => ({ kind: 'e2e', share, options: checked })),
  ).run()
  const produced = result.outcomes.map(({ tally }) => tally)
  const consumed = result.outcomes.flatMap(outcome => outcome.consumed ?? [])
  const extra = { cpuMs: result.cpuMs, aborted: result.aborted }
  return {
    ...loadReport(produced, extra),
    retries: retriesOf(produced),
    acknowledged: latencyOf(produced),
    endToEnd: latencyOf(consumed),
  }
}
