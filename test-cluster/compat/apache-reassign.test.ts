import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apache, apacheIsThere, apacheOutcome } from '../support/apache.ts'
import { CliCluster } from '../support/cli-cluster.ts'
import { until } from '../support/run.ts'

const timeoutMs = 120_000

type Replicas = readonly (readonly number[])[]

describe.skipIf(!apacheIsThere)(
  "Apache's kafka-reassign-partitions",
  { timeout: timeoutMs },
  () => {
    let cluster: CliCluster
    let server: readonly [string, string]
    beforeAll(async () => {
      cluster = await CliCluster.up({ port: 21_150, nodes: 4 })
      server = ['--bootstrap-server', cluster.bootstrapServers]
    })
    afterAll(async () => cluster?.down())

    const reassign = async (...args: readonly string[]): Promise<string> =>
      (await apache('kafka-reassign-partitions', [...server, ...args])).stdout
    const plan = (topic: string, replicas: Replicas): readonly [string, string] => {
      const file = join(cluster.directory, `${topic}.json`)
      const partitions = replicas.map((ids, partition) => ({ topic, partition, replicas: ids }))
      writeFileSync(file, JSON.stringify({ version: 1, partitions }))
      return ['--reassignment-json-file', file]
    }
    const replicasOf = async (topic: string): Promise<Replicas> =>
      (await cluster.partitionsOf(topic))
        .toSorted((a, b) => a.partition - b.partition)
        .map(({ replicas }) => replicas)
    /** On a node's disk, those that wait for their deletion aside. */
    const partitionsOn = (nodeId: number, topic: string): string[] =>
      readdirSync(cluster.dataDirectory(nodeId))
        .filter(name => name.startsWith(`${topic}-`) && !name.endsWith('-delete'))
        .toSorted()
    const create = (topic: string, assignment: string): Promise<string> =>
      cluster.trimaran('topics', 'create', topic, '--replica-assignment', assignment)

    test('moves partitions with their records, throttled or not, and the old replicas go', async () => {
      await create('moved', '1:2:3,2:3:1')
      const lines = Array.from({ length: 300 }, (_, at) => `line ${at}`)
      const keyed = lines.map((line, at) => `${at}\t${line}\n`).join('')
      const reader = ['--topic', 'moved', '--reader-property', 'parse.key=true']
      await apache('kafka-console-producer', [...server, ...reader], keyed)
      expect(partitionsOn(1, 'moved')).toEqual(['moved-0', 'moved-1'])
      const topics = join(cluster.directory, 'topics.json')
      writeFileSync(topics, '{"version":1,"topics":[{"topic":"moved"}]}')
      const generated = await reassign(
        '--generate',
        '--topics-to-move-json-file',
        topics,
        '--broker-list',
        '2,3,4',
      )
      expect(generated).toContain('Proposed partition reassignment configuration')
      const file = plan('moved', [
        [4, 2, 3],
        [4, 1],
      ])
      // A throttle is taken, and limits nothing.
      const executed = await reassign('--execute', '--throttle', '1000000', ...file)
      expect(executed).toContain('Successfully started partition reassignments for moved-0,moved-1')
      await until('both are where they are to be', async () =>
        /moved-0 is completed[^]*moved-1 is completed/.test(
          await reassign('--verify', '--preserve-throttles', ...file),
        ),
      )
      const verified = await reassign('--verify', ...file)
      expect(verified).toContain('Clearing topic-level throttles on topic moved')
      expect(await cluster.trimaran('configs', 'describe', 'topic', 'moved')).not.toContain(
        'throttle',
      )
      expect(await reassign('--list')).toContain('No partition reassignments found.')
      expect(await replicasOf('moved')).toEqual([
        [4, 2, 3],
        [4, 1],
      ])
      expect(partitionsOn(1, 'moved')).toEqual(['moved-1'])
      expect(partitionsOn(3, 'moved')).toEqual(['moved-0'])
      expect(partitionsOn(4, 'moved')).toEqual(['moved-0', 'moved-1'])
      const consumed = await apache('kafka-console-consumer', [
        ...server,
        '--topic',
        'moved',
        '--from-beginning',
        '--max-messages',
        '300',
      ])
      expect(consumed.stdout.trimEnd().split('\n').toSorted()).toEqual(lines.toSorted())
    })

    test('what waits for a dead broker is listed, cancelled, and given another target', async () => {
      await create('waiting', '1:2')
      const first = plan('waiting', [[3, 2]])
      await cluster.one('kill', 3)
      try {
        // Apache's tool begins nothing with a broker that is down.
        const wait = ['--partition', '0', '--replicas', '3,2', '--no-wait']
        await cluster.trimaran('reassign', 'waiting', ...wait)
        expect(await reassign('--list')).toMatch(
          /waiting-0: replicas: 3,2,1\. adding: 3\. removing: 1\./,
        )
        const verified = await reassign('--verify', '--preserve-throttles', ...first)
        expect(verified).toContain('Reassignment of partition waiting-0 is still in progress.')
        const cancelled = await reassign('--cancel', '--preserve-throttles', ...first)
        expect(cancelled).toContain('Successfully cancelled partition reassignment for: waiting-0')
        expect(await replicasOf('waiting')).toEqual([[2, 1]])

        await cluster.trimaran('reassign', 'waiting', ...wait)
        const second = ['--execute', ...plan('waiting', [[4, 2]])]
        const refused = await apacheOutcome('kafka-reassign-partitions', [...server, ...second])
        expect(refused.stdout + refused.stderr).toContain(
          'there is an existing partition assignment',
        )
        expect(await reassign('--additional', ...second)).toContain('Successfully started')
        await until('it is there', async () => (await replicasOf('waiting')).join() === '4,2')
      } finally {
        await cluster.one('restart', 3)
      }
      await cluster.whenHealed()
    })

    test('holds the replication factor where it is told to', async () => {
      await create('held', '1:2')
      const shrink = ['--execute', '--disallow-replication-factor-change', ...plan('held', [[1]])]
      const refused = await apacheOutcome('kafka-reassign-partitions', [...server, ...shrink])
      expect(refused.stdout + refused.stderr).toContain(
        'The replication factor is changed from 2 to 1',
      )
      expect(await replicasOf('held')).toEqual([[1, 2]])
    })
  },
)
