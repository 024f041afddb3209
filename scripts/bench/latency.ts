import { runEndToEnd, type EndToEndReport } from 'trimaran/perf'
import type { Figure } from './figures.ts'
import { bootstrapOf, partitionCount, withTopic } from './load.ts'
import type { Measurement } from './measurement.ts'
import { besideNote, figureOf, inRunningTurns, withRunning } from './running.ts'

const usualRounds = 3
const rates = [100, 1_000, 10_000] as const
const valueBytes = 200
const warmUpMs = 2_000
const durationMs = 6_000

/** What one record costs in time, at rates that leave the machine room. */
export const latency: Measurement = {
  name: 'latency',
  title: 'acknowledgement and end-to-end latency at 100, 1,000 and 10,000 records/s',
  areRunning: true,
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    const figures = await withRunning(context, async clusters => {
      const all: Figure[] = []
      for (const rate of rates) {
        const turns = await inRunningTurns(clusters, rounds, async ({ addresses, label }, at) => {
          const topic = `latency-${rate}-${at}-${process.pid}`
          const report = await withTopic(addresses, topic, () =>
            runEndToEnd({
              bootstrapServers: bootstrapOf(addresses),
              topic,
              throughput: rate,
              recordSizeBytes: valueBytes,
              warmUpMs,
              durationMs,
            }),
          )
          context.progress(`${rate}/s ${at}/${rounds}${label}: ${told(report)}`)
          return report
        })
        for (const what of ['acknowledged', 'endToEnd'] as const) {
          for (const percentile of ['p50', 'p99'] as const) {
            const words = what === 'acknowledged' ? 'acknowledged' : 'end to end'
            const name = `latency at ${rate.toLocaleString('en-US')} records/s, ${words}, ${percentile}`
            all.push(
              figureOf(turns, { name, unit: 'ms', ratioMust: { below: 0.5 } }, report =>
                millis(report, what, percentile),
              ),
            )
          }
        }
      }
      return all
    })
    return {
      figures,
      settings: `records of ${valueBytes} B by a schedule, linger 0, acks=all, idempotent, one producer, ${partitionCount} partitions, one consumer that polls for them; each record's time counts from when it was due. ${durationMs / 1000} s after ${warmUpMs / 1000} s of the same; median of the rounds' percentiles.${besideNote(context)}`,
    }
  },
}

type Which = 'acknowledged' | 'endToEnd'

const millis = (report: EndToEndReport, what: Which, percentile: 'p50' | 'p99'): number =>
  percentile === 'p50' ? report[what].p50Ms : report[what].p99Ms

const told = (report: EndToEndReport): string =>
  (['acknowledged', 'endToEnd'] as const)
    .map(
      what =>
        `${what} p50 ${millis(report, what, 'p50').toFixed(1)} p99 ${millis(report, what, 'p99').toFixed(1)} ms`,
    )
    .join(', ')
