import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { apis } from '@trimaran/protocol'
import type { NodeProcess } from './support/process-cluster.ts'
import { RawClient, requestBytes } from './support/raw-client.ts'
import { Scene } from './support/scene.ts'

/** A third of a broker's session: well before anybody doubts that the node lives. */
const stallMaxMs = 3_000

let scene: Scene
let target: NodeProcess
beforeAll(async () => {
  scene = await Scene.open({ port: 28_080 })
  target = scene.cluster.node(1)
})
afterEach(() => scene.expectHealthy())
afterAll(async () => {
  const { acknowledged, longestSilenceMs } = await scene.close()
  process.stdout.write(`bystander: ${acknowledged} records, silent ${longestSilenceMs | 0} ms\n`)
})

/** Just below what one request may hold: protocol's REQUEST_ELEMENTS_MAX. */
const count = 131_000
const names = Array.from({ length: count }, (_, at) => `t${at.toString(36)}`)

const requests: readonly [what: string, bytes: () => Buffer][] = [
  [
    'Metadata of 131,000 topics',
    () =>
      requestBytes(apis.metadata, 4, {
        topics: names.map(name => ({ name })),
        allowAutoTopicCreation: true,
      }),
  ],
  [
    'FindCoordinator of 131,000 groups',
    () => requestBytes(apis.findCoordinator, 4, { keyType: 0, coordinatorKeys: names }),
  ],
  [
    'DescribeConfigs of 131,000 resources',
    () =>
      requestBytes(apis.describeConfigs, 4, {
        resources: names.map(resourceName => ({
          resourceType: 2,
          resourceName,
          configurationKeys: null,
        })),
        includeSynonyms: true,
        includeDocumentation: true,
      }),
  ],
  [
    'DescribeConfigs of this broker, a hundred thousand times',
    () =>
      requestBytes(apis.describeConfigs, 4, {
        resources: Array.from({ length: 100_000 }, () => ({
          resourceType: 4,
          resourceName: '1',
          configurationKeys: null,
        })),
        includeSynonyms: true,
        includeDocumentation: true,
      }),
  ],
  [
    'DescribeGroups of 131,000 groups',
    () =>
      requestBytes(apis.describeGroups, 5, { groups: names, includeAuthorizedOperations: true }),
  ],
  [
    'CreateTopics of 131,000 topics',
    () =>
      requestBytes(apis.createTopics, 5, {
        topics: names.map(name => ({
          name,
          numPartitions: 1,
          replicationFactor: 1,
          assignments: [],
          configs: [],
        })),
        timeoutMs: 1_000,
        validateOnly: false,
      }),
  ],
  [
    'CreateTopics of one topic with two thousand million partitions',
    () =>
      requestBytes(apis.createTopics, 5, {
        topics: [
          {
            name: 'vast',
            numPartitions: 2 ** 31 - 1,
            replicationFactor: 3,
            assignments: [],
            configs: [],
          },
        ],
        timeoutMs: 1_000,
        validateOnly: false,
      }),
  ],
  [
    'DeleteTopics of 131,000 topics',
    () => requestBytes(apis.deleteTopics, 5, { topicNames: names, timeoutMs: 1_000 }),
  ],
  [
    'AlterPartitionReassignments of 131,000 partitions',
    () =>
      requestBytes(apis.alterPartitionReassignments, 1, {
        timeoutMs: 1_000,
        allowReplicationFactorChange: true,
        topics: [
          {
            name: 'nothing',
            partitions: names.map((_, at) => ({ partitionIndex: at, replicas: null })),
          },
        ],
      }),
  ],
  [
    'OffsetFetch of 131,000 partitions',
    () =>
      requestBytes(apis.offsetFetch, 7, {
        groupId: 'g',
        topics: [{ name: 'bystander', partitionIndexes: names.map((_, at) => at) }],
        requireStable: false,
      }),
  ],
  [
    'ListOffsets of 131,000 partitions',
    () =>
      requestBytes(apis.listOffsets, 6, {
        replicaId: -1,
        isolationLevel: 0,
        topics: [
          {
            name: 'bystander',
            partitions: names.map((_, at) => ({
              partitionIndex: at % 3,
              currentLeaderEpoch: -1,
              timestamp: at,
            })),
          },
        ],
      }),
  ],
  [
    'Fetch of 131,000 partitions',
    () =>
      requestBytes(apis.fetch, 11, {
        maxWaitMs: 100,
        minBytes: 1,
        maxBytes: 1024 * 1024,
        isolationLevel: 0,
        topics: [
          {
            topic: 'bystander',
            partitions: names.map((_, at) => ({
              partition: at % 3,
              fetchOffset: 0,
              partitionMaxBytes: 2 ** 31 - 1,
            })),
          },
        ],
        rackId: '',
      }),
  ],
  [
    'Produce for 131,000 partitions',
    () =>
      requestBytes(apis.produce, 9, {
        transactionalId: null,
        acks: -1,
        timeoutMs: 1_000,
        topicData: [
          {
            name: 'bystander',
            partitionData: names.map((_, at) => ({ index: at % 5, records: Buffer.from('x') })),
          },
        ],
      }),
  ],
]

test.each(requests)(
  '%s: answered or refused, and nobody else waits for it (K21)',
  async (what, bytes) => {
    const request = bytes()
    const client = await RawClient.connect(target.ports.client)
    const watch = await watchAnswers(target)
    const startMs = performance.now()
    client.send(request)
    const frame = await client.frame()
    const tookMs = performance.now() - startMs
    const slowestMs = await watch.stop()
    process.stdout.write(
      `${what} (${request.length >> 10} KiB): ${frame === null ? 'closed' : `${frame.length >> 10} KiB`} after ${tookMs | 0} ms, others waited ${slowestMs | 0} ms, ${target.rssBytes() >> 20} MiB\n`,
    )
    client.destroy()
    expect(frame).not.toBe(null)
    expect(slowestMs).toBeLessThan(stallMaxMs)
  },
)

test('a request of a million topics ends its connection before anything is made of it', async () => {
  const topics = Array.from({ length: 1_000_000 }, () => ({ name: 't' }))
  const request = requestBytes(apis.metadata, 4, { topics, allowAutoTopicCreation: true })
  const client = await RawClient.connect(target.ports.client)
  const watch = await watchAnswers(target)
  client.send(request)
  expect(await client.frame()).toBe(null)
  expect(await watch.stop()).toBeLessThan(stallMaxMs)
})

/** Asks on another connection all the while; the slowest answer is the length of the longest stall. */
async function watchAnswers(node: NodeProcess): Promise<{ stop(): Promise<number> }> {
  const client = await RawClient.connect(node.ports.client)
  let stopped = false
  let slowestMs = 0
  const asking = (async () => {
    while (!stopped) {
      const startMs = performance.now()
      await client.request(apis.apiVersions, 0, {})
      slowestMs = Math.max(slowestMs, performance.now() - startMs)
    }
  })()
  return {
    async stop() {
      stopped = true
      await asking
      client.destroy()
      return slowestMs
    },
  }
}
