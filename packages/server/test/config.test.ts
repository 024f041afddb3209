import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { Prng } from '@trimaran/common'
import { brokerConfigs, topicConfigs } from '@trimaran/metadata'
import { loadConfig } from '../src/config/config.ts'
import type { ConfigSources } from '../src/config/config.ts'
import { inertKind } from '../src/config/inert-keys.ts'
import { claimDirectory } from '../src/config/data-directory.ts'
import { readEnvironment } from '../src/config/environment.ts'
import { parseProperties } from '../src/config/properties-file.ts'

const load = (settings: Record<string, string>): ReturnType<typeof loadConfig> =>
  loadConfig({ overrides: settings })
const three = 'controller.quorum.voters'
const voters = '1@node1:9093,2@node2:9093,3@node3:9093'

describe('a properties file', () => {
  test.each([
    ['a=b', 'a', 'b'],
    ['  a  =  b\t', 'a', 'b'],
    ['a:b', 'a', 'b'],
    ['a b c', 'a', 'b c'],
    ['a', 'a', ''],
    ['a=', 'a', ''],
    ['a==b', 'a', '=b'],
    ['path=C:\\\\logs', 'path', 'C:\\logs'],
    ['a=one,\\\n   two', 'a', 'one,two'],
    ['a\\ key=b', 'a key', 'b'],
    ['a=\\u00e9t\\u00e9', 'a', 'été'],
    ['a=1\r\na=2', 'a', '2'],
    ['listeners=PLAINTEXT://:9092', 'listeners', 'PLAINTEXT://:9092'],
  ])('%j', (text, key, value) => {
    expect(parseProperties(text).get(key)).toBe(value)
  })

  test('comments and blank lines are no settings', () => {
    expect([...parseProperties('# a=b\n! c=d\n\n   \n  # e\nf=g # not a comment')]).toEqual([
      ['f', 'g # not a comment'],
    ])
  })
})

describe('the environment', () => {
  const keys = (environment: Record<string, string>): Record<string, string> =>
    Object.fromEntries(readEnvironment(environment).properties)

  test('KAFKA_ and KAFKA_CFG_ names are keys', () => {
    expect(
      keys({
        KAFKA_LOG_DIRS: '/data',
        KAFKA_CFG_NODE_ID: '2',
        KAFKA_CFG_SASL_ENABLED_MECHANISMS: 'PLAIN',
        KAFKA_LISTENER_NAME_SASL__PLAINTEXT_X: 'y',
        PATH: '/bin',
      }),
    ).toEqual({
      'log.dirs': '/data',
      'node.id': '2',
      'sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.sasl_plaintext.x': 'y',
    })
  })

  test('what is for the JVM, the image or Kubernetes is no key', () => {
    expect(
      keys({
        KAFKA_HEAP_OPTS: '-Xmx1G',
        KAFKA_OPTS: '',
        KAFKA_JMX_PORT: '9999',
        KAFKA_LOG4J_ROOT_LOGLEVEL: 'INFO',
        KAFKA_PORT: 'tcp://10.0.0.1:9092',
        KAFKA_PORT_9092_TCP: 'tcp://10.0.0.1:9092',
        KAFKA_SERVICE_HOST: '10.0.0.1',
        KAFKA_ENABLE_KRAFT: 'yes',
        KAFKA_KRAFT_CLUSTER_ID: 'MkU3OEVBNTcwNTJENDM2Qk',
      }),
    ).toEqual({})
  })

  test.each(['CLUSTER_ID', 'KAFKA_CLUSTER_ID', 'KAFKA_KRAFT_CLUSTER_ID'])(
    '%s is the cluster id',
    name => {
      expect(loadConfig({ environment: { [name]: 'MkU3OEVBNTcwNTJENDM2Qg' } }).clusterId).toBe(
        'MkU3OEVBNTcwNTJENDM2Qg',
      )
    },
  )

  test('the file is weaker than the environment, and that weaker than an override', () => {
    const sources: ConfigSources = {
      file: 'num.partitions=1\nmin.insync.replicas=1\ndefault.replication.factor=1',
      environment: { KAFKA_MIN_INSYNC_REPLICAS: '2', KAFKA_CFG_DEFAULT_REPLICATION_FACTOR: '2' },
      overrides: { 'default.replication.factor': '3' },
    }
    const { properties } = loadConfig(sources)
    expect(
      ['num.partitions', 'min.insync.replicas', 'default.replication.factor'].map(key =>
        properties.get(key),
      ),
    ).toEqual(['1', '2', '3'])
  })
})

describe('a node', () => {
  test('without any configuration is a cluster of its own on the usual ports', () => {
    const config = loadConfig({})
    expect(config).toMatchObject({
      nodeId: 1,
      roles: { broker: true, controller: true },
      clusterId: null,
      voters: [{ nodeId: 1, host: 'localhost', port: 9093 }],
      listeners: [{ name: 'PLAINTEXT', host: '', port: 9092 }],
      advertised: [{ name: 'PLAINTEXT', host: 'localhost', port: 9092 }],
      nodeListener: { host: '', port: 9093 },
      notices: [],
    })
    expect(config.properties.get('offsets.topic.replication.factor')).toBe('1')
  })

  test('of a compose file for the apache/kafka image starts as written', () => {
    const config = loadConfig({
      environment: {
        KAFKA_NODE_ID: '2',
        KAFKA_PROCESS_ROLES: 'broker,controller',
        KAFKA_LISTENERS: 'INTERNAL://:29092,EXTERNAL://:9092,CONTROLLER://:9093',
        KAFKA_ADVERTISED_LISTENERS: 'INTERNAL://node2:29092,EXTERNAL://localhost:19092',
        KAFKA_LISTENER_SECURITY_PROTOCOL_MAP:
          'CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT',
        KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
        KAFKA_INTER_BROKER_LISTENER_NAME: 'INTERNAL',
        KAFKA_CONTROLLER_QUORUM_VOTERS: voters,
        KAFKA_LOG_DIRS: '/tmp/kraft-combined-logs',
      },
    })
    expect(config).toMatchObject({
      nodeId: 2,
      roles: { broker: true, controller: true },
      listeners: [
        { name: 'INTERNAL', port: 29092 },
        { name: 'EXTERNAL', port: 9092 },
      ],
      advertised: [
        { name: 'INTERNAL', host: 'node2', port: 29092 },
        { name: 'EXTERNAL', host: 'localhost', port: 19092 },
      ],
      nodeListener: { host: '', port: 9093 },
      nodeAdvertised: { host: 'node2', port: 9093 },
      metadataDirectory: '/tmp/kraft-combined-logs/quorum',
      notices: [],
    })
  })

  test('with the role controller alone has no listener for clients', () => {
    const config = load({
      'process.roles': 'controller',
      'node.id': '1',
      [three]: voters,
      listeners: 'CONTROLLER://:9093',
    })
    expect(config.listeners).toEqual([])
    expect(config.roles).toEqual({ broker: false, controller: true })
  })

  test('with the role broker alone is no voter and can still be reached by nodes', () => {
    const config = load({
      'process.roles': 'broker',
      'node.id': '4',
      [three]: voters,
      listeners: 'PLAINTEXT://node4:9092',
    })
    expect(config.roles).toEqual({ broker: true, controller: false })
    expect(config.nodeListener).toEqual({ host: '', port: 9093 })
    expect(config.nodeAdvertised).toEqual({ host: 'node4', port: 9093 })
  })

  test('derives the cluster id from the voters, the same on every node', () => {
    const one = load({ 'node.id': '1', [three]: voters }).clusterId
    const other = load({
      'node.id': '3',
      [three]: '3@node3:9093,1@node1:9093, 2@node2:9093',
    }).clusterId
    expect(one).toMatch(/^[A-Za-z0-9_-]{22}$/)
    expect(other).toBe(one)
    expect(load({ 'node.id': '1', [three]: '1@node1:9093' }).clusterId).not.toBe(one)
  })

  test('of a file for ZooKeeper starts, with one notice that names the way to a quorum', () => {
    const config = loadConfig({
      file: 'broker.id=0\nzookeeper.connect=localhost:2181\nzookeeper.connection.timeout.ms=18000\nlog.dirs=/tmp/kafka-logs',
    })
    expect(config.nodeId).toBe(0)
    expect(config.notices).toHaveLength(1)
    expect(config.notices[0]?.fields).toMatchObject({
      ignored: ['zookeeper.connect', 'zookeeper.connection.timeout.ms'],
    })
    expect(String(config.notices[0]?.fields['hint'])).toContain('controller.quorum.voters')
  })

  test('takes the older names of the advertised address', () => {
    const config = load({
      'advertised.host.name': '192.168.1.5',
      'advertised.port': '19092',
      port: '9095',
    })
    expect(config.listeners[0]?.port).toBe(9095)
    expect(config.advertised).toEqual([{ name: 'PLAINTEXT', host: '192.168.1.5', port: 19092 }])
  })

  test('takes a single bootstrap server as its own quorum', () => {
    const config = load({
      'node.id': '1',
      'process.roles': 'broker,controller',
      'controller.quorum.bootstrap.servers': 'localhost:9093',
    })
    expect(config.voters).toEqual([{ nodeId: 1, host: 'localhost', port: 9093 }])
    expect(config.bootstrapServers).toEqual([])
  })

  const controller = { 'node.id': '4', 'process.roles': 'broker,controller' }
  const servers = 'controller.quorum.bootstrap.servers'

  test.each([
    [{ [servers]: 'a:9093,b:9093' }, ['a', 'b']],
    [{ [servers]: 'a:9094' }, ['a']],
    [{ [servers]: 'a:9093', 'node.advertised.listener': 'd:9093' }, ['a']],
    [
      { [servers]: 'a:9093', 'advertised.listeners': 'PLAINTEXT://d:9092,CONTROLLER://d:9093' },
      ['a'],
    ],
    [{ [servers]: 'a:9093', listeners: 'PLAINTEXT://:9092,CONTROLLER://d:9093' }, ['a']],
    [{ [servers]: 'a:9093', 'process.roles': 'broker' }, ['a']],
  ])('joins the quorum of %j', (settings, hosts) => {
    const config = load({ ...controller, ...settings })
    expect(config.voters).toEqual([])
    expect(config.bootstrapServers.map(({ host }) => host)).toEqual(hosts)
    expect(config.clusterId).toBe(null)
    // Not alone: its internal topics are as its cluster has them.
    expect(config.properties.has('offsets.topic.replication.factor')).toBe(false)
  })

  test.each([
    [{ [servers]: 'a:9093' }],
    [{ [servers]: 'a:9093', 'process.roles': '' }],
    [{ [servers]: 'a:9093', 'advertised.listeners': 'PLAINTEXT://a:9092,CONTROLLER://a:9093' }],
    [{ [servers]: 'localhost:9093', listeners: 'PLAINTEXT://:9092,CONTROLLER://127.0.0.1:9093' }],
  ])('begins a quorum of its own with %j', settings => {
    const config = load({ ...controller, ...settings })
    expect(config.bootstrapServers).toEqual([])
    expect(config.voters.map(({ nodeId }) => nodeId)).toEqual([4])
  })
})

test.each([
  ['log.retention.check.intervalms', 'log.retention.check.interval.ms'],
  ['delete.retention.ms', 'log.cleaner.delete.retention.ms'],
  ['num.partition', 'num.partitions'],
  ['retention.ms', 'log.retention.ms'],
  ['http.listner', 'http.listener'],
  ['controller.quorum.voter', 'controller.quorum.voters'],
])('the unknown key %s is answered with %s', (key, meant) => {
  const { notices } = load({ [key]: '1' })
  expect(notices).toEqual([
    {
      level: 'warn',
      phrase: 'unknown configuration key ignored',
      fields: { key, didYouMean: meant },
    },
  ])
})

test('an unknown key that is like no other is named alone', () => {
  expect(load({ 'my.own.plugin.setting': '1' }).notices[0]?.fields).toEqual({
    key: 'my.own.plugin.setting',
  })
})

test.each<[Record<string, string>, RegExp]>([
  [{ 'num.partitions': 'three' }, /num\.partitions/],
  [{ 'num.partitions': '0' }, /num\.partitions.*>=1/],
  [{ 'auto.create.topics.enable': 'maybe' }, /true or false/],
  [{ 'node.id': '1', 'broker.id': '2' }, /keep one of them/],
  [{ 'node.id': '-7' }, /node\.id/],
  [{ 'process.roles': 'zookeeper' }, /must be one of: broker, controller/],
  [{ 'process.roles': 'broker' }, /controller\.quorum\.voters/],
  [{ 'node.id': '9', 'process.roles': 'controller', [three]: voters }, /add 9@host:port/],
  [{ 'node.id': '1', 'process.roles': 'broker', [three]: voters }, /process\.roles/],
  [{ [three]: 'node1:9093' }, /id@host:port/],
  [{ [three]: '1@a:1,1@b:2' }, /twice/],
  [{ listeners: 'PLAINTEXT:9092' }, /NAME:\/\/host:port/],
  [{ listeners: 'PLAINTEXT://:9092,PLAINTEXT://:9093' }, /twice/],
  [{ listeners: 'CONTROLLER://:9093' }, /none for clients/],
  [{ listeners: 'SSL://:9092' }, /does not speak/],
  [
    { listeners: 'OUT://:9092', 'listener.security.protocol.map': 'OUT:SASL_SSL' },
    /OUT wants SASL_SSL/,
  ],
  [{ 'advertised.listeners': 'PLAINTEXT://0.0.0.0:9092' }, /cannot connect to '0\.0\.0\.0'/],
  [{ listeners: 'A://:1,B://:2', 'advertised.listeners': 'A://host:1' }, /B is missing/],
  [{ 'log.dirs': '/a,/b' }, /2 directories/],
  [
    { 'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer' },
    /Java class/,
  ],
  [{ 'log.level': 'loud' }, /none of/],
  [{ 'controller.quorum.bootstrap.servers': 'a:1,b' }, /is not an address/],
  [
    {
      'node.id': '4',
      'process.roles': 'broker,controller',
      'controller.quorum.voters': '1@a:9093,2@b:9093,3@c:9093',
    },
    /controller\.quorum\.bootstrap\.servers/,
  ],
])('%j is refused with words that help', (settings, words) => {
  expect(() => load(settings)).toThrow(
    expect.objectContaining({
      code: 'BAD_CONFIG',
      message: expect.stringMatching(words) as unknown,
    }),
  )
})

describe('a data directory', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'trimaran-directory-'))
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))
  const prng = new Prng(1)

  test('is claimed once, in the form that Kafka writes, and recognised ever after', () => {
    const directory = join(scratch, 'one')
    const first = claimDirectory(directory, { clusterId: null, nodeId: 3 }, prng)
    expect(readFileSync(join(directory, 'meta.properties'), 'utf8').split('\n')).toEqual([
      '#',
      'version=1',
      `cluster.id=${first.clusterId}`,
      'node.id=3',
      `directory.id=${first.directoryId}`,
      '',
    ])
    expect(claimDirectory(directory, { clusterId: first.clusterId, nodeId: 3 }, prng)).toEqual(
      first,
    )
    expect(claimDirectory(directory, { clusterId: null, nodeId: 3 }, prng)).toEqual(first)
  })

  test('of another node or cluster is refused (F14)', () => {
    const directory = join(scratch, 'two')
    claimDirectory(directory, { clusterId: 'cluster-a', nodeId: 1 }, prng)
    const claim = (clusterId: string, nodeId: number) => () =>
      claimDirectory(directory, { clusterId, nodeId }, prng)
    expect(claim('cluster-a', 2)).toThrow(/data is of node 1, this is node 2/)
    expect(claim('cluster-b', 1)).toThrow(/data is of cluster cluster-a/)
  })

  test('of Kafka in ZooKeeper mode is refused', () => {
    const directory = join(scratch, 'three')
    claimDirectory(directory, { clusterId: 'cluster-a', nodeId: 1 }, prng)
    writeFileSync(join(directory, 'meta.properties'), 'version=0\nbroker.id=1\n')
    expect(() => claimDirectory(directory, { clusterId: null, nodeId: 1 }, prng)).toThrow(
      /ZooKeeper/,
    )
  })
})

test('keys that are taken and change nothing are named at the start, once and not with their defaults', () => {
  const { notices } = load({
    'num.io.threads': '8',
    'num.network.threads': '12',
    'socket.send.buffer.bytes': '-1',
    'transaction.max.timeout.ms': '1000',
    'log.retention.hours': '1',
  })
  expect(notices).toEqual([
    {
      level: 'warn',
      phrase: 'configuration keys without effect: what they ask for is not supported',
      fields: { keys: ['transaction.max.timeout.ms'] },
    },
    {
      level: 'info',
      phrase: 'configuration keys without effect: there is nothing to tune by them',
      fields: { keys: ['num.network.threads', 'socket.send.buffer.bytes'] },
    },
  ])
})

test('every key of Kafka is read by somebody, or is on the list of those without effect', () => {
  const packages = fileURLToPath(new URL('../../', import.meta.url))
  const sources = globSync('*/src/**/*.ts', { cwd: packages })
    .filter(path => !/(?:-table|inert-keys|topic-config)\.ts$/.test(path))
    .map(path => readFileSync(join(packages, path), 'utf8'))
    .join()
  const topicKeysRead = [...topicConfigs.values()].filter(({ name }) => {
    const property = name.replace(/\.(?<letter>.)/g, (_dot, letter: string) => letter.toUpperCase())
    return sources.includes(property)
  })
  const readByTopics = new Set(topicKeysRead.flatMap(({ brokerSynonyms }) => brokerSynonyms))
  const isRead = (key: string): boolean => sources.includes(`'${key}'`) || readByTopics.has(key)
  const keys = [...brokerConfigs.keys()]
  expect(keys.filter(key => !isRead(key) && inertKind(key) === null)).toEqual([])
  // Set by this product for a node of its own, for those who ask; nobody acts on them before there are transactions.
  const shown = ['transaction.state.log.min.isr', 'transaction.state.log.replication.factor']
  expect(keys.filter(key => isRead(key) && inertKind(key) !== null)).toEqual(shown)
})
