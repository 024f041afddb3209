import { setTimeout as sleep } from 'node:timers/promises'
import { errorCodes } from '@trimaran/protocol'
import { connect, prepareBatch, produce, type TopicLayout } from './client.ts'
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

/** A first look: how much goes through, and how long one record takes. Nothing is promised about it. */
export const throughput: Measurement = {
  name: 'throughput',
  title: 'produce and consume, 1 KiB and 100 B records, RF 3, acks=all; latency of single records',
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    const cluster = new ProcessCluster(context)
    await cluster.launch()
    await cluster.untilHealthy()
    const figures: Figure[] = []
    for (const { label, valueBytes } of sizes)
      figures.push(...(await measureSize(context, cluster, rounds, label, valueBytes)))
    figures.push(...(await measureLatency(context, cluster)))
    await cluster.stop()
    return {
      figures,
      settings: `${partitionCount} partitions, RF 3, min.insync.replicas 2, batches of ${batchBytes / 1024} KiB that do not compress, ${producerCount} producers with ${inFlightPerBroker} requests under way per broker, ${durationMs / 1000} s after ${warmUpMs / 1000} s of warm-up; consumed from the beginning by one reader per broker. MB are payload. Kafka's default durability: replicated to page caches, flushed behind.`,
    }
  },
}

async function measureSize(
  context: BenchContext,
  cluster: ProcessCluster,
  rounds: number,
  label: string,
  valueBytes: number,
): Promise<Figure[]> {
  const produced: { records: number; megabytes: number }[] = []
  const consumed: { records: number; megabytes: number }[] = []
  for (let at = 1; at <= rounds; at++) {
    const layout = await makeTopic(cluster, `throughput-${valueBytes}-${at}`)
    const written = perSecond(await produceFor(layout, valueBytes, warmUpMs, durationMs))
    const read = perSecond(await consumeFor(layout, valueBytes, consumeMaxMs))
    produced.push(written)
    consumed.push(read)
    context.progress(
      `${label} ${at}/${rounds}: produce ${written.megabytes.toFixed(0)} MB/s, consume ${read.megabytes.toFixed(0)} MB/s`,
    )
  }
  const figure = (
    name: string,
    unit: 'MB/s' | 'records/s',
    samples: readonly number[],
  ): Figure => ({ name, unit, samples, must: [] })
  return [
    figure(
      `produce, ${label}, acks=all`,
      'MB/s',
      produced.map(({ megabytes }) => megabytes),
    ),
    figure(
      `produce, ${label}, acks=all`,
      'records/s',
      produced.map(({ records }) => records),
    ),
    figure(
      `consume, ${label}`,
      'MB/s',
      consumed.map(({ megabytes }) => megabytes),
    ),
    figure(
      `consume, ${label}`,
      'records/s',
      consumed.map(({ records }) => records),
    ),
  ]
}

async function measureLatency(context: BenchContext, cluster: ProcessCluster): Promise<Figure[]> {
  const layout = await makeTopic(cluster, 'latency')
  const samples = await singleRecords(layout)
  const of = (share: number): number => quantile(samples, share)
  context.progress(`latency: median ${of(0.5).toFixed(1)} ms, p99 ${of(0.99).toFixed(1)} ms`)
  return [
    {
      name: 'one record of 200 B, acks=all, at 100/s: median',
      unit: 'ms',
      samples: [of(0.5)],
      must: [],
    },
    {
      name: 'one record of 200 B, acks=all, at 100/s: p99',
      unit: 'ms',
      samples: [of(0.99)],
      must: [],
    },
  ]
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
