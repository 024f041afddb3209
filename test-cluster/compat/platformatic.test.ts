import {
  ConfigResourceTypes,
  IncrementalAlterConfigOperationTypes,
  MessagesStreamModes,
  ListOffsetTimestamps,
} from '@platformatic/kafka'
import type { Admin, CompressionAlgorithmValue, MessagesStream } from '@platformatic/kafka'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { CliCluster } from '../support/cli-cluster.ts'
import {
  platformaticAdmin,
  platformaticConsumer,
  platformaticProducer,
} from '../support/platformatic.ts'
import type { StringConsumer } from '../support/platformatic.ts'
import { measured, seconds, until } from '../support/run.ts'

let cluster: CliCluster
let admin: Admin
beforeAll(async () => {
  cluster = await CliCluster.up({ port: 21_120 })
  admin = platformaticAdmin(cluster.brokers)
})
afterAll(async () => {
  await admin?.close()
  await cluster?.down()
})

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const each of open.splice(0)) await each.close()
})

async function createTopic(topic: string, partitions = 1): Promise<void> {
  await admin.createTopics({ topics: [topic], partitions, replicas: 3 })
}

async function send(
  topic: string,
  values: readonly string[],
  compression?: CompressionAlgorithmValue,
): Promise<void> {
  const producer = platformaticProducer(cluster.brokers)
  open.push(producer)
  await producer.send({
    messages: values.map((value, at) => ({
      topic,
      key: `key ${at % 100}`,
      value,
      headers: { trace: `t${at}` },
    })),
    ...(compression === undefined ? {} : { compression }),
  })
}

interface Member {
  readonly consumer: StringConsumer
  readonly values: string[]
  readonly stream: MessagesStream<string, string, string, string>
  /** Leaves the group. */
  close(): Promise<void>
}

async function member(groupId: string, topic: string): Promise<Member> {
  const consumer = platformaticConsumer(cluster.brokers, groupId)
  const stream = await consumer.consume({
    topics: [topic],
    mode: MessagesStreamModes.COMMITTED,
    fallbackMode: 'earliest',
    autocommit: true,
    maxWaitTime: 200,
  })
  const values: string[] = []
  stream.on('data', message => values.push(message.value))
  let isOpen = true
  const self = {
    consumer,
    values,
    stream,
    close: async (): Promise<void> => {
      if (isOpen) await consumer.close(true)
      isOpen = false
    },
  }
  open.push(self)
  return self
}

const valuesOf = (count: number, prefix = 'value'): string[] =>
  Array.from({ length: count }, (_, at) => `${prefix} ${at}`)
const partitionsOf = ({ consumer }: Member): number[] =>
  (consumer.assignments ?? []).flatMap(({ partitions }) => partitions)

test('the admin client creates, lists, grows and deletes topics', async () => {
  const [created] = await admin.createTopics({ topics: ['made'], partitions: 3, replicas: 3 })
  expect(created).toMatchObject({ name: 'made', partitions: 3, replicas: 3 })
  expect(created?.configuration).toMatchObject({
    'cleanup.policy': 'delete',
    'min.insync.replicas': '2',
  })
  await expect(admin.createTopics({ topics: ['made'] })).rejects.toThrow('Creating topics failed')
  expect(await admin.listTopics()).toContain('made')
  await admin.createPartitions({ topics: [{ name: 'made', count: 4 }] })
  const metadata = await admin.metadata({ topics: ['made'], forceUpdate: true })
  expect(metadata.topics.get('made')?.partitionsCount).toBe(4)
  expect(new Set(metadata.brokers.keys())).toEqual(new Set([1, 2, 3]))
  await admin.deleteTopics({ topics: ['made'] })
  expect(await admin.listTopics()).not.toContain('made')
})

test('the settings of a topic are read and changed', async () => {
  await createTopic('configured')
  const retention = async (): Promise<unknown> => {
    const [described] = await admin.describeConfigs({
      resources: [
        {
          resourceType: ConfigResourceTypes.TOPIC,
          resourceName: 'configured',
          configurationKeys: ['retention.ms'],
        },
      ],
    })
    return described?.configs[0]?.value
  }
  expect(await retention()).toBe('604800000')
  await admin.incrementalAlterConfigs({
    resources: [
      {
        resourceType: ConfigResourceTypes.TOPIC,
        resourceName: 'configured',
        configs: [
          {
            name: 'retention.ms',
            configOperation: IncrementalAlterConfigOperationTypes.SET,
            value: '60000',
          },
        ],
      },
    ],
  })
  // The next broker that is asked may be a moment behind.
  await until('it is changed', async () => (await retention()) === '60000')
})

test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)(
  'records compressed with %s come back with key, value and headers',
  async codec => {
    const topic = `codec-${codec}`
    await createTopic(topic)
    await send(topic, valuesOf(500), codec)
    const { stream } = await member(topic, topic)
    const seen: string[] = []
    stream.on('data', ({ key, value, headers, offset }) =>
      seen.push(`${offset} ${key} ${value} ${headers.get('trace')}`),
    )
    await until('all were read', () => seen.length >= 500)
    expect(seen).toEqual(valuesOf(500).map((value, at) => `${at} key ${at % 100} ${value} t${at}`))
  },
)

test('a group of three owns each partition once, and goes on with two', async () => {
  const topic = 'group-of-three'
  await createTopic(topic, 6)
  const startedMs = performance.now()
  const members = [
    await member('three', topic),
    await member('three', topic),
    await member('three', topic),
  ]
  await until('two partitions each', () => members.every(each => partitionsOf(each).length === 2))
  measured(
    `platformatic: a group of three is stable ${seconds(performance.now() - startedMs)} after its start`,
  )
  expect(new Set(members.flatMap(partitionsOf))).toEqual(new Set([0, 1, 2, 3, 4, 5]))
  const values = valuesOf(3000)
  await send(topic, values)
  const read = (): string[] => members.flatMap(each => each.values)
  await until('every value was read', () => new Set(read()).size === values.length)

  const group = (await admin.describeGroups({ groups: ['three'] })).get('three')
  expect(group).toMatchObject({ id: 'three', state: 'Stable', protocolType: 'consumer' })
  expect(group?.members.size).toBe(3)
  expect((await admin.listGroups()).get('three')).toMatchObject({ groupType: 'classic' })

  await members[0]?.close()
  const rest = members.slice(1)
  await until('the other two share it', () => rest.flatMap(partitionsOf).length === 6)
  await send(topic, valuesOf(600, 'later'))
  await until('they read on', () => new Set(read()).size === 3600)
})

test('offsets of groups and of the log are listed, changed and deleted', async () => {
  const topic = 'offsets'
  await createTopic(topic)
  await send(topic, valuesOf(50))
  const first = await member('offsets', topic)
  await until('all 50 were read', () => first.values.length === 50)
  await first.close()
  const committed = async (): Promise<unknown> => {
    const [group] = await admin.listConsumerGroupOffsets({ groups: ['offsets'] })
    return group?.topics[0]?.partitions[0]?.committedOffset
  }
  expect(await committed()).toBe(50n)
  const endOffset = async (timestamp: bigint): Promise<unknown> => {
    const [listed] = await admin.listOffsets({
      topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp }] }],
    })
    return listed?.partitions[0]?.offset
  }
  expect(await endOffset(ListOffsetTimestamps.LATEST)).toBe(50n)
  await admin.alterConsumerGroupOffsets({
    groupId: 'offsets',
    topics: [{ name: topic, partitionOffsets: [{ partition: 0, offset: 40n }] }],
  })
  const second = await member('offsets', topic)
  await until('the last ten were read again', () => second.values.length === 10)
  expect(second.values[0]).toBe('value 40')
  await second.close()
  await admin.deleteRecords({
    topics: [{ name: topic, partitions: [{ partition: 0, offset: 45n }] }],
  })
  expect(await endOffset(ListOffsetTimestamps.EARLIEST)).toBe(45n)
  await admin.deleteGroups({ groups: ['offsets'] })
  expect((await admin.listGroups()).has('offsets')).toBe(false)
})

test('a broker restarts in the middle, and neither the producer nor the group loses a record', async () => {
  const topic = 'through-a-restart'
  await cluster.createTopic(topic, 3)
  const members = [await member('restarted', topic), await member('restarted', topic)]
  const producer = platformaticProducer(cluster.brokers)
  open.push(producer)
  const sent: string[] = []
  let longestMs = 0
  let restarted = false
  const restart = cluster.one('restart', await cluster.leaderOf(topic, 0)).then(() => {
    restarted = true
  })
  for (let round = 0; !restarted || round < 300; round++) {
    const startedMs = performance.now()
    const value = `round ${round}`
    await producer.send({ messages: [{ topic, value, partition: round % 3 }] })
    sent.push(value)
    longestMs = Math.max(longestMs, performance.now() - startedMs)
  }
  await restart
  const read = (): Set<string> => new Set(members.flatMap(each => each.values))
  await until('all that was acknowledged was read', () => sent.every(value => read().has(value)))
  measured(
    `platformatic: ${sent.length} records through a restart, the slowest send took ${seconds(longestMs)}`,
  )
  await cluster.whenHealed()
  expect(sent.filter(value => !read().has(value))).toEqual([])
})
