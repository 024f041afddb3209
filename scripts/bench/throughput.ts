import { setTimeout as sleep } from 'node:timers/promises'
import { errorCodes } from '@trimaran/protocol'
import { connect, dropTopic, prepareBatch, produce } from './client.ts'
import type { Address, TopicLayout } from './client.ts'
import { untilHealthy } from './cluster.ts'
import type { Figure } from './figures.ts'
import { quantile } from './figures.ts'
import {
  batchBytes,
  consumeFor,
  inFlightPerBroker,
  makeTopic,
  partitionCount,
  perSecond,
  produceFor,
  producerCount,
} from './load.ts'
import type { BenchContext, Measurement } from './measurement.ts'
import { ProcessCluster } from './process-cluster.ts'

const usualRounds = 3
const warmUpMs = 2_000
const durationMs = 6_000
const consumeMaxMs = 10_000
const latencyRecords = 500
/** 100 records a second: what a record costs when nothing else waits. */
const latencyPauseMs = 10

const sizes = [
  { label: '1 KiB', valueBytes: 1024 },
  { label: '100 B', valueBytes: 100 },
] as const

/** How much goes through, and how long one record takes; with `--beside` of two clusters in turns. */
export const throughput: Measurement = {
  name: 'throughput',
  title: 'produce and consume, 1 KiB and 100 B records, RF 3, acks=all; latency of single records',
  besideRuns: true,
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    const cluster = new ProcessCluster(context)
    await cluster.launch()
    await untilHealthy(cluster.addresses)
    const clusters = [cluster.addresses, ...(context.beside === null ? [] : [context.beside])]
    const figures: Figure[] = []
    for (const { label, valueBytes } of sizes)
      figures.push(...(await measureSize(context, clusters, { rounds, label, valueBytes })))
    figures.push(...(await measureLatency(context, clusters)))
    await cluster.stop()
    return { figures, settings: settings(context) }
  },
}

function settings({ beside }: BenchContext): string {
  const load = `${partitionCount} partitions, RF 3, min.insync.replicas 2, batches of ${batchBytes / 1024} KiB that do not compress, ${producerCount} producers with ${inFlightPerBroker} requests under way per broker, ${durationMs / 1000} s after ${warmUpMs / 1000} s of warm-up; consumed from the beginning by one reader per broker. MB are payload. Kafka's default durability: replicated to page caches, flushed behind.`
  if (beside === null) return load
  const brokers = beside.map(({ host, port }) => `${host}:${port}`).join(',')
  return `${load} Beside: the cluster of ${brokers}, in turns with ours, with topics of its own; it runs all the time, so each takes what the other leaves of the machine. A JVM gets faster for minutes: its first rounds say little.`
}

type Sampled = 'megabytes' | 'records'
interface Round {
  readonly produced: Readonly<Record<Sampled, number>>
  readonly consumed: Readonly<Record<Sampled, number>>
}

async function measureSize(
  context: BenchContext,
  clusters: readonly (readonly Address[])[],
  load: { readonly rounds: number; readonly label: string; readonly valueBytes: number },
): Promise<Figure[]> {
  const { rounds, label, valueBytes } = load
  const taken: Round[][] = clusters.map(() => [])
  for (let at = 1; at <= rounds; at++) {
    for (const [which, brokers] of clusters.entries()) {
      const name = `throughput-${valueBytes}-${at}-${process.pid}`
      const layout = await makeTopic(brokers, name)
      const produced = perSecond(await produceFor(layout, valueBytes, warmUpMs, durationMs))
      const consumed = perSecond(await consumeFor(layout, valueBytes, consumeMaxMs))
      taken[which]?.push({ produced, consumed })
      await dropTopic(brokers, name)
      context.progress(
        `${label} ${at}/${rounds}${which === 0 ? '' : ' beside'}: produce ${produced.megabytes.toFixed(0)} MB/s, consume ${consumed.megabytes.toFixed(0)} MB/s`,
      )
    }
  }
  const figure = (verb: keyof Round, of: Sampled): Figure => {
    const [samples = [], beside] = taken.map(all => all.map(round => round[verb][of]))
    return {
      name: verb === 'produced' ? `produce, ${label}, acks=all` : `consume, ${label}`,
      unit: of === 'megabytes' ? 'MB/s' : 'records/s',
      samples,
      ...(beside && { beside }),
      must: [],
    }
  }
  return (['produced', 'consumed'] as const).flatMap(verb => [
    figure(verb, 'megabytes'),
    figure(verb, 'records'),
  ])
}

async function measureLatency(
  context: BenchContext,
  clusters: readonly (readonly Address[])[],
): Promise<Figure[]> {
  const taken: number[][] = []
  for (const brokers of clusters) {
    const name = `latency-${process.pid}`
    const samples = await singleRecords(await makeTopic(brokers, name))
    taken.push(samples)
    await dropTopic(brokers, name)
    context.progress(
      `latency${taken.length === 1 ? '' : ' beside'}: median ${quantile(samples, 0.5).toFixed(1)} ms, p99 ${quantile(samples, 0.99).toFixed(1)} ms`,
    )
  }
  const [ours = [], theirs] = taken
  const figure = (what: string, share: number): Figure => ({
    name: `one record of 200 B, acks=all, at 100/s: ${what}`,
    unit: 'ms',
    samples: [quantile(ours, share)],
    ...(theirs && { beside: [quantile(theirs, share)] }),
    must: [],
  })
  return [figure('median', 0.5), figure('p99', 0.99)]
}

async function singleRecords(layout: TopicLayout): Promise<number[]> {
  const leader = layout.leaders[0] ?? -1
  const address = layout.addresses.get(leader)
  if (address === undefined) throw new Error('the topic has no leader')
  const connection = await connect(address)
  const batch = prepareBatch(1, 200)
  const samples: number[] = []
  while (samples.length < latencyRecords) {
    const startMs = performance.now()
    const errorCode = await produce(connection, layout, 0, batch)
    if (errorCode === errorCodes.NONE) samples.push(performance.now() - startMs)
    await sleep(latencyPauseMs)
  }
  connection.close()
  return samples
}
