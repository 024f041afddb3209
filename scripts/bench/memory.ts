import { setTimeout as sleep } from 'node:timers/promises'
import { connect, createTopic, layoutOf, prepareBatch, produce, untilGiven } from './client.ts'
import { untilHealthy, type Cluster } from './cluster.ts'
import { makeTopic, produceTo } from './load.ts'
import type { BenchContext, Measurement } from './measurement.ts'
import { fillCompileCache } from './process-cluster.ts'
import { pidsOf, residentMegabytes } from './processes.ts'
import { inTurns, pairOf } from './turns.ts'

const usualRounds = 3
const besideRounds = 2
const idlePartitions = 100
/** Nothing happens for so long before idle memory is read. */
const settleMs = 5_000
/** A JVM takes tens of seconds to reach its speed, and its heap longer to be touched: a shorter load is not one for it. */
const loadMs = 60_000
const sampleEveryMs = 100

interface Resident {
  readonly idle: number | null
  readonly busy: number | null
}

/** What the cluster costs a laptop: all three nodes together, shared pages of the executable counted three times. */
export const memory: Measurement = {
  name: 'memory',
  title: `resident memory of the three nodes: idle with ${idlePartitions} partitions, and under load`,
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    await fillCompileCache(context)
    const options = { rounds, besideRounds, needsControl: true, needsProcesses: true }
    const turns = await inTurns(context, options, async (cluster, at) => {
      const resident = await residentOf(context, cluster)
      const { idle, busy } = resident
      context.progress(
        `${at}/${rounds}${cluster.label}: idle ${idle?.toFixed(0) ?? '?'} MB, under load ${busy?.toFixed(0) ?? '?'} MB`,
      )
      return resident
    })
    return {
      figures: [
        {
          name: `RSS of three nodes, idle, ${idlePartitions} partitions`,
          unit: 'MB',
          ...pairOf(turns, ({ idle }) => idle),
          must: [{ of: 'median', below: 300 }],
          ratioMust: { below: 0.27 },
        },
        {
          name: 'RSS of three nodes, under load, peak',
          unit: 'MB',
          ...pairOf(turns, ({ busy }) => busy),
          must: [{ of: 'median', below: 700 }],
          ratioMust: { below: 0.4 },
        },
      ],
      settings: `RF 3, so ${idlePartitions * 3} replicas, a record in each; idle is read ${settleMs / 1000} s after the last record, the peak every ${sampleEveryMs} ms during ${loadMs / 1000} s of producing 1 KiB records as fast as it goes. RSS counts what the nodes share (the executable) once for each.${turns.note}`,
    }
  },
}

async function residentOf(context: BenchContext, cluster: Cluster): Promise<Resident> {
  await cluster.launch()
  const pids = pidsOf(await cluster.processes())
  try {
    if (pids === null) return { idle: null, busy: null }
    await fillIdleTopic(cluster)
    await sleep(settleMs)
    const idle = residentMegabytes(pids)
    return { idle, busy: await busyMegabytes(context, cluster, pids) }
  } finally {
    await cluster.stop()
  }
}

async function fillIdleTopic(cluster: Cluster): Promise<void> {
  const name = 'idle'
  await untilHealthy(cluster.addresses)
  const [first] = cluster.addresses
  if (first === undefined) throw new Error('the cluster has no brokers')
  const admin = await connect(first)
  await createTopic(admin, { name, partitions: idlePartitions })
  await untilHealthy(cluster.addresses)
  const layout = await untilGiven('no leaders', () => layoutOf(admin, name))
  admin.close()
  const batch = prepareBatch(1, 100)
  for (const [nodeId, address] of layout.addresses) {
    const connection = await connect(address)
    for (const [partition, leader] of layout.leaders.entries())
      if (leader === nodeId) await produce(connection, layout, partition, batch)
    connection.close()
  }
}

async function busyMegabytes(
  context: BenchContext,
  cluster: Cluster,
  pids: readonly number[],
): Promise<number> {
  const topic = 'busy'
  await makeTopic(cluster.addresses, topic)
  let peak = 0
  const timer = setInterval(() => {
    peak = Math.max(peak, residentMegabytes(pids))
  }, sampleEveryMs)
  context.onEnd(async () => clearInterval(timer))
  try {
    await produceTo(cluster.addresses, topic, {
      recordSizeBytes: 1024,
      batchBytes: 64 * 1024,
      durationMs: loadMs,
    })
  } finally {
    clearInterval(timer)
  }
  return peak
}
