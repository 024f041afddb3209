import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { History } from 'trimaran/history'
import { CliCluster, votersOf } from '../support/cli-cluster.ts'
import { measured, until } from '../support/run.ts'
import { Numbers, kept, verdict } from './numbers.ts'
import { drain } from './readers.ts'
import { bundledWriter, kafkaJsWriter } from './writers.ts'

const topics = ['replaced-bundled', 'replaced-kafkajs'] as const
const partitions = 3
const calmMs = 500
const lost = 3

let cluster: CliCluster
beforeAll(async () => {
  cluster = await CliCluster.up({ port: 21_280 })
})
afterAll(async () => cluster?.down())

/** Null: none, for the moment. */
const leaderOtherThan = async (nodeId: number): Promise<number | null> => {
  const { controllerId } = await cluster.newestStatus()
  return controllerId > 0 && controllerId !== nodeId ? controllerId : null
}

test(
  'a node that is lost for ever is replaced under load, and the quorum is as strong as it was',
  { timeout: 180_000 },
  async () => {
    for (const topic of topics) await cluster.createTopic(topic, partitions)
    const history = new History()
    const options = { brokers: cluster.brokers, partitions, history, numbers: new Numbers() }
    const writers = [
      await bundledWriter({ ...options, topic: topics[0] }),
      await kafkaJsWriter({ ...options, topic: topics[1] }),
    ]
    await sleep(calmMs)

    await cluster.loseNode(lost)
    await cluster.trimaran('quorum', 'remove', '--id', String(lost))
    expect(votersOf(await cluster.quorum())).toEqual([1, 2])
    const added = await cluster.addNode()
    expect(votersOf(await cluster.quorum())).toEqual([1, 2])
    await cluster.trimaran('quorum', 'add', '--id', String(added))
    expect(votersOf(await cluster.quorum())).toEqual([1, 2, added])

    const plan = join(cluster.directory, 'plan.json')
    const moves = topics.flatMap(topic =>
      Array.from({ length: partitions }, (_, partition) => ({
        topic,
        partition,
        replicas: [1, 2, added],
      })),
    )
    writeFileSync(plan, JSON.stringify({ version: 1, partitions: moves }))
    await cluster.trimaran('reassign', '--file', plan)
    await cluster.whenHealed()

    // Two of the three, one of them the new one, are a majority.
    const leader = await cluster.controllerId()
    await cluster.one('kill', leader)
    await until('another node leads', async () => (await leaderOtherThan(leader)) !== null)
    await sleep(calmMs)
    await cluster.one('restart', leader)
    await cluster.whenHealed()

    // Whoever leads can go, too, as an operator wants it: another leads, and it stays as a broker.
    const leaving = await cluster.controllerId()
    await cluster.trimaran('quorum', 'remove', '--id', String(leaving))
    await until('another node leads', async () => (await leaderOtherThan(leaving)) !== null)
    expect(votersOf(await cluster.quorum())).toEqual([1, 2, added].filter(id => id !== leaving))
    await cluster.trimaran('quorum', 'add', '--id', String(leaving))
    await cluster.whenHealed()
    expect(votersOf(await cluster.quorum())).toEqual([1, 2, added])

    await sleep(calmMs)
    await Promise.all(writers.map(writer => writer.stop()))
    let read = 0
    for (const topic of topics) read += await drain({ ...options, topic })
    measured(`a lost node replaced: ${history.sends.length} sends, ${read} records`)
    expect(history.sends.filter(({ status }) => status === 'acked').length).toBeGreaterThan(100)
    expect(verdict(history)).toBe(kept)
  },
)
