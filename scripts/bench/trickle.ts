import { setTimeout as sleep } from 'node:timers/promises'
import { errorCodes, errorInfo } from '@trimaran/protocol'
import type { KafkaConnection } from 'trimaran/client'
import { connect, prepareBatch, produce } from './client.ts'
import { untilHealthy, type Cluster } from './cluster.ts'
import { createTopics, deleteTopics, topicsOf, untilAllLed, type LeadersOf } from './many-topics.ts'
import type { Measurement } from './measurement.ts'
import { fillCompileCache } from './process-cluster.ts'
import { busyCores, pidsOf } from './processes.ts'
import { inTurns, pairOf } from './turns.ts'

const usualRounds = 2
const besideRounds = 2
const topicCount = 200
const partitionCount = 10
const recordBytes = 100
/** Each partition gets one record in this time, a request of its own as from a producer of its own. */
const periodMs = 5_000
const tickMs = 10
/** Kafka handles one request of a connection at a time, and each waits for the followers. */
const connectionsPerBroker = 20
const firstAtOnce = 50
const warmUpMs = 20_000
const durationMs = 15_000
/** Ten seconds' worth: a cluster that is further behind does not carry the trickle. */
const underWayMax = topicCount * partitionCount * 2

interface Lane {
  readonly connection: KafkaConnection
  readonly topic: { readonly name: string; readonly topicId: string }
  readonly partition: number
}

export const trickle: Measurement = {
  name: 'trickle',
  title: `${topicCount * partitionCount} partitions with a record every five seconds: processor time of the nodes`,
  async measure(context) {
    const rounds = context.rounds(usualRounds)
    await fillCompileCache(context)
    const options = { rounds, besideRounds, needsControl: false, needsProcesses: true }
    const turns = await inTurns(context, options, async (cluster, at) => {
      const cores = await measureTrickle(cluster)
      context.progress(`${at}/${rounds}${cluster.label}: ${cores?.toFixed(2) ?? '?'} cores`)
      return cores
    })
    return {
      figures: [
        {
          name: `${(topicCount * partitionCount).toLocaleString('en-US')} partitions, a record every five seconds: processors busy`,
          unit: 'cores',
          ...pairOf(turns, cores => cores),
          must: [],
          ratioMust: { below: 0.7 },
        },
      ],
      settings: `${topicCount} topics of ${partitionCount} partitions, RF 3, acks=all, ${recordBytes} B, each record a request of its own, spread evenly over the time; processor time (user and kernel) of the three nodes over ${durationMs / 1000} s after ${warmUpMs / 1000} s of the same.${turns.note}`,
    }
  },
}

async function measureTrickle(cluster: Cluster): Promise<number | null> {
  const { addresses } = cluster
  const names = topicsOf(`trickle-${process.pid}`, topicCount)
  await cluster.launch()
  await untilHealthy(addresses)
  await createTopics(addresses, names, partitionCount)
  const lanes = await lanesOf(await untilAllLed(addresses, names))
  await sendFirst(lanes)
  const stop = new AbortController()
  const sending = sendEvenly(lanes, stop.signal)
  try {
    return await Promise.race([sending.then(() => null), coresOf(cluster)])
  } finally {
    stop.abort()
    await sending.catch(() => null)
    for (const connection of new Set(lanes.map(lane => lane.connection))) connection.close()
    // What went wrong before says more than what is left to remove.
    if (cluster.isLasting) await deleteTopics(addresses, names).catch(() => null)
    await cluster.stop()
  }
}

async function coresOf(cluster: Cluster): Promise<number | null> {
  const pids = pidsOf(await cluster.processes())
  if (pids === null) return null
  await sleep(warmUpMs)
  return busyCores(pids, durationMs)
}

async function lanesOf(leaders: LeadersOf): Promise<readonly Lane[]> {
  const lanes: Lane[] = []
  for (const { address, led } of leaders.values()) {
    const connections = await Promise.all(
      Array.from({ length: connectionsPerBroker }, () => connect(address)),
    )
    for (const [name, { topicId, indexes }] of led)
      for (const partition of indexes) {
        const connection = connections[lanes.length % connectionsPerBroker]
        if (connection !== undefined)
          lanes.push({ connection, topic: { name, topicId }, partition })
      }
  }
  return lanes
}

/** A record to each: new logs make their files, which is not what a trickle costs. So many at once. */
async function sendFirst(lanes: readonly Lane[]): Promise<void> {
  const batch = prepareBatch(1, recordBytes)
  const waiting = lanes.values()
  const sendOn = async (): Promise<void> => {
    for (const { connection, topic, partition } of waiting) {
      const errorCode = await produce(connection, topic, partition, batch)
      if (errorCode !== errorCodes.NONE)
        throw new Error(`produce was refused: ${errorInfo(errorCode).name}`)
    }
  }
  await Promise.all(Array.from({ length: firstAtOnce }, sendOn))
}

/** At its own pace, whatever the answers do: a slow cluster is not spared. Rejects with what went wrong. */
async function sendEvenly(lanes: readonly Lane[], stop: AbortSignal): Promise<void> {
  const batch = prepareBatch(1, recordBytes)
  const startMs = performance.now()
  let sent = 0
  let underWay = 0
  let failure: Error | null = null
  const send = async ({ connection, topic, partition }: Lane): Promise<void> => {
    underWay++
    try {
      const errorCode = await produce(connection, topic, partition, batch)
      if (errorCode !== errorCodes.NONE)
        throw new Error(`produce was refused: ${errorInfo(errorCode).name}`)
    } catch (error) {
      failure ??= error as Error
    }
    underWay--
  }
  while (!stop.aborted) {
    const due = Math.floor(((performance.now() - startMs) / periodMs) * lanes.length)
    for (; sent < due; sent++) {
      const lane = lanes[sent % lanes.length]
      if (lane !== undefined) void send(lane)
    }
    if (failure !== null) throw failure
    if (underWay > underWayMax)
      throw new Error(
        `${underWay} records wait for their answer: the cluster does not carry the trickle`,
      )
    await sleep(tickMs)
  }
}
