import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { megabytesPerSecond, partitionCount, produceTo, withTopic } from './load.ts'
import type { Figure } from './figures.ts'
import type { BenchContext, Measurement } from './measurement.ts'
import { besideNote, figureOf, inRunningTurns, withRunning } from './running.ts'

const usualRounds = 2
const warmUpMs = 2_000
const durationMs = 6_000
const batchBytes = 64 * 1024
const codecs = ['lz4', 'zstd'] as const
const payloadLines = 1_000
const lineItems = 7

/** What a client compresses, the broker moves as it is, and looks into as far as its topic needs. */
export const compression: Measurement = {
  name: 'compression',
  title: 'produce with lz4 and zstd batches of the client, JSON of 1 KB',
  areRunning: true,
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    const payloadFile = writePayload(context)
    const figures = await withRunning(context, async clusters => {
      const all: Figure[] = []
      for (const codec of codecs) {
        const turns = await inRunningTurns(clusters, rounds, async (cluster, at) => {
          const topic = `compression-${codec}-${at}-${process.pid}`
          const produced = await withTopic(cluster.addresses, topic, () =>
            produceTo(cluster.addresses, topic, {
              compression: codec,
              payloadFile,
              batchBytes,
              warmUpMs,
              durationMs,
            }),
          )
          const megabytes = megabytesPerSecond(produced)
          context.progress(`${codec} ${at}/${rounds}${cluster.label}: ${megabytes.toFixed(0)} MB/s`)
          return megabytes
        })
        const name = `produce, ${codec}, acks=all, idempotent: payload`
        all.push(
          figureOf(
            turns,
            { name, unit: 'MB/s', ratioMust: { atLeast: 1.2 } },
            megabytes => megabytes,
          ),
        )
      }
      return all
    })
    return {
      figures,
      settings: `MB of values before compression, JSON records of about 1 KB in batches of ${batchBytes / 1024} KiB compressed beforehand; else as throughput, ${partitionCount} partitions, ${durationMs / 1000} s after ${warmUpMs / 1000} s.${besideNote(context)}`,
    }
  },
}

/** Orders as a shop would log them: names that repeat, numbers that do not. */
function writePayload({ directory }: BenchContext): string {
  const path = join(directory, 'orders.jsonl')
  const line = (order: number): string => {
    const items = Array.from({ length: lineItems }, (_, at) => ({
      sku: `SKU-${(order * 7919 + at * 104_729) % 1_000_000}`,
      title: ['tea pot', 'wool blanket', 'oak table', 'desk lamp'][(order + at) % 4],
      quantity: 1 + ((order * (at + 3)) % 5),
      cents: 199 + ((order * 6151 + at * 389) % 25_000),
    }))
    const customer = {
      id: (order * 48_271) % 2_147_483_647,
      country: ['DE', 'FR', 'PL'][order % 3],
    }
    return JSON.stringify({ order, customer, items, at: 1_700_000_000_000 + order * 37 })
  }
  writeFileSync(path, Array.from({ length: payloadLines }, (_, at) => line(at)).join('\n'))
  return path
}
