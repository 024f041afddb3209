import { setTimeout as sleep } from 'node:timers/promises'
import { vi } from 'vitest'
import { apis } from '@trimaran/protocol'
import { ClusterClient } from 'trimaran/client'
import { Bystander } from './bystander.ts'
import type { Verdict } from './bystander.ts'
import { ProcessCluster, until } from './process-cluster.ts'
import type { NodeProcess, ProcessClusterOptions } from './process-cluster.ts'
import { RawClient } from './raw-client.ts'

// Seconds on a machine of its own; several restarts of processes in one test on one that is shared.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 })

/** A question to a node that does nothing else takes a few milliseconds; this is for a loaded machine of two cores. */
const answerMaxMs = 100
/** An answer may meet the pause of a garbage collection or a scheduler's slice: the best of a few counts. */
const attempts = 5

/** A cluster of three processes, and a well-behaved client at work on it for as long as the scene lasts. */
export class Scene {
  readonly cluster: ProcessCluster
  readonly bystander: Bystander

  static async open(options: ProcessClusterOptions): Promise<Scene> {
    const cluster = await ProcessCluster.start(options)
    try {
      return new Scene(cluster, await Bystander.start(cluster.bootstrapServers))
    } catch (error) {
      await cluster.destroy()
      throw error
    }
  }

  private constructor(cluster: ProcessCluster, bystander: Bystander) {
    this.cluster = cluster
    this.bystander = bystander
  }

  /** Resolves when the topic has a leader everywhere. */
  async createTopic(
    name: string,
    options: {
      readonly partitions?: number
      readonly replicationFactor?: number
      readonly configs?: Readonly<Record<string, string>>
    } = {},
  ): Promise<void> {
    const client = new ClusterClient({ bootstrapServers: this.cluster.bootstrapServers })
    const answer = await client.request(apis.createTopics, {
      topics: [
        {
          name,
          numPartitions: options.partitions ?? 1,
          replicationFactor: options.replicationFactor ?? 3,
          assignments: [],
          configs: Object.entries(options.configs ?? {}).map(([key, value]) => ({
            name: key,
            value,
          })),
        },
      ],
      timeoutMs: 10_000,
      validateOnly: false,
    })
    await client.close()
    if (answer.topics[0]?.errorCode !== 0) throw new Error(`topic ${name} cannot be created`)
    await until(`${name} has leaders everywhere`, async () => {
      const statuses = await Promise.all(this.cluster.nodes.map(node => node.status()))
      return statuses.every(
        status => status?.partitions.some(one => one.topic === name && one.leader > 0) !== false,
      )
    })
  }

  async leaderOf(topic: string, partition = 0): Promise<NodeProcess> {
    return this.cluster.node(await this.cluster.leaderOf(topic, partition))
  }

  /** Every node of `nodes` lives, is a member and answers at once on a new connection; the bystander gets on. */
  async expectHealthy(nodes: readonly NodeProcess[] = this.cluster.nodes): Promise<void> {
    await this.cluster.whenReady(nodes)
    for (const { nodeId, ports } of nodes) {
      const tookMs = await answerTimeMs(ports.client)
      if (tookMs > answerMaxMs) throw new Error(`node ${nodeId} answers after ${tookMs} ms`)
    }
    await this.bystander.madeProgress()
  }

  /** The last word of the bystander; everything is gone afterwards. */
  async close(): Promise<Verdict> {
    try {
      return await this.bystander.finish()
    } finally {
      await this.cluster.destroy()
    }
  }
}

/** From the request to the answer of ApiVersions, on a connection that is up. */
export async function answerTimeMs(port: number): Promise<number> {
  const client = await RawClient.connect(port)
  let bestMs = Infinity
  for (let attempt = 0; attempt < attempts && bestMs > answerMaxMs; attempt++) {
    if (attempt > 0) await sleep(50)
    const startMs = performance.now()
    await client.request(apis.apiVersions, 0, {})
    bestMs = Math.min(bestMs, performance.now() - startMs)
  }
  client.destroy()
  return bestMs
}
