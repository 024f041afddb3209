import { setTimeout as sleep } from 'node:timers/promises'
import { runEndToEnd } from 'trimaran/perf'
import type { Address } from './client.ts'
import { untilHealthy } from './cluster.ts'
import type { Figure } from './figures.ts'
import { abuses, workMb, type Abuse, type Series } from './hostile/abuses.ts'
import { startAbuser } from './hostile/abuser-process.ts'
import { metricsOf, valueOf } from './hostile/scrape.ts'
import { bootstrapOf, makeTopic } from './load.ts'
import type { BenchContext, Measurement } from './measurement.ts'
import { fillCompileCache, ProcessCluster } from './process-cluster.ts'
import { peakMegabytes, residentMegabytes, watchPeaks } from './processes.ts'

const usualRounds = 3
/** Of the well-behaved client. */
const recordsPerSecond = 500
const recordBytes = 200
const warmUpMs = 1_000
const durationMs = 3_000
/** Before the first round, for the nodes' code to be compiled. */
const firstWarmUpMs = 3_000
/** After an abuse: connections are closed, answers thrown away. */
const settleMs = 500
/** Where a node of ours serves /metrics, from its client port. */
const httpPortOffset = 2_000

interface Percentiles {
  readonly ackMs: number
  readonly endToEndMs: number
}

export interface HostileRound {
  readonly alone: Percentiles
  readonly beside: Percentiles
  /** Of the three nodes together: before, and at most during the abuse. */
  readonly aloneMb: number
  readonly peakMb: number
}

/** What clients that misbehave do to one that does not. */
export const hostile: Measurement = {
  name: 'hostile',
  title:
    'six abuses: p99 of a well-behaved client beside each, memory, and that it shows in /metrics',
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    await fillCompileCache(context)
    const figures: Figure[] = []
    for (const abuse of abuses)
      figures.push(...figuresOf(abuse, await measureAbuse(context, abuse, rounds)))
    const bounds = abuses.map(
      ({ words, growthMaxMb, growthWhy }) => `${words} ${growthMaxMb} MB (${growthWhy})`,
    )
    return {
      figures,
      settings: `each abuse on a cluster of its own and from a process of its own, to another topic than the client's. The client: ${recordsPerSecond} records/s of ${recordBytes} B by a schedule, acks=all, RF 3, one consumer; ${durationMs / 1_000} s after ${warmUpMs / 1_000} s of the same, alone and beside in turns; each sample is the p99 beside divided by that alone just before. Cluster, client and abuser share the processors. RSS of the three nodes may grow by ${bounds.join(', ')}, of which ${workMb} MB are for the work itself. Each must show in /metrics: ${abuses.map(({ words, series }) => `${words} as ${series.name}`).join(', ')}.`,
    }
  },
}

export function figuresOf(abuse: Abuse, rounds: readonly HostileRound[]): readonly Figure[] {
  const { words, growthMaxMb } = abuse
  const timesOf = (pick: (each: Percentiles) => number): readonly number[] =>
    rounds.map(({ alone, beside }) => pick(beside) / pick(alone))
  return [
    {
      name: `beside ${words}: acknowledgement p99`,
      unit: 'times',
      samples: timesOf(({ ackMs }) => ackMs),
      must: [{ of: 'median', below: 2 }],
    },
    {
      name: `beside ${words}: end-to-end p99`,
      unit: 'times',
      samples: timesOf(({ endToEndMs }) => endToEndMs),
      must: [{ of: 'median', below: 2 }],
    },
    {
      name: `beside ${words}: peak RSS above that alone`,
      unit: 'MB',
      samples: rounds.map(({ aloneMb, peakMb }) => peakMb - aloneMb),
      must: [{ of: 'max', below: growthMaxMb }],
    },
  ]
}

export async function measureAbuse(
  context: BenchContext,
  abuse: Abuse,
  rounds: number,
): Promise<readonly HostileRound[]> {
  const cluster = new ProcessCluster(context)
  await cluster.launch()
  try {
    await untilHealthy(cluster.addresses)
    const client = `client-${process.pid}`
    const topic = `hostile-${process.pid}`
    await makeTopic(cluster.addresses, client)
    await abuse.prepare?.(cluster.addresses, topic)
    await percentiles(cluster.addresses, client, firstWarmUpMs)
    const taken: HostileRound[] = []
    for (let at = 1; at <= rounds; at++) {
      const alone = await percentiles(cluster.addresses, client)
      const { pids } = await cluster.processes()
      const aloneMb = residentMegabytes(pids)
      const { beside, peakMb, told } = await besideAbuse(context, abuse, cluster, {
        client,
        topic,
        pids,
      })
      taken.push({ alone, beside, aloneMb, peakMb })
      context.progress(
        `${abuse.name} ${at}/${rounds}: acknowledged p99 ${pairText(alone.ackMs, beside.ackMs)}, end to end ${pairText(alone.endToEndMs, beside.endToEndMs)}, RSS ${aloneMb.toFixed(0)} → ${peakMb.toFixed(0)} MB (${told})`,
      )
      await sleep(settleMs)
    }
    return taken
  } finally {
    await cluster.stop()
  }
}

const pairText = (aloneMs: number, besideMs: number): string =>
  `${aloneMs.toFixed(1)} → ${besideMs.toFixed(1)} ms`

async function percentiles(
  addresses: readonly Address[],
  topic: string,
  beforeMs = warmUpMs,
): Promise<Percentiles> {
  const report = await runEndToEnd({
    bootstrapServers: bootstrapOf(addresses),
    topic,
    throughput: recordsPerSecond,
    recordSizeBytes: recordBytes,
    warmUpMs: beforeMs,
    durationMs,
  })
  return { ackMs: report.acknowledged.p99Ms, endToEndMs: report.endToEnd.p99Ms }
}

interface Beside {
  readonly beside: Percentiles
  readonly peakMb: number
  /** What the abuser says. */
  readonly told: string
}

async function besideAbuse(
  context: BenchContext,
  abuse: Abuse,
  { addresses }: ProcessCluster,
  who: { readonly client: string; readonly topic: string; readonly pids: readonly number[] },
): Promise<Beside> {
  const before = await levelsOf(addresses, abuse.series)
  const abuser = await startAbuser({
    abuse: abuse.name,
    target: { addresses, topic: who.topic },
  })
  context.onEnd(async () => abuser.kill())
  watchPeaks(who.pids)
  const startMs = performance.now()
  try {
    const beside = await percentiles(addresses, who.client)
    const peakMb = peakMegabytes(who.pids)
    assertShown(abuse, before, await levelsOf(addresses, abuse.series))
    const tookMs = performance.now() - startMs
    const { told, cpuMs } = await abuser.stop()
    const words = Object.entries(told).map(([what, count]) => `${what} ${count}`)
    return {
      beside,
      peakMb,
      told: [...words, `${(cpuMs / tookMs).toFixed(2)} cores`].join(', '),
    }
  } finally {
    abuser.kill()
  }
}

/** Of every node. */
async function levelsOf(addresses: readonly Address[], series: Series): Promise<number> {
  const pages = await Promise.all(
    addresses.map(({ host, port }) => metricsOf({ host, port: port + httpPortOffset })),
  )
  return sumOf(pages, series)
}

/** Counters that have not begun are not there yet. */
export const sumOf = (pages: readonly string[], { name, labels }: Series): number =>
  pages.reduce((sum, page) => sum + (valueOf(page, name, labels) ?? 0), 0)

/** An abuse that nobody can see is one that nobody can stop. */
export function assertShown({ name, series }: Abuse, before: number, after: number): void {
  if (after - before >= series.grows) return
  throw new Error(
    `${name} does not show in /metrics: ${series.name} went from ${before} to ${after}, and must grow by ${series.grows}`,
  )
}
