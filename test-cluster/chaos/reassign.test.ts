import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { History } from 'trimaran/history'
import { CliCluster } from '../support/cli-cluster.ts'
import { measured, until } from '../support/run.ts'
import { Numbers, kept, verdict } from './numbers.ts'
import { drain, follow } from './readers.ts'
import { bundledWriter, kafkaJsWriter } from './writers.ts'

const topics = ['moving-bundled', 'moving-kafkajs'] as const
const partitions = 3
const calmMs = 500
const added = 4
const target = [added, 2, 3]

let cluster: CliCluster
beforeAll(async () => {
  // All are voters: with the one to be added and another one down, three of five still are a majority.
  cluster = await CliCluster.up({ port: 21_260, nodes: 5 })
})
afterAll(async () => cluster?.down())

const statesOf = async (): Promise<readonly string[]> => {
  const all = await Promise.all(topics.map(topic => cluster.partitionsOf(topic)))
  return all.flat().map(({ replicas }) => (replicas.join() === target.join() ? 'moved' : 'moving'))
}

/** It comes back before the next one dies: two in sync are enough, one is not. */
async function killAndRestart(nodeId: number, isReplaced: () => Promise<boolean>): Promise<void> {
  await cluster.one('kill', nodeId)
  await until(`another node takes over from ${nodeId}`, isReplaced)
  await sleep(calmMs)
  await cluster.one('restart', nodeId)
  await until(`node ${nodeId} is in sync again`, async () => {
    const all = await Promise.all(topics.map(topic => cluster.partitionsOf(topic)))
    return all
      .flat()
      .every(({ isr, replicas }) => !replicas.includes(nodeId) || isr.includes(nodeId))
  })
}

test(
  'everybody in a reassignment dies once, and it ends with all records',
  { timeout: 120_000 },
  async () => {
    for (const topic of topics) {
      const assignment = Array.from({ length: partitions }, () => '1:2:3').join()
      await cluster.trimaran('topics', 'create', topic, '--replica-assignment', assignment)
    }
    await cluster.whenHealed()
    const history = new History()
    const options = { brokers: cluster.brokers, partitions, history, numbers: new Numbers() }
    const follower = await follow({ ...options, topic: topics[0] })
    const writers = [
      await bundledWriter({ ...options, topic: topics[0] }),
      await kafkaJsWriter({ ...options, topic: topics[1] }),
    ]
    await sleep(calmMs)

    // Whoever is to be added is down: nothing can end before it is back.
    await cluster.one('kill', added)
    const plan = join(cluster.directory, 'plan.json')
    const moves = topics.flatMap(topic =>
      Array.from({ length: partitions }, (_, partition) => ({
        topic,
        partition,
        replicas: target,
      })),
    )
    writeFileSync(plan, JSON.stringify({ version: 1, partitions: moves }))
    await cluster.trimaran('reassign', '--file', plan, '--no-wait')
    const leader = await cluster.leaderOf(topics[0], 0)
    expect(leader).toBe(1)
    await killAndRestart(leader, async () => {
      const now = await cluster.leaderOf(topics[0], 0)
      return now > 0 && now !== leader
    })
    const controllerId = await cluster.controllerId()
    await killAndRestart(controllerId, async () => {
      const now = (await cluster.newestStatus()).controllerId
      return now > 0 && now !== controllerId
    })
    expect(new Set(await statesOf())).toEqual(new Set(['moving']))

    await cluster.one('restart', added)
    await until('everything is moved', async () => !(await statesOf()).includes('moving'))
    await cluster.whenHealed()
    expect(await cluster.trimaran('reassign', '--list')).toBe('Nothing is being reassigned.\n')
    await sleep(calmMs)
    await Promise.all(writers.map(writer => writer.stop()))
    await follower.stop()
    let read = 0
    for (const topic of topics) read += await drain({ ...options, topic })
    measured(`reassigned under fire: ${history.sends.length} sends, ${read} records`)
    expect(history.sends.filter(({ status }) => status === 'acked').length).toBeGreaterThan(100)
    expect(verdict(history)).toBe(kept)
  },
)
