import { setTimeout as sleep } from 'node:timers/promises'
import { residentBytes } from './conditions.ts'
import { connect, createTopic, layoutOf, prepareBatch, produce, untilGiven } from './client.ts'
import { makeTopic, produceFor } from './load.ts'
import type { BenchContext, Measurement } from './measurement.ts'
import { fillCompileCache, ProcessCluster } from './process-cluster.ts'

const usualRounds = 3
const idlePartitions = 100
/** Nothing happens for so long before idle memory is read. */
const settleMs = 5_000
const loadMs = 10_000
const sampleEveryMs = 100
const megabyte = 1_000_000

/** What the cluster costs a laptop: all three nodes together, shared pages of the executable counted three times. */
export const memory: Measurement = {
  name: 'memory',
  title: `resident memory of the three nodes: idle with ${idlePartitions} partitions, and under load`,
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    await fillCompileCache(context)
    const idle: number[] = []
    const busy: number[] = []
    for (let at = 1; at <= rounds; at++) {
      const cluster = new ProcessCluster(context)
      await cluster.launch()
      idle.push(await idleMegabytes(cluster))
      busy.push(await busyMegabytes(context, cluster))
      context.progress(
        `${at}/${rounds}: idle ${idle.at(-1)?.toFixed(0)} MB, under load ${busy.at(-1)?.toFixed(0)} MB`,
      )
      await cluster.stop()
    }
    return {
      figures: [
        {
          name: `RSS of three nodes, idle, ${idlePartitions} partitions`,
          unit: 'MB',
          samples: idle,
          must: [{ of: 'median', below: 300 }],
        },
        {
          name: 'RSS of three nodes, under load, peak',
          unit: 'MB',
          samples: busy,
          must: [{ of: 'median', below: 700 }],
        },
      ],
      settings: `RF 3, so ${idlePartitions * 3} replicas, a record in each; idle is read ${settleMs / 1000} s after the last record, the peak every ${sampleEveryMs} ms during ${loadMs / 1000} s of producing 1 KiB records as fast as it goes. RSS counts what the nodes share (the executable) once for each.`,
    }
  },
}

async function idleMegabytes(cluster: ProcessCluster): Promise<number> {
  const name = 'idle'
  const admin = await connect(cluster.address(1))
  await createTopic(admin, { name, partitions: idlePartitions })
  await cluster.untilHealthy()
  const layout = await untilGiven('no leaders', () => layoutOf(admin, name))
  admin.close()
  const batch = prepareBatch(1, 100)
  for (const nodeId of cluster.nodeIds) {
    const connection = await connect(cluster.address(nodeId))
    for (const [partition, leader] of layout.leaders.entries())
      if (leader === nodeId) await produce(connection, layout, partition, batch)
    connection.close()
  }
  await sleep(settleMs)
  return residentMegabytes(cluster)
}

async function busyMegabytes(context: BenchContext, cluster: ProcessCluster): Promise<number> {
  const layout = await makeTopic(cluster.addresses, 'busy')
  let peak = 0
  const timer = setInterval(() => {
    peak = Math.max(peak, residentMegabytes(cluster))
  }, sampleEveryMs)
  context.onEnd(async () => clearInterval(timer))
  try {
    await produceFor(layout, 1024, 0, loadMs)
  } finally {
    clearInterval(timer)
  }
  return peak
}

function residentMegabytes(cluster: ProcessCluster): number {
  const bytes = cluster.nodeIds.map(nodeId => {
    const resident = residentBytes(cluster.pid(nodeId))
    if (resident === null) throw new Error('this system does not tell resident memory (/proc)')
    return resident
  })
  return bytes.reduce((sum, each) => sum + each, 0) / megabyte
}
