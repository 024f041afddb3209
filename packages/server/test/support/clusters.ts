import { afterEach, expect } from 'vitest'
import type { NodeId } from '@trimaran/common'
import { startCluster } from '../../src/index.ts'
import type { Cluster, StartClusterOptions } from '../../src/index.ts'
import { KafkaClient } from './kafka-client.ts'

const clusters = new Set<Cluster>()
const clients = new Set<KafkaClient>()
afterEach(async () => {
  for (const client of clients) client.close()
  await Promise.all([...clusters].map(cluster => cluster.stop()))
  clients.clear()
  clusters.clear()
})

/** Stopped when the test ends, as the clients below are closed. */
export async function start(options: StartClusterOptions = {}): Promise<Cluster> {
  const cluster = await startCluster(options)
  clusters.add(cluster)
  return cluster
}

export function clientOf(cluster: Cluster, nodeId: NodeId): KafkaClient {
  const port = Number(cluster.bootstrapServers.split(',')[nodeId - 1]?.split(':')[1])
  const client = new KafkaClient(port)
  clients.add(client)
  return client
}

export const leaderClient = (cluster: Cluster, topic: string, partition: number): KafkaClient => {
  const leader = cluster.leaderOf(topic, partition)
  expect(leader).not.toBe(null)
  return clientOf(cluster, leader ?? 0)
}

export const sleep = (delayMs: number): Promise<void> =>
  new Promise(resolve => setTimeout(resolve, delayMs))

/** Until it holds; the test's own time limit ends it otherwise. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(5)
}

/** `waiting`, if nothing happens in so many milliseconds. */
export const within = <T>(promise: Promise<T>, delayMs: number): Promise<T | 'waiting'> =>
  Promise.race([promise, sleep(delayMs).then(() => 'waiting' as const)])

/** Until it is acknowledged, wherever the leader is by then. */
export async function produceSomewhere(
  cluster: Cluster,
  topic: string,
  partition: number,
  value: string,
): Promise<number> {
  for (;;) {
    const leader = cluster.leaderOf(topic, partition)
    if (leader !== null) {
      const client = clientOf(cluster, leader)
      const answer = await client.produce(topic, partition, value).catch(() => null)
      client.close()
      if (answer?.errorCode === 0) return answer.baseOffset
    }
    await sleep(5)
  }
}
