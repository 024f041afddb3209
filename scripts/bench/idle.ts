import { setTimeout as sleep } from 'node:timers/promises'
import type { KafkaConnection } from 'trimaran/client'
import { connect, type Address } from './client.ts'
import { untilHealthy } from './cluster.ts'
import { createTopics, topicsOf, untilAllLed } from './many-topics.ts'
import type { BenchContext, Measurement } from './measurement.ts'
import { fillCompileCache, ProcessCluster } from './process-cluster.ts'
import { residentBytes } from './processes.ts'

const usualRounds = 2
const connectionCount = 2_000
/** At a time: more than a broker's backlog of connections would be refused. */
const connectionsAtOnce = 50
const topicCount = 1_000
const partitionCount = 10
const replicaCount = topicCount * partitionCount * 3
/** Before every reading, so that what the work left behind is collected. */
/** V8 gives pages back by and by. */
const settleMs = 20_000

interface Cost {
  readonly connectionKilobytes: number
  readonly replicaKilobytes: number
}

/** What is there and does nothing. */
export const idle: Measurement = {
  name: 'idle',
  title: `memory of an idle connection (${connectionCount}) and of an idle replica (${replicaCount})`,
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    await fillCompileCache(context)
    const costs: Cost[] = []
    for (let at = 1; at <= rounds; at++) {
      const cost = await costOf(context)
      costs.push(cost)
      context.progress(
        `${at}/${rounds}: connection ${cost.connectionKilobytes.toFixed(1)} KB, replica ${cost.replicaKilobytes.toFixed(2)} KB`,
      )
    }
    return {
      figures: [
        {
          name: 'RSS per idle connection',
          unit: 'KB',
          samples: costs.map(cost => cost.connectionKilobytes),
          must: [{ of: 'median', below: 12 }],
        },
        {
          name: 'RSS per idle replica',
          unit: 'KB',
          samples: costs.map(cost => cost.replicaKilobytes),
          must: [{ of: 'median', below: 2 }],
        },
      ],
      settings: `by how much RSS grows, read ${settleMs / 1000} s after the last request, of a cluster that has just started: one node with ${connectionCount.toLocaleString('en-US')} connections that asked for ApiVersions; then three nodes with ${topicCount.toLocaleString('en-US')} topics of ${partitionCount} partitions, RF 3, without a record. What the work itself leaves in the heap counts.`,
    }
  },
}

async function costOf(context: BenchContext): Promise<Cost> {
  const cluster = new ProcessCluster(context)
  await cluster.launch()
  await untilHealthy(cluster.addresses)
  const { pids } = await cluster.processes()
  const resident = (): number => pids.reduce((sum, pid) => sum + residentBytes(pid), 0)
  const perConnection = await connectionBytes(cluster.address(1), cluster.pid(1))
  await sleep(settleMs)
  const before = resident()
  const names = topicsOf('idle', topicCount)
  await createTopics(cluster.addresses, names, partitionCount)
  await untilAllLed(cluster.addresses, names)
  await sleep(settleMs)
  const perReplica = (resident() - before) / replicaCount
  await cluster.stop()
  return { connectionKilobytes: perConnection / 1000, replicaKilobytes: perReplica / 1000 }
}

async function connectionBytes(address: Address, pid: number): Promise<number> {
  await sleep(settleMs)
  const before = residentBytes(pid)
  const connections: KafkaConnection[] = []
  try {
    while (connections.length < connectionCount)
      connections.push(
        ...(await Promise.all(Array.from({ length: connectionsAtOnce }, () => connect(address)))),
      )
    await sleep(settleMs)
    const isWhole = connections.every(({ isOpen }) => isOpen)
    if (!isWhole) throw new Error('the node closed connections that were idle')
    return (residentBytes(pid) - before) / connectionCount
  } finally {
    for (const connection of connections) connection.close()
  }
}
