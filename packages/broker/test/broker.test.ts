import { AssertionError, ClusterError } from '@trimaran/common'
import { apis, errorCodes } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { brokerConfig, CloseConnection } from '../src/index.ts'
import { TestCluster, batchOf } from './support/test-cluster.ts'

const identity = {
  endpoints: [],
  nodeHost: 'h',
  nodePort: 1,
  directoryId: 'directoryAAAAAAAAAAAAA',
}

test('a broker knows its state, and metrics show it', async () => {
  const cluster = await TestCluster.start({ brokerCount: 2 })
  await cluster.addTopic('orders', [[1, 2], [2]])
  expect(cluster.broker(1).status()).toMatchObject({
    brokerId: 1,
    state: 'running',
    fenced: false,
    metadataOffset: cluster.controller.image.endOffset,
    replication: { partitionCount: 1, leaderCount: 1 },
  })
  const text = cluster.broker(2).metrics.registry.prometheusText()
  expect(text).toContain('kafka_server_replicamanager_partitioncount 2\n')
  expect(text).toContain('kafka_server_replicamanager_leadercount 1\n')
  expect(text).toContain('kafka_server_kafkaserver_brokerstate 3\n')
  expect(text).toContain(
    'kafka_server_delayedoperationpurgatory_purgatorysize{delayedOperation="Fetch"} 0\n',
  )
  await cluster.stop()
})

test('the metrics of a topic go with it', async () => {
  const cluster = await TestCluster.start()
  await cluster.addTopic('orders', [[1]])
  const client = cluster.client()
  await client.call(apis.produce, 9, {
    transactionalId: null,
    acks: 1,
    timeoutMs: 1000,
    topicData: [{ name: 'orders', partitionData: [{ index: 0, records: batchOf(['a']) }] }],
  })
  const text = () => cluster.broker(1).metrics.registry.prometheusText()
  expect(text()).toContain('topic="orders"')
  await client.call(apis.deleteTopics, 5, { topicNames: ['orders'], timeoutMs: 1000 })
  expect(text()).not.toContain('topic="orders"')
  await cluster.stop()
})

test('a broker leaves in order and is then done', async () => {
  const cluster = await TestCluster.start()
  const left = cluster.broker(1).controlledShutdown()
  await cluster.clock.advance(200)
  await left
  expect(cluster.broker(1).state).toBe('shuttingDown')
  const beats = cluster.controller.count('heartbeat')
  await cluster.stop()
  expect(cluster.controller.count('heartbeat')).toBe(beats)
})

test('a topic that cannot be created is not asked for with every question', async () => {
  const cluster = await TestCluster.start()
  cluster.controller.overrides.createTopics = ({ topics }) => ({
    topics: topics.map(({ name }) => ({
      name,
      errorCode: errorCodes.INVALID_REPLICATION_FACTOR,
      errorMessage: 'too few brokers',
      topicId: '',
      partitionCount: -1,
      replicationFactor: -1,
    })),
  })
  const ask = () => cluster.client().call(apis.metadata, 1, { topics: [{ name: 'fresh' }] })
  for (let at = 0; at < 10; at++) {
    await ask()
    await cluster.clock.advance(20)
  }
  expect(cluster.controller.count('createTopics')).toBe(1)
  await cluster.clock.advance(100)
  await ask()
  await cluster.clock.advance(0)
  expect(cluster.controller.count('createTopics')).toBe(2)
  await cluster.stop()
})

test('a bug in a handler ends the connection, a broken invariant is told to the node', async () => {
  const cluster = await TestCluster.start()
  const ask = () => cluster.client().call(apis.unregisterBroker, 0, { brokerId: 1 })
  for (const error of [new TypeError('a bug'), new RangeError('another')]) {
    cluster.controller.overrides.unregisterBroker = () => {
      throw error
    }
    await expect(ask()).rejects.toBeInstanceOf(CloseConnection)
  }
  expect(cluster.events.filter(event => event.phrase === 'request failed')).toHaveLength(2)
  cluster.controller.overrides.unregisterBroker = () => {
    throw new AssertionError('an invariant')
  }
  await expect(ask()).rejects.toBeInstanceOf(AssertionError)
  delete cluster.controller.overrides.unregisterBroker
  await cluster.stop()
})

test('the configuration has the defaults of Kafka and refuses what is none', () => {
  const config = brokerConfig(new Map(), identity)
  expect(config).toMatchObject({
    autoCreateTopicsEnable: true,
    fetchMaxBytes: 57_671_680,
    requestTimeoutMs: 30_000,
    heartbeatIntervalMs: 2000,
    rack: null,
    logDir: '/tmp/kafka-logs',
    replication: { replicaLagTimeMaxMs: 30_000, replicaFetchMaxBytes: 1_048_576 },
    groups: { initialRebalanceDelayMs: 3000, offsetsRetentionMs: 604_800_000 },
    consumerOffsetsTopic: { partitionCount: 50, replicationFactor: 3 },
  })
  const given = brokerConfig(
    new Map([
      ['log.dirs', ' /a , /b'],
      ['auto.create.topics.enable', 'FALSE'],
    ]),
    identity,
  )
  expect(given).toMatchObject({ logDir: '/a', autoCreateTopicsEnable: false })
  for (const [key, value] of [
    ['fetch.max.bytes', 'many'],
    ['fetch.max.bytes', ''],
    ['auto.create.topics.enable', 'yes'],
  ] as const) {
    expect(() => brokerConfig(new Map([[key, value]]), identity)).toThrow(ClusterError)
  }
})
