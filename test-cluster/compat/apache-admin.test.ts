import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apache, apacheIsThere, apacheOutcome, rows } from '../support/apache.ts'
import { CliCluster } from '../support/cli-cluster.ts'
import { until } from '../support/run.ts'

const timeoutMs = 120_000

describe.skipIf(!apacheIsThere)("Apache's administration tools", { timeout: timeoutMs }, () => {
  let cluster: CliCluster
  let server: readonly [string, string]
  beforeAll(async () => {
    cluster = await CliCluster.up({ port: 21_130 })
    server = ['--bootstrap-server', cluster.bootstrapServers]
  })
  afterAll(async () => cluster?.down())

  const topics = async (...args: readonly string[]): Promise<string> =>
    (await apache('kafka-topics', [...server, ...args])).stdout
  const groups = async (...args: readonly string[]): Promise<string> =>
    (await apache('kafka-consumer-groups', [...server, ...args])).stdout
  const configs = async (...args: readonly string[]): Promise<string> =>
    (await apache('kafka-configs', [...server, ...args])).stdout

  test('kafka-topics creates, describes, grows, lists and deletes', async () => {
    const create = ['--create', '--topic', 'made', '--partitions', '3']
    expect(await topics(...create, '--replication-factor', '3')).toBe('Created topic made.\n')
    const again = await apacheOutcome('kafka-topics', [...server, ...create])
    expect(again.code).not.toBe(0)
    expect(again.stdout + again.stderr).toContain("Topic 'made' already exists")

    const described = rows(await topics('--describe', '--topic', 'made'))
    expect(described[0]?.join(' ')).toMatch(
      /^Topic: made TopicId: [\w-]{22} PartitionCount: 3 ReplicationFactor: 3 Configs: min.insync.replicas=2$/,
    )
    expect(described).toHaveLength(4)
    for (const [at, row] of described.slice(1).entries()) {
      expect(row.join(' ')).toMatch(
        new RegExp(
          String.raw`^Topic: made Partition: ${at} Leader: ([123]) Replicas: \1,[123],[123] Isr: [123],[123],[123]`,
        ),
      )
    }

    await topics('--alter', '--topic', 'made', '--partitions', '5')
    const fewer = await apacheOutcome('kafka-topics', [
      ...server,
      '--alter',
      '--topic',
      'made',
      '--partitions',
      '2',
    ])
    expect(fewer.stdout + fewer.stderr).toContain('would not be an increase')
    expect(rows(await topics('--describe', '--topic', 'made'))).toHaveLength(6)
    expect((await topics('--list')).split('\n')).toContain('made')
    expect(await topics('--describe', '--under-replicated-partitions')).toBe('')

    await topics('--delete', '--topic', 'made')
    expect((await topics('--list')).split('\n')).not.toContain('made')
  })

  test('kafka-topics places replicas where it is told', async () => {
    await topics('--create', '--topic', 'placed', '--replica-assignment', '3:1,2:3')
    const partitions = await cluster.partitionsOf('placed')
    expect(partitions.map(({ leader, replicas }) => [leader, replicas])).toEqual([
      [3, [3, 1]],
      [2, [2, 3]],
    ])
  })

  test('console producer and consumer, and all that is done to the offsets of a group', async () => {
    await cluster.createTopic('console', 3)
    const lines = Array.from({ length: 500 }, (_, at) => `line ${at}`)
    const keyed = lines.map((line, at) => `${at}\t${line}`).join('\n')
    const reader = ['--reader-property', 'parse.key=true']
    await apache(
      'kafka-console-producer',
      [...server, '--topic', 'console', ...reader],
      `${keyed}\n`,
    )
    const consumed = await apache('kafka-console-consumer', [
      ...server,
      '--topic',
      'console',
      '--group',
      'console-group',
      '--from-beginning',
      '--max-messages',
      '500',
    ])
    expect(consumed.stdout.trimEnd().split('\n').toSorted()).toEqual(lines.toSorted())
    expect(consumed.stderr).toContain('Processed a total of 500 messages')

    const describeGroup = async (): Promise<string[][]> => {
      const table = rows(await groups('--describe', '--group', 'console-group'))
      return table.filter(row => row[0] === 'console-group')
    }
    const total = (table: readonly string[][], column: number): number =>
      table.reduce((sum, row) => sum + Number(row[column]), 0)
    const before = await describeGroup()
    expect(new Set(before.map(row => row[2]))).toEqual(new Set(['0', '1', '2']))
    expect([3, 4, 5].map(column => total(before, column))).toEqual([500, 500, 0])
    expect(await groups('--describe', '--group', 'console-group', '--state')).toMatch(
      /console-group\s+127\.0\.0\.1:2113\d\s+\([123]\)\s+-?\s*Empty\s+0/,
    )
    expect(await groups('--list', '--state')).toMatch(/console-group\s+Empty/)

    const reset = ['--reset-offsets', '--group', 'console-group', '--topic', 'console']
    const plan = rows(await groups(...reset, '--to-earliest', '--execute'))
    expect(plan.filter(row => row[1] === 'console').map(row => row[3])).toEqual(['0', '0', '0'])
    const after = await describeGroup()
    expect([3, 4, 5].map(column => total(after, column))).toEqual([0, 500, 500])
    await groups(...reset, '--shift-by', '10', '--execute')
    expect(total(await describeGroup(), 3)).toBe(30)
    await groups('--delete-offsets', '--group', 'console-group', '--topic', 'console')
    await groups('--delete', '--group', 'console-group')
    expect(await groups('--list')).not.toContain('console-group')
  })

  test('a group with a member shows its member, its host and its assignment', async () => {
    await cluster.createTopic('watched', 4)
    const consumer = apacheOutcome('kafka-console-consumer', [
      ...server,
      '--topic',
      'watched',
      '--group',
      'watched-group',
      '--timeout-ms',
      '15000',
    ])
    await until('the member owns four partitions', async () => {
      const { stdout } = await apacheOutcome('kafka-consumer-groups', [
        ...server,
        '--describe',
        '--group',
        'watched-group',
        '--members',
        '--verbose',
      ])
      return /watched-group\s+console-consumer-[\w-]+\s+\/127\.0\.0\.1\s+console-consumer\s+4\s/.test(
        stdout,
      )
    })
    expect(await groups('--describe', '--group', 'watched-group', '--state')).toMatch(
      /range\s+Stable\s+1/,
    )
    const { code } = await consumer
    expect(code).toBe(0)
  })

  test('kafka-configs describes and changes topics, brokers and the defaults of all brokers', async () => {
    await cluster.createTopic('configured', 1)
    const topic = ['--topic', 'configured']
    await configs(
      '--alter',
      ...topic,
      '--add-config',
      'retention.ms=60000,cleanup.policy=[compact,delete]',
    )
    const described = await configs('--describe', ...topic)
    expect(described).toContain(
      'retention.ms=60000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=60000}',
    )
    expect(described).toContain('cleanup.policy=compact,delete')
    await configs('--alter', ...topic, '--delete-config', 'retention.ms')
    expect(await configs('--describe', ...topic)).not.toContain('retention.ms')
    const all = await configs('--describe', ...topic, '--all')
    expect(all).toContain('retention.ms=604800000')
    const wrong = await apacheOutcome('kafka-configs', [
      ...server,
      '--alter',
      ...topic,
      '--add-config',
      'retention.ms=soon',
    ])
    expect(wrong.code).not.toBe(0)

    const brokers = await configs('--describe', '--broker', '1', '--all')
    expect(brokers).toContain('node.id=1')
    await configs(
      '--alter',
      '--entity-type',
      'brokers',
      '--entity-default',
      '--add-config',
      'log.retention.ms=7200000',
    )
    await until('the default reaches the topic', async () =>
      (await configs('--describe', ...topic, '--all')).includes('retention.ms=7200000'),
    )
  })

  test('kafka-get-offsets tells ends, beginnings and times', async () => {
    await cluster.createTopic('offsets', 2)
    await apache('kafka-console-producer', [...server, '--topic', 'offsets'], 'a\nb\nc\n')
    const offsets = async (...args: readonly string[]): Promise<number> => {
      const { stdout } = await apache('kafka-get-offsets', [
        ...server,
        '--topic',
        'offsets',
        ...args,
      ])
      const counts = stdout
        .trimEnd()
        .split('\n')
        .map(line => line.split(':'))
      expect(counts.map(([topic]) => topic)).toEqual(['offsets', 'offsets'])
      return counts.reduce((sum, [, , offset]) => sum + Number(offset), 0)
    }
    expect(await offsets()).toBe(3)
    expect(await offsets('--time', 'earliest')).toBe(0)
  })

  test('kafka-metadata-quorum names the leader, the voters and their lag', async () => {
    const leaderId = await cluster.controllerId()
    const status = (await apache('kafka-metadata-quorum', [...server, 'describe', '--status']))
      .stdout
    expect(status).toMatch(new RegExp(String.raw`LeaderId:\s+${leaderId}\n`))
    expect(status).toMatch(/MaxFollowerLag:\s+0\n/)
    for (const nodeId of cluster.nodeIds) expect(status).toContain(`"id": ${nodeId},`)
    const { stdout } = await apache('kafka-metadata-quorum', [
      ...server,
      'describe',
      '--replication',
    ])
    const table = rows(stdout)
    expect(table[0]).toEqual([
      'NodeId',
      'DirectoryId',
      'LogEndOffset',
      'Lag',
      'LastFetchTimestamp',
      'LastCaughtUpTimestamp',
      'Status',
    ])
    const [leader, ...followers] = table.slice(1)
    expect([leader?.[0], leader?.[6]]).toEqual([String(leaderId), 'Leader'])
    expect(followers.map(row => row[6])).toEqual(['Follower', 'Follower'])
  })

  test('kafka-broker-api-versions finds nothing that this broker offers and the client cannot use', async () => {
    const { stdout } = await apache('kafka-broker-api-versions', [...server])
    for (const broker of cluster.brokers) expect(stdout).toContain(`${broker} (id: `)
    for (const api of [
      'Produce(0)',
      'Fetch(1)',
      'JoinGroup(11)',
      'CreateTopics(19)',
      'DescribeQuorum(55)',
    ]) {
      expect(stdout).toMatch(
        new RegExp(
          String.raw`${api.replaceAll(/[()]/g, String.raw`\$&`)}: \d+( to \d+)? \[usable: \d+\]`,
        ),
      )
    }
    expect(stdout).not.toContain('UNKNOWN')
  })

  test('kafka-log-dirs shows every replica and its size', async () => {
    await cluster.createTopic('sized', 2)
    await apache('kafka-console-producer', [...server, '--topic', 'sized'], `${'x'.repeat(1000)}\n`)
    const { stdout } = await apache('kafka-log-dirs', [
      ...server,
      '--describe',
      '--topic-list',
      'sized',
    ])
    const { brokers } = JSON.parse(
      stdout.split('\n').find(line => line.startsWith('{')) ?? '{}',
    ) as {
      readonly brokers: readonly {
        readonly broker: number
        readonly logDirs: readonly {
          readonly error: string | null
          readonly partitions: readonly { readonly partition: string; readonly size: number }[]
        }[]
      }[]
    }
    expect(brokers.map(({ broker }) => broker)).toEqual([1, 2, 3])
    for (const { logDirs } of brokers) {
      expect(logDirs.map(({ error }) => error)).toEqual([null])
      const partitions = logDirs.flatMap(directory => directory.partitions)
      expect(partitions.map(({ partition }) => partition).toSorted()).toEqual([
        'sized-0',
        'sized-1',
      ])
      expect(partitions.reduce((sum, { size }) => sum + size, 0)).toBeGreaterThan(1000)
    }
  })

  test('kafka-leader-election gives the leadership back to the preferred replica', async () => {
    await cluster.createTopic('elected', 3)
    const [first] = await cluster.partitionsOf('elected')
    const preferred = first?.replicas[0] ?? -1
    await cluster.one('restart', preferred)
    await cluster.whenHealed()
    expect(await cluster.leaderOf('elected', 0)).not.toBe(preferred)
    const { stdout } = await apache('kafka-leader-election', [
      ...server,
      '--election-type',
      'preferred',
      '--all-topic-partitions',
    ])
    expect(stdout).toMatch(/Successfully completed leader election \(PREFERRED\) for partitions/)
    await until('it leads again', async () => (await cluster.leaderOf('elected', 0)) === preferred)
  })

  test('kafka-cluster, kafka-features and kafka-delete-records answer', async () => {
    const { clusterId } = await cluster.newestStatus()
    expect((await apache('kafka-cluster', ['cluster-id', ...server])).stdout).toBe(
      `Cluster ID: ${clusterId}\n`,
    )
    const endpoints = rows((await apache('kafka-cluster', ['list-endpoints', ...server])).stdout)
    expect(endpoints.slice(1).map(row => [row[0], `${row[1]}:${row[2]}`])).toEqual(
      cluster.brokers.map((broker, at) => [String(at + 1), broker]),
    )
    const features = (await apache('kafka-features', [...server, 'describe'])).stdout
    expect(features).toContain('metadata.version')
    expect(features).toMatch(
      /kraft\.version\s+SupportedMinVersion: 1\s+SupportedMaxVersion: 1\s+FinalizedVersionLevel: 1/,
    )
    await cluster.createTopic('shortened', 1)
    await apache('kafka-console-producer', [...server, '--topic', 'shortened'], 'a\nb\nc\n')
    const partitions = [{ topic: 'shortened', partition: 0, offset: 2 }]
    const file = join(cluster.directory, 'offsets.json')
    writeFileSync(file, JSON.stringify({ partitions, version: 1 }))
    const deleted = await apache('kafka-delete-records', [...server, '--offset-json-file', file])
    expect(deleted.stdout).toContain('partition: shortened-0\tlow_watermark: 2')
  })

  test('no tool is worth an error in a log', () => {
    expect(cluster.complaints(50)).toEqual([])
  })
})
