import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { GenericContainer, Wait } from 'testcontainers'
import { ClusterClient, commitOffsets, fetchCommitted } from 'trimaran/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { History, type Verdict } from 'trimaran/history'
import { ComposeCluster, docker, dockerIsThere } from '../support/docker.ts'
import { kafkaJs } from '../support/kafkajs.ts'
import { measured, run, seconds, until } from '../support/run.ts'
import { Numbers, kept, longestSilenceOfOneMs, verdict } from './numbers.ts'
import { drain } from './readers.ts'
import { bundledWriter, kafkaJsWriter } from './writers.ts'

const partitions = 6
const main = join(import.meta.dirname, '../../packages/cli/src/main.ts')
/** Its first partition ends before a session does. */
const hookSeed = '3'
const timeout = 180_000
/** The image is built from nothing on a new machine. */
const buildTimeoutMs = 11 * 60_000

describe.skipIf(!dockerIsThere)('containers', () => {
  const cluster = new ComposeCluster(21_500)
  const scratch = mkdtempSync(join(tmpdir(), 'trimaran-containers-'))
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))
  let client: ClusterClient
  beforeAll(async () => {
    await cluster.down('-v')
    const startedMs = performance.now()
    await cluster.build()
    const builtMs = performance.now()
    await cluster.up()
    measured(
      `the image is built in ${seconds(builtMs - startedMs)}, ` +
        `three containers are healthy ${seconds(performance.now() - builtMs)} later`,
    )
    client = new ClusterClient({ bootstrapServers: cluster.brokers.join(',') })
  }, buildTimeoutMs)
  afterAll(async () => {
    await client?.close()
    await cluster.down('-v', '--remove-orphans')
  }, timeout)

  async function createTopic(name: string): Promise<void> {
    const admin = kafkaJs(cluster.brokers).admin()
    await admin.connect()
    await admin.createTopics({
      topics: [{ topic: name, numPartitions: partitions, replicationFactor: 3 }],
    })
    await admin.disconnect()
    await whenHealed(name)
  }

  async function leaderOf(topic: string): Promise<number> {
    return (
      (await client.topic(topic)).partitions.find(one => one.partitionIndex === 0)?.leaderId ?? -1
    )
  }

  async function whenHealed(topic: string): Promise<void> {
    await until(
      'every replica is in sync',
      async () => {
        const described = await client.topic(topic)
        return described.partitions.every(
          ({ leaderId, isrNodes }) => leaderId > 0 && isrNodes.length === 3,
        )
      },
      60_000,
    )
  }

  /** Two clients outside write through `fault`; then all that was acknowledged is read and judged. */
  async function survive(name: string, fault: (leader: string) => Promise<void>): Promise<string> {
    const history = new History()
    const options = { brokers: cluster.brokers, partitions, history, numbers: new Numbers() }
    const topics = [`${name}-bundled`, `${name}-kafkajs`] as const
    for (const topic of topics) await createTopic(topic)
    const writers = [
      await bundledWriter({ ...options, topic: topics[0] }),
      await kafkaJsWriter({ ...options, topic: topics[1] }),
    ]
    await sleep(1000)
    await fault(cluster.containerOf(await leaderOf(topics[0])))
    await cluster.whenHealthy()
    for (const topic of topics) await whenHealed(topic)
    await sleep(1000)
    await Promise.all(writers.map(writer => writer.stop()))
    let read = 0
    for (const topic of topics) read += await drain({ ...options, topic })
    measured(
      `${name}: ${history.sends.length} sends, ${read} records, ` +
        `a partition was silent for ${seconds(longestSilenceOfOneMs(history.sends))} at most`,
    )
    return verdict(history)
  }

  test('every node is healthy, and none runs as root', async () => {
    for (const nodeId of cluster.nodeIds) {
      expect(await cluster.health(nodeId)).toBe('healthy')
      expect(await docker('exec', cluster.containerOf(nodeId), 'id', '-u')).toBe('1001')
    }
  })

  test(
    'the leader is killed while clients outside go on, and comes back',
    { timeout },
    async () => {
      const outcome = await survive('docker-kill', async leader => {
        await docker('kill', leader)
        await sleep(3000)
        await docker('start', leader)
      })
      expect(outcome).toBe(kept)
    },
  )

  test('the leader loses its network without a word, and gets it back', { timeout }, async () => {
    const outcome = await survive('unplugged', async leader => {
      const format = '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}'
      const network = await docker('inspect', '--format', format, leader)
      await docker('network', 'disconnect', network, leader)
      await sleep(12_000)
      await docker('network', 'connect', '--alias', leader, network, leader)
    })
    expect(outcome).toBe(kept)
  })

  test(
    'chaos run strikes them through its hooks, without a word to anybody',
    { timeout },
    async () => {
      const hooks = join(import.meta.dirname, '../../deploy/chaos-hooks.sh')
      const history = join(scratch, 'hooks.jsonl')
      const { code, stdout, stderr } = await run(
        process.execPath,
        [
          ...[main, 'chaos', 'run', '--json', '--scenario', 'partition', '--hooks', hooks],
          ...['-b', cluster.brokers.join(','), '--seed', hookSeed, '--duration', '1'],
          ...['--rate', '300', '--history', history],
        ],
        { timeoutMs: 120_000 },
      )
      expect(stderr).toMatch(/unplug node \d/)
      expect(stderr).toMatch(/reconnect node \d/)
      const told = JSON.parse(stdout) as Verdict
      expect(told).toMatchObject({ kept: true, lost: 0, duplicated: 0, reordered: 0, doubts: [] })
      expect(code).toBe(0)
      measured(
        `chaos run, docker network disconnect: silent for ${seconds(told.progress.silenceMaxMs)}`,
      )
    },
  )

  test(
    'down and up again: records and committed offsets are still there',
    { timeout },
    async () => {
      await createTopic('stored')
      const history = new History()
      const stored = { brokers: cluster.brokers, topic: 'stored', partitions, history }
      const writer = await kafkaJsWriter({ ...stored, numbers: new Numbers() })
      await sleep(1000)
      await writer.stop()
      const at = { topic: 'stored', partition: 3 }
      await commitOffsets(client, 'stored-group', [{ ...at, offset: 42 }], {
        memberId: '',
        generationId: -1,
      })
      await cluster.down()
      const startedMs = performance.now()
      await cluster.up()
      measured(`up again after ${seconds(performance.now() - startedMs)}`)
      expect((await fetchCommitted(client, 'stored-group', [at])).get('stored-3')).toBe(42)
      expect(await drain(stored)).toBe(history.sends.flatMap(send => send.values).length)
      expect(verdict(history)).toBe(kept)
    },
  )

  test(
    'a single container with the settings of another image serves clients',
    { timeout },
    async () => {
      const port = 21_510
      const container = await new GenericContainer('trimaran:latest')
        .withEnvironment({
          KAFKA_KRAFT_CLUSTER_ID: 'MkU3OEVBNTcwNTJENDM2Qk',
          KAFKA_CFG_NODE_ID: '1',
          KAFKA_CFG_PROCESS_ROLES: 'broker,controller',
          KAFKA_CFG_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
          KAFKA_CFG_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
          KAFKA_CFG_LISTENERS: 'PLAINTEXT://:9092,CONTROLLER://:9093',
          KAFKA_CFG_ADVERTISED_LISTENERS: `PLAINTEXT://localhost:${port}`,
          KAFKA_CFG_LISTENER_SECURITY_PROTOCOL_MAP: 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
          KAFKA_CFG_NUM_PARTITIONS: '4',
          ALLOW_PLAINTEXT_LISTENER: 'yes',
        })
        .withExposedPorts({ container: 9092, host: port })
        .withWaitStrategy(Wait.forHealthCheck())
        .start()
      try {
        const kafka = kafkaJs([`localhost:${port}`])
        const admin = kafka.admin()
        await admin.connect()
        expect((await admin.describeCluster()).clusterId).toBe('MkU3OEVBNTcwNTJENDM2Qk')
        await admin.createTopics({ topics: [{ topic: 'made' }] })
        const [made] = (await admin.fetchTopicMetadata({ topics: ['made'] })).topics
        expect(made?.partitions).toHaveLength(4)
        await admin.disconnect()
        const history = new History()
        const single = { brokers: [`localhost:${port}`], topic: 'made', partitions: 4, history }
        const writer = await kafkaJsWriter({ ...single, numbers: new Numbers() })
        await sleep(500)
        await writer.stop()
        expect(await drain(single)).toBeGreaterThan(0)
        expect(verdict(history)).toBe(kept)
      } finally {
        await container.stop()
      }
    },
  )
})
