import { setTimeout as sleep } from 'node:timers/promises'
import type { Consumer } from 'kafkajs'
import { apis } from '@trimaran/protocol'
import { ClusterClient, ConnectionError, fetchCommitted, partitionName } from 'trimaran/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { History } from 'trimaran/history'
import { CliCluster } from '../support/cli-cluster.ts'
import { kafkaJs } from '../support/kafkajs.ts'
import { measured, seconds, until } from '../support/run.ts'
import { Numbers, kept, verdict } from './numbers.ts'
import { drain } from './readers.ts'
import { bundledWriter } from './writers.ts'

const partitions = 6
const timeout = 120_000

let cluster: CliCluster
let client: ClusterClient
beforeAll(async () => {
  cluster = await CliCluster.up({ port: 21_240 })
  client = new ClusterClient({ bootstrapServers: cluster.bootstrapServers })
})
afterAll(async () => {
  await client?.close()
  await cluster?.down()
})

interface Group {
  readonly groupId: string
  readonly topic: string
  readonly history: History
  /** Values in the order in which members handled them. */
  readonly handled: number[]
  /** Handled again after it had been handled before. */
  repeated: number
}

/** A member that commits what it has handled after each batch, and notes which commits were acknowledged. */
async function startMember(name: string, group: Group): Promise<Consumer> {
  const { groupId, topic, history } = group
  const consumer = kafkaJs(cluster.brokers).consumer({
    groupId,
    heartbeatInterval: 500,
    sessionTimeout: 10_000,
    maxWaitTimeInMs: 200,
    // Few retries: kafkajs looks for another coordinator only when it starts again.
    retry: {
      initialRetryTime: 50,
      maxRetryTime: 300,
      retries: 3,
      restartOnFailure: () => Promise.resolve(true),
    },
  })
  const seen = new Set(group.handled)
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch, ...session }) => {
      for (const message of batch.messages) {
        const value = Number(message.value?.toString())
        if (seen.has(value)) group.repeated++
        seen.add(value)
        group.handled.push(value)
      }
      const offset = Number(batch.lastOffset()) + 1
      const partition = `${topic}/${batch.partition}`
      const commit = {
        process: name,
        group: groupId,
        partition,
        offset,
        generation: 0,
        invokedAt: performance.now(),
        endedAt: 0,
        status: 'open' as History['commits'][number]['status'],
      }
      history.commits.push(commit)
      try {
        await consumer.commitOffsets([
          { topic, partition: batch.partition, offset: String(offset) },
        ])
        commit.status = 'acked'
      } catch (error) {
        commit.status = 'unknown'
        throw error
      } finally {
        commit.endedAt = performance.now()
      }
      await session.heartbeat()
    },
  })
  return consumer
}

/** Asks the coordinator what is committed, over and over, until it is stopped. */
function watchCommitted({ groupId, topic, history }: Group): { stop(): Promise<void> } {
  const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
  let stopped = false
  const look = async (): Promise<void> => {
    const invokedAt = performance.now()
    const committed = await fetchCommitted(client, groupId, all)
    const endedAt = performance.now()
    for (const { partition } of all) {
      history.offsetFetches.push({
        process: 'watcher',
        group: groupId,
        partition: `${topic}/${partition}`,
        offset: committed.get(partitionName(topic, partition)) ?? -1,
        invokedAt,
        endedAt,
      })
    }
  }
  const done = (async () => {
    while (!stopped) {
      await look().catch((error: unknown) => {
        // A coordinator that hangs says nothing for longer than a client asks.
        if (!(error instanceof ConnectionError)) throw error
      })
      await sleep(50)
    }
    await look()
  })()
  done.catch(() => {})
  return {
    stop: async () => {
      stopped = true
      await done
    },
  }
}

async function coordinatorOf(groupId: string): Promise<number> {
  const { coordinators } = await client.request(
    apis.findCoordinator,
    { key: groupId, keyType: 0, coordinatorKeys: [groupId] },
    // A broker that hangs is not asked for long.
    1000,
  )
  return coordinators[0]?.nodeId ?? -1
}

/** A group of three works on what is written; `fault` happens to it; then nothing may be missing. */
async function survive(name: string, fault: (groupId: string) => Promise<void>): Promise<string> {
  const history = new History()
  const topic = `${name}-topic`
  const group: Group = { groupId: `${name}-group`, topic, history, handled: [], repeated: 0 }
  await cluster.createTopic(topic, partitions)
  const options = { brokers: cluster.brokers, topic, partitions, history }
  const members = await Promise.all(['a', 'b', 'c'].map(each => startMember(each, group)))
  await cluster.whenHealed()
  const watcher = watchCommitted(group)
  const writer = await bundledWriter({ ...options, numbers: new Numbers() })
  await sleep(1000)
  const beforeFault = history.commits.filter(commit => commit.status === 'acked').length
  expect(beforeFault, 'the group works').toBeGreaterThan(10)
  await fault(group.groupId)
  await cluster.whenHealed()
  await sleep(1000)
  await writer.stop()
  const written = history.sends.flatMap(send => (send.status === 'acked' ? send.values : []))
  await until('the group has handled everything', () => {
    const handled = new Set(group.handled)
    return written.every(value => handled.has(value))
  })
  await Promise.all(members.map(member => member.disconnect()))
  await watcher.stop()
  await drain(options)
  const commits = history.commits.filter(commit => commit.status === 'acked')
  const ends = commits.map(commit => commit.endedAt).toSorted((x, y) => x - y)
  const silenceMs = Math.max(0, ...ends.map((end, at) => end - (ends[at - 1] ?? end)))
  measured(
    `${name}: ${written.length} records, ${commits.length} of ${history.commits.length} commits acknowledged, ` +
      `none for ${seconds(silenceMs)} at most; ${group.repeated} records were handled again`,
  )
  return verdict(history)
}

test(
  'the coordinator is killed: no commit is lost, and the group goes on',
  { timeout },
  async () => {
    const outcome = await survive('killed-coordinator', async groupId => {
      const coordinator = await coordinatorOf(groupId)
      await cluster.one('kill', coordinator)
      await sleep(2000)
      await cluster.one('restart', coordinator)
    })
    expect(outcome).toBe(kept)
  },
)

test(
  'the coordinator hangs and wakes up: it acknowledges nothing that its successor does not know',
  { timeout },
  async () => {
    const outcome = await survive('paused-coordinator', async groupId => {
      const coordinator = await coordinatorOf(groupId)
      await cluster.one('pause', coordinator)
      await until('another node coordinates', async () => {
        const now = await coordinatorOf(groupId).catch(() => coordinator)
        return now !== coordinator
      })
      await cluster.one('resume', coordinator)
    })
    expect(outcome).toBe(kept)
  },
)

test(
  'every node is restarted, one after the other, under a working group',
  { timeout },
  async () => {
    const outcome = await survive('rolled-group', async () => {
      for (const nodeId of cluster.nodeIds) {
        await cluster.one('restart', nodeId)
        await cluster.whenHealed()
      }
    })
    expect(outcome).toBe(kept)
  },
)
