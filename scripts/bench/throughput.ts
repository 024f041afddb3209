import {
  consumeFor,
  megabytesPerSecond,
  partitionCount,
  producerCount,
  produceTo,
  recordSizes,
  withTopic,
  type RecordSize,
} from './load.ts'
import type { Figure } from './figures.ts'
import type { BenchContext, Measurement } from './measurement.ts'
import { untilWrittenBack } from './page-cache.ts'
import {
  besideNote,
  figureOf,
  inRunningTurns,
  withRunning,
  type RunningCluster,
} from './running.ts'

const usualRounds = 3
const warmUpMs = 2_000
const durationMs = 8_000
const consumeMs = 5_000
const groupMembers = 3

interface Round {
  readonly producedMegabytes: number
  readonly producedRecords: number
  readonly consumedMegabytes: number
  readonly groupMegabytes: number
  readonly groupFormedMs: number
}

/** How much goes through: in, and out to one consumer and to a group. */
export const throughput: Measurement = {
  name: 'throughput',
  title: 'produce, consume by one and by a group of three; 1 KiB and 100 B records, RF 3, acks=all',
  areRunning: true,
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    const figures = await withRunning(context, async clusters => {
      const all: Figure[] = []
      for (const size of recordSizes)
        all.push(...(await measureSize(context, clusters, rounds, size)))
      return all
    })
    const batches = recordSizes
      .map(({ label, batchBytes }) => `${batchBytes / 1024} KiB of ${label}`)
      .join(', ')
    return {
      figures,
      settings: `${partitionCount} partitions, RF 3, min.insync.replicas 2, idempotent, batches that do not compress (${batches}), ${producerCount} producers with five requests under way per broker, ${durationMs / 1000} s after ${warmUpMs / 1000} s of warm-up; then, written back to the disk, read from the beginning to the end by one consumer, again and again for ${consumeMs / 1000} s, and so by groups of ${groupMembers} (their rate counts from the first fetch, the first one's forming is a row of its own; \`cluster up\` sets group.initial.rebalance.delay.ms to 0, Kafka's default is 3 s). MB are 10⁶ bytes, of values produced, of batches read. The load generator is that of \`trimaran perf\`, one thread. Kafka's default durability: replicated to page caches, flushed behind.${besideNote(context)}`,
    }
  },
}

async function measureSize(
  context: BenchContext,
  clusters: readonly RunningCluster[],
  rounds: number,
  size: RecordSize,
): Promise<Figure[]> {
  const { label } = size
  const turns = await inRunningTurns(clusters, rounds, async (cluster, at) => {
    const round = await measureRound(cluster, size, at)
    context.progress(
      `${label} ${at}/${rounds}${cluster.label}: produce ${round.producedMegabytes.toFixed(0)} MB/s, consume ${round.consumedMegabytes.toFixed(0)}, group of three ${round.groupMegabytes.toFixed(0)} MB/s after ${round.groupFormedMs.toFixed(0)} ms`,
    )
    return round
  })
  return [
    figureOf(
      turns,
      {
        name: `produce, ${label}, acks=all, idempotent`,
        unit: 'MB/s',
        ratioMust: { atLeast: 1.2 },
      },
      ({ producedMegabytes }) => producedMegabytes,
    ),
    figureOf(
      turns,
      { name: `produce, ${label}, acks=all, idempotent`, unit: 'records/s' },
      ({ producedRecords }) => producedRecords,
    ),
    figureOf(
      turns,
      { name: `consume, ${label}, one consumer`, unit: 'MB/s', ratioMust: { atLeast: 0.8 } },
      ({ consumedMegabytes }) => consumedMegabytes,
    ),
    figureOf(
      turns,
      { name: `consume, ${label}, group of three`, unit: 'MB/s', ratioMust: { atLeast: 1 } },
      ({ groupMegabytes }) => groupMegabytes,
    ),
    figureOf(
      turns,
      { name: `group of three has formed, ${label}`, unit: 'ms' },
      ({ groupFormedMs }) => groupFormedMs,
    ),
  ]
}

function measureRound(
  { addresses }: RunningCluster,
  { valueBytes, batchBytes }: RecordSize,
  at: number,
): Promise<Round> {
  const topic = `throughput-${valueBytes}-${at}-${process.pid}`
  return withTopic(addresses, topic, async () => {
    const produced = await produceTo(addresses, topic, {
      recordSizeBytes: valueBytes,
      batchBytes,
      warmUpMs,
      durationMs,
    })
    // Who produces more would be read while more of it is still on its way to the disk.
    await untilWrittenBack()
    const consumed = await consumeFor(addresses, topic, null, consumeMs)
    const group = await consumeFor(addresses, topic, groupMembers, consumeMs)
    return {
      producedMegabytes: megabytesPerSecond(produced),
      producedRecords: produced.recordsPerSecond,
      consumedMegabytes: megabytesPerSecond(consumed),
      groupMegabytes: megabytesPerSecond(group),
      groupFormedMs: group.groupFormedMs ?? Number.NaN,
    }
  })
}
