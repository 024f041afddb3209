import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { apache, apacheIsThere } from '../support/apache.ts'
import { CliCluster } from '../support/cli-cluster.ts'
import { measured } from '../support/run.ts'

const timeout = 120_000

/** One JSON document per line, as the verifiable clients print them. */
function events(stdout: string, name: string): Record<string, unknown>[] {
  return stdout
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line) as Record<string, unknown>)
    .filter(event => event['name'] === name)
}

describe.skipIf(!apacheIsThere)(
  "Apache's own clients, and its view of our files",
  { timeout },
  () => {
    let cluster: CliCluster
    let server: readonly [string, string]
    beforeAll(async () => {
      cluster = await CliCluster.up({ port: 21_140 })
      server = ['--bootstrap-server', cluster.bootstrapServers]
    })
    afterAll(async () => cluster?.down())

    test('the perf tests of producer and consumer run to their end', async () => {
      await cluster.createTopic('perf', 6)
      const produced = await apache('kafka-producer-perf-test', [
        '--topic',
        'perf',
        '--num-records',
        '200000',
        '--record-size',
        '100',
        '--throughput',
        '-1',
        '--producer-props',
        `bootstrap.servers=${cluster.bootstrapServers}`,
        'acks=all',
        'linger.ms=5',
        'compression.type=lz4',
      ])
      const summary = /^200000 records sent, .*$/m.exec(produced.stdout)?.[0] ?? produced.stdout
      expect(summary).toMatch(/^200000 records sent, [\d.]+ records\/sec/)
      measured(`kafka-producer-perf-test: ${summary}`)
      const consumed = await apache('kafka-consumer-perf-test', [
        ...server,
        '--topic',
        'perf',
        '--num-records',
        '200000',
        '--timeout',
        '20000',
      ])
      const fields = consumed.stdout.trimEnd().split('\n').at(-1)?.split(', ') ?? []
      expect(Number(fields[4])).toBeGreaterThanOrEqual(200_000)
      measured(`kafka-consumer-perf-test: ${fields[4]} records, ${fields[5]} per second`)
    })

    test('VerifiableProducer is acknowledged everything, VerifiableConsumer reads it and commits', async () => {
      await cluster.createTopic('verified', 3)
      const count = '5000'
      const produced = await apache('kafka-verifiable-producer', [
        ...server,
        '--topic',
        'verified',
        '--max-messages',
        count,
        '--acks',
        '-1',
      ])
      const [totals] = events(produced.stdout, 'tool_data')
      expect(totals).toMatchObject({ sent: 5000, acked: 5000 })
      expect(events(produced.stdout, 'producer_send_error')).toEqual([])
      const consumed = await apache('kafka-verifiable-consumer', [
        ...server,
        '--topic',
        'verified',
        '--group-id',
        'verifiers',
        '--max-messages',
        count,
        '--reset-policy',
        'earliest',
      ])
      const commits = events(consumed.stdout, 'offsets_committed')
      expect(commits.length).toBeGreaterThan(0)
      for (const commit of commits) expect(commit['success']).toBe(true)
      const last = new Map<unknown, number>()
      for (const commit of commits) {
        const offsets = commit['offsets'] as { partition: number; offset: number }[]
        for (const { partition, offset } of offsets) last.set(partition, offset)
      }
      expect([...last.values()].reduce((sum, offset) => sum + offset, 0)).toBe(5000)
    })

    test('kafka-dump-log reads the segments, indexes and snapshots of a stopped node', async () => {
      await cluster.createTopic('dumped', 1, {
        'segment.bytes': '1048576',
        'index.interval.bytes': '4096',
      })
      await apache('kafka-producer-perf-test', [
        '--topic',
        'dumped',
        '--num-records',
        '8000',
        '--record-size',
        '500',
        '--throughput',
        '-1',
        '--producer-props',
        `bootstrap.servers=${cluster.bootstrapServers}`,
        'acks=all',
      ])
      await cluster.one('stop', 1)
      const directory = join(cluster.dataDirectory(1), 'dumped-0')
      const names = readdirSync(directory)
      const files = (suffix: string): string[] =>
        names.filter(name => name.endsWith(suffix)).map(name => join(directory, name))
      expect(files('.log').length, 'it has rolled').toBeGreaterThan(2)
      const dump = async (suffix: string, ...args: readonly string[]): Promise<string> => {
        const { stdout, stderr } = await apache('kafka-dump-log', [
          '--files',
          files(suffix).join(','),
          ...args,
        ])
        expect(stdout + stderr).not.toMatch(/mismatch|isvalid: false|corrupt|Exception/i)
        // The tool takes −1 for the offset before any first one.
        expect(stdout).not.toMatch(/^ +[0-9]+ is followed by/m)
        return stdout
      }
      const log = await dump('.log', '--deep-iteration')
      expect(log).toContain('isvalid: true')
      const records = await dump('.log', '--print-data-log')
      expect(records.match(/^\| offset: /gm)).toHaveLength(8000)
      expect(await dump('.index', '--index-sanity-check')).toContain('passed sanity check')
      expect(await dump('.index')).toMatch(/offset: \d+ position: \d+/)
      expect(await dump('.timeindex')).toMatch(/timestamp: \d{13} offset: \d+/)
      expect(await dump('.snapshot')).toMatch(
        /producerId: \d+ producerEpoch: 0 .*lastSequence|producerId: \d+ producerEpoch: 0/,
      )
      await cluster.one('restart', 1)
      await cluster.whenHealed()
    })

    test('kafka-dump-log decodes the offsets that our coordinator has stored', async () => {
      await cluster.one('stop', 2)
      const data = cluster.dataDirectory(2)
      const files = readdirSync(data)
        .filter(name => name.startsWith('__consumer_offsets-'))
        .flatMap(name => readdirSync(join(data, name)).map(file => join(data, name, file)))
        .filter(file => file.endsWith('.log'))
      const { stdout } = await apache('kafka-dump-log', [
        '--files',
        files.join(','),
        '--offsets-decoder',
        '--print-data-log',
      ])
      expect(stdout).toMatch(/"group":\s*"verifiers".*"topic":\s*"verified"/)
      await cluster.one('restart', 2)
      await cluster.whenHealed()
    })
  },
)
