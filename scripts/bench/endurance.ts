/** What only shows after a while: a log that has grown, memory after minutes at full load, a reader of old records. */
import { statfs } from 'node:fs/promises'
import { runConsume } from 'trimaran/perf'
import { untilHealthy, type Cluster } from './cluster.ts'
import type { Figure } from './figures.ts'
import { bootstrapOf, megabytesPerSecond, partitionCount, produceTo, withTopic } from './load.ts'
import type { BenchContext, Measurement } from './measurement.ts'
import { ProcessCluster } from './process-cluster.ts'
import { pidsOf, residentMegabytes } from './processes.ts'

const usualRounds = 2
const minuteMs = 60_000
/** One load after another, each some seconds long: their rates are what is compared. */
const burstMs = 15_000
const firstRssMs = 2 * minuteMs
const lastRssMs = 10 * minuteMs
const smallLogBytes = 1e9
const largeLogBytes = 20e9
const valueBytes = 1024
const load = { recordSizeBytes: valueBytes, batchBytes: 64 * 1024, warmUpMs: 0 }

interface Burst {
  /** Since the first one began, when it ended. */
  readonly atMs: number
  /** Written to each node by then. */
  readonly writtenBytes: number
  readonly rate: number
  readonly residentMegabytes: number
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN

export const endurance: Measurement = {
  name: 'endurance',
  title:
    'ten minutes at full load, a log of 20 GB, a reader of old records (not part of a whole run)',
  isOnDemand: true,
  async measure(context) {
    const cluster = new ProcessCluster(context, {
      ...process.env,
      KAFKA_LOG_RETENTION_CHECK_INTERVAL_MS: '5000',
    })
    await cluster.launch()
    await untilHealthy(cluster.addresses)
    const keptBytes = await logBytesThatFit(context)
    const topic = `endurance-${process.pid}`
    const figures = await withTopic(
      cluster.addresses,
      topic,
      async () => {
        const bursts = await tenMinutes(context, cluster, topic)
        const shares = await besideOldReads(context, cluster, topic)
        return [...figuresOf(bursts, keptBytes), reading(shares)]
      },
      {
        'retention.bytes': String(Math.floor(keptBytes / partitionCount)),
        'segment.bytes': String(256 * 1024 * 1024),
        'file.delete.delay.ms': '1000',
      },
    )
    await cluster.stop()
    const settings = `1 KiB records in batches of 64 KiB, ${partitionCount} partitions, RF 3, in bursts of ${burstMs / 1000} s one after the other for ${lastRssMs / minuteMs} minutes; retention.bytes keeps ${(keptBytes / 1e9).toFixed(0)} GB on each node, of which the page cache holds what it can. The reader begins at the oldest record, as fast as it goes.`
    return { figures, settings }
  },
}

/** Three nodes share a disk here; a fifth of what is free stays so. */
async function logBytesThatFit({ directory }: BenchContext): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return Math.min(largeLogBytes, (bavail * bsize * 0.8) / 3)
}

async function tenMinutes(
  context: BenchContext,
  cluster: Cluster,
  topic: string,
): Promise<readonly Burst[]> {
  const pids = pidsOf(await cluster.processes()) ?? []
  const startMs = performance.now()
  const bursts: Burst[] = []
  let writtenBytes = 0
  while (performance.now() - startMs < lastRssMs) {
    const produced = await produceTo(cluster.addresses, topic, { ...load, durationMs: burstMs })
    writtenBytes += produced.totalRecords * valueBytes
    const burst: Burst = {
      atMs: performance.now() - startMs,
      writtenBytes,
      rate: megabytesPerSecond(produced),
      residentMegabytes: residentMegabytes(pids),
    }
    bursts.push(burst)
    context.progress(
      `${(burst.atMs / 1000).toFixed(0)} s: ${burst.rate.toFixed(0)} MB/s, ${(writtenBytes / 1e9).toFixed(1)} GB written, ${burst.residentMegabytes.toFixed(0)} MB resident`,
    )
  }
  return bursts
}

function figuresOf(bursts: readonly Burst[], keptBytes: number): Figure[] {
  const small = bursts.filter(({ writtenBytes }) => writtenBytes <= 4 * smallLogBytes)
  const large = bursts.slice(-Math.max(small.length, 4))
  const rateOf = (some: readonly Burst[]): number => median(some.map(({ rate }) => rate))
  const early = bursts.find(({ atMs }) => atMs >= firstRssMs)
  const late = median(bursts.slice(-3).map(burst => burst.residentMegabytes))
  const logBytes = Math.min(keptBytes, bursts.at(-1)?.writtenBytes ?? 0)
  return [
    {
      name: `throughput with ${(logBytes / 1e9).toFixed(0)} GB of log, of that with 1 GB`,
      unit: 'times',
      samples: [rateOf(large) / rateOf(small)],
      must: [{ of: 'median', atLeast: 0.9 }],
    },
    {
      name: 'RSS after ten minutes at full load, of that after two',
      unit: 'times',
      samples: [late / (early?.residentMegabytes ?? Number.NaN)],
      must: [{ of: 'median', below: 1.1 }],
    },
  ]
}

/** Producers' rate while somebody reads from the beginning, of that alone before and after. */
async function besideOldReads(
  context: BenchContext,
  cluster: Cluster,
  topic: string,
): Promise<readonly number[]> {
  const rate = async (): Promise<number> =>
    megabytesPerSecond(
      await produceTo(cluster.addresses, topic, { ...load, warmUpMs: 2_000, durationMs: burstMs }),
    )
  const shares: number[] = []
  const rounds = context.rounds(usualRounds)
  for (let at = 1; at <= rounds; at++) {
    const before = await rate()
    const reading = runConsume({
      bootstrapServers: bootstrapOf(cluster.addresses),
      topics: [topic],
      fromBeginning: true,
      durationMs: burstMs + 4_000,
    })
    // It is asked for below.
    reading.catch(() => null)
    const beside = await rate()
    const read = await reading
    const after = await rate()
    shares.push((2 * beside) / (before + after))
    context.progress(
      `${at}/${rounds}: ${beside.toFixed(0)} MB/s beside a reader of ${megabytesPerSecond(read).toFixed(0)} MB/s of old records, ${before.toFixed(0)} and ${after.toFixed(0)} MB/s alone`,
    )
  }
  return shares
}

const reading = (samples: readonly number[]): Figure => ({
  name: 'throughput beside a consumer that reads old records at full speed, of that alone',
  unit: 'times',
  samples,
  must: [{ of: 'median', atLeast: 0.75 }],
})
