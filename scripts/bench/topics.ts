import { setTimeout as sleep } from 'node:timers/promises'
import type { Address } from './client.ts'
import { untilHealthy, type Cluster } from './cluster.ts'
import { createTopics, deleteTopics, topicsOf, untilAllLed } from './many-topics.ts'
import type { Measurement } from './measurement.ts'
import { fillCompileCache } from './process-cluster.ts'
import { busyCores, pidsOf, residentMegabytes } from './processes.ts'
import { inTurns, pairOf } from './turns.ts'
import { warmUpMetadata } from './warm-up.ts'

const usualRounds = 2
const besideRounds = 2
const topicCount = 1_000
const partitionCount = 10
/** From the last leader to the beginning of idleness: what the creation left behind is cleared away. */
const settleMs = 10_000
const idleMs = 20_000

interface Taken {
  readonly createdMs: number
  readonly ledMs: number
  readonly idleCores: number | null
  readonly megabytes: number | null
}

export const topics: Measurement = {
  name: 'topics',
  title: `${topicCount} topics of ${partitionCount} partitions: created, all led, and what they cost idle`,
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    await fillCompileCache(context)
    const options = { rounds, besideRounds, needsControl: false, needsProcesses: true }
    const turns = await inTurns(context, options, async (cluster, at) => {
      const taken = await measureTopics(cluster)
      context.progress(
        `${at}/${rounds}${cluster.label}: created ${Math.round(taken.createdMs)} ms, led ${Math.round(taken.ledMs)} ms, idle ${taken.idleCores?.toFixed(3) ?? '?'} cores, ${taken.megabytes?.toFixed(0) ?? '?'} MB`,
      )
      return taken
    })
    const what = `${topicCount.toLocaleString('en-US')} topics × ${partitionCount} partitions`
    return {
      figures: [
        {
          name: `${what}: created`,
          unit: 'ms',
          ...pairOf(turns, each => each.createdMs),
          must: [],
        },
        {
          name: `${what}: all led`,
          unit: 'ms',
          ...pairOf(turns, each => each.ledMs),
          must: [],
          ratioMust: { below: 0.7 },
        },
        {
          name: `${what}: processors busy while idle`,
          unit: 'cores',
          ...pairOf(turns, each => each.idleCores),
          must: [],
          ratioMust: { below: 0.1 },
        },
        {
          name: `${what}: RSS of three nodes`,
          unit: 'MB',
          ...pairOf(turns, each => each.megabytes),
          must: [],
        },
      ],
      settings: `RF 3, asked for in requests of 100 topics, one after another, by a cluster that made 100 such topics before; created: the last request is answered; all led: every leader answers ListOffsets for all that it leads. Idle: ${idleMs / 1000} s, ${settleMs / 1000} s later, processor time (user and kernel) of the three nodes.${turns.note}`,
    }
  },
}

async function measureTopics(cluster: Cluster): Promise<Taken> {
  const { addresses } = cluster
  const names = topicsOf(`topics-${process.pid}`, topicCount)
  const made: string[] = []
  try {
    await cluster.launch()
    await untilHealthy(addresses)
    made.push(...(await warmUpMetadata(addresses)))
    await untilHealthy(addresses)
    const { createdMs, ledMs } = await createAll(addresses, names)
    made.push(...names)
    await sleep(settleMs)
    const pids = pidsOf(await cluster.processes())
    const idleCores = pids === null ? null : await busyCores(pids, idleMs)
    return {
      createdMs,
      ledMs,
      idleCores,
      megabytes: pids === null ? null : residentMegabytes(pids),
    }
  } finally {
    // What went wrong before says more than what is left to remove.
    if (cluster.isLasting) await deleteTopics(addresses, made).catch(() => null)
    await cluster.stop()
  }
}

async function createAll(
  addresses: readonly Address[],
  names: readonly string[],
): Promise<Pick<Taken, 'createdMs' | 'ledMs'>> {
  const startMs = performance.now()
  await createTopics(addresses, names, partitionCount)
  const createdMs = performance.now() - startMs
  await untilAllLed(addresses, names)
  return { createdMs, ledMs: performance.now() - startMs }
}
