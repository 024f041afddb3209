import { runConsume } from 'trimaran/perf'
import { bootstrapOf, megabytesPerSecond, produceTo, withTopic } from './load.ts'
import type { Measurement } from './measurement.ts'
import { besideNote, figureOf, inRunningTurns, withRunning } from './running.ts'

const usualRounds = 2
const warmUpMs = 2_000
const durationMs = 8_000
const batchBytes = 64 * 1024
const valueBytes = 1024

/** A consumer that follows the producers at the end of the log. */
export const mixed: Measurement = {
  name: 'mixed',
  title: 'produce and consume at once, 1 KiB records',
  areRunning: true,
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    const turns = await withRunning(context, clusters =>
      inRunningTurns(clusters, rounds, async ({ addresses, label }, at) => {
        const topic = `mixed-${at}-${process.pid}`
        const round = await withTopic(addresses, topic, async () => {
          const consuming = runConsume({
            bootstrapServers: bootstrapOf(addresses),
            topics: [topic],
            fromBeginning: true,
            durationMs: warmUpMs + durationMs,
          })
          const produced = await produceTo(addresses, topic, {
            recordSizeBytes: valueBytes,
            batchBytes,
            warmUpMs,
            durationMs,
          })
          const consumed = await consuming
          return {
            produced: megabytesPerSecond(produced),
            share: consumed.totalRecords / produced.totalRecords,
          }
        })
        context.progress(
          `${at}/${rounds}${label}: produce ${round.produced.toFixed(0)} MB/s, ${(round.share * 100).toFixed(0)} % of it read meanwhile`,
        )
        return { ...round, both: round.produced * (1 + round.share) }
      }),
    )
    return {
      figures: [
        figureOf(
          turns,
          {
            name: 'produce and consume at once: in and out together',
            unit: 'MB/s',
            ratioMust: { atLeast: 1.2 },
          },
          ({ both }) => both,
        ),
        figureOf(
          turns,
          { name: 'produce and consume at once: in', unit: 'MB/s' },
          ({ produced }) => produced,
        ),
      ],
      settings: `as throughput with 1 KiB records, one consumer of all partitions reading at the same time for ${(warmUpMs + durationMs) / 1000} s.${besideNote(context)}`,
    }
  },
}
