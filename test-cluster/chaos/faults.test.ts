import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { History } from 'trimaran/history'
import { CliCluster } from '../support/cli-cluster.ts'
import { measured, seconds, until } from '../support/run.ts'
import { Numbers, kept, longestSilenceOfOneMs, verdict } from './numbers.ts'
import { drain, follow } from './readers.ts'
import { bundledWriter, kafkaJsWriter, platformaticWriter } from './writers.ts'

const partitions = 3
/** What is written before a fault and after it is over. */
const calmMs = 700

let cluster: CliCluster
beforeAll(async () => {
  cluster = await CliCluster.up({ port: 21_200 })
})
afterAll(async () => cluster?.down())

interface Scene {
  readonly topic: string
}

/** Three clients write and one reads along through the fault; then everything is read and judged. */
async function survive(name: string, fault: (scene: Scene) => Promise<void>): Promise<string> {
  const history = new History()
  const numbers = new Numbers()
  const { brokers } = cluster
  const topics = ['bundled', 'kafkajs', 'platformatic'].map(client => `${name}-${client}`)
  for (const topic of topics) {
    await cluster.trimaran(
      'topics',
      'create',
      topic,
      '--partitions',
      '3',
      '--replication-factor',
      '3',
    )
  }
  await cluster.whenHealed()
  const [first = '', second = '', third = ''] = topics
  const options = { brokers, partitions, history, numbers }
  const follower = await follow({ ...options, topic: first })
  const writers = [
    await bundledWriter({ ...options, topic: first }),
    await kafkaJsWriter({ ...options, topic: second }),
    await platformaticWriter({ ...options, topic: third }),
  ]
  await sleep(calmMs)
  await fault({ topic: first })
  await cluster.whenHealed()
  await sleep(calmMs)
  await Promise.all(writers.map(writer => writer.stop()))
  await follower.stop()
  let read = 0
  for (const topic of topics) read += await drain({ ...options, topic })
  const unknown = history.sends.filter(send => send.status !== 'acked').length
  for (const topic of topics) {
    const silenceMs = longestSilenceOfOneMs(
      history.sends.filter(send => send.partition.startsWith(topic)),
    )
    measured(`${topic}: a partition was silent for ${seconds(silenceMs)} at most`)
  }
  measured(`${name}: ${history.sends.length} sends, ${unknown} of unknown outcome, ${read} records`)
  for (const topic of topics) {
    const acked = history.sends.filter(
      send => send.status === 'acked' && send.partition.startsWith(topic),
    )
    if (acked.length <= 50) throw new Error(`${topic} was hardly written to`)
  }
  return verdict(history)
}

const timeout = 120_000

/** Until another node leads. */
async function newLeader(topic: string, old: number): Promise<void> {
  await until(`${topic}-0 has another leader than ${old}`, async () => {
    const leader = await cluster.leaderOf(topic, 0)
    return leader > 0 && leader !== old
  })
}

test('a leader is killed, and comes back', { timeout }, async () => {
  const outcome = await survive('killed-leader', async ({ topic }) => {
    const leader = await cluster.leaderOf(topic, 0)
    await cluster.one('kill', leader)
    await newLeader(topic, leader)
    await sleep(calmMs)
    await cluster.one('restart', leader)
  })
  expect(outcome).toBe(kept)
})

test('the controller is killed, and comes back', { timeout }, async () => {
  const outcome = await survive('killed-controller', async () => {
    const controllerId = await cluster.controllerId()
    const startedMs = performance.now()
    await cluster.one('kill', controllerId)
    await until('there is another controller', async () => {
      const other = (await cluster.newestStatus()).controllerId
      return other > 0 && other !== controllerId
    })
    measured(
      `another controller ${seconds(performance.now() - startedMs)} after the command was given`,
    )
    await sleep(calmMs)
    await cluster.one('restart', controllerId)
  })
  expect(outcome).toBe(kept)
})

test('a leader hangs, is replaced, and wakes up as a follower', { timeout }, async () => {
  const outcome = await survive('paused-leader', async ({ topic }) => {
    const controllerId = await cluster.controllerId()
    const all = await cluster.partitionsOf(topic)
    const leader = all.map(each => each.leader).find(each => each !== controllerId) ?? -1
    const partition = all.find(each => each.leader === leader)?.partition ?? -1
    await cluster.one('pause', leader)
    await until(
      'another node leads',
      async () => (await cluster.leaderOf(topic, partition)) !== leader,
    )
    await sleep(calmMs)
    await cluster.one('resume', leader)
  })
  expect(outcome).toBe(kept)
})

test('the controller hangs, is replaced, and wakes up as a follower', { timeout }, async () => {
  const outcome = await survive('paused-controller', async () => {
    const controllerId = await cluster.controllerId()
    await cluster.one('pause', controllerId)
    await until('there is another controller', async () => {
      const other = (await cluster.newestStatus()).controllerId
      return other > 0 && other !== controllerId
    })
    await sleep(calmMs)
    await cluster.one('resume', controllerId)
  })
  expect(outcome).toBe(kept)
})

test(
  'a leader is stopped in order, and nobody waits long for its partitions',
  { timeout },
  async () => {
    const outcome = await survive('stopped-leader', async ({ topic }) => {
      const leader = await cluster.leaderOf(topic, 0)
      await cluster.one('stop', leader)
      await newLeader(topic, leader)
      await sleep(calmMs)
      await cluster.one('restart', leader)
    })
    expect(outcome).toBe(kept)
  },
)

test('every node is restarted, one after the other', { timeout }, async () => {
  const outcome = await survive('rolling-restart', async () => {
    for (const nodeId of cluster.nodeIds) {
      await cluster.one('restart', nodeId)
      await cluster.whenHealed()
    }
  })
  expect(outcome).toBe(kept)
})

test(
  'all nodes are killed at once, and start again with all that was acknowledged',
  { timeout },
  async () => {
    const outcome = await survive('killed-all', async () => {
      await Promise.all(cluster.nodeIds.map(nodeId => cluster.one('kill', nodeId)))
      await cluster.command('up', '--detach')
    })
    expect(outcome).toBe(kept)
  },
)
