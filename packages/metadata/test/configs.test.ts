import { readFileSync } from 'node:fs'
import {
  brokerConfigs,
  clientMetricsConfigs,
  type ConfigDef,
  configSources,
  Delta,
  describeBrokerConfigs,
  describeTopicConfigs,
  effectiveBrokerConfig,
  effectiveTopicConfig,
  emptyImage,
  groupConfigs,
  type Image,
  type MetadataRecord,
  parseConfigValue,
  topicConfigs,
} from '@trimaran/metadata'
import { expect, test } from 'vitest'

const reference = (name: string): string[] =>
  readFileSync(`${import.meta.dirname}/../testdata/kafka-4.3.1-${name}.txt`, 'utf8')
    .split('\n')
    .filter(line => line !== '')

const config = (resource: string, key: string, value: string | null): MetadataRecord => {
  const [resourceType, resourceName] = resource.split(':') as ['topic' | 'broker', string]
  return { kind: 'config', resourceType, resourceName, key, value }
}

function imageWith(base: Image, records: readonly MetadataRecord[]): Image {
  const delta = new Delta(base)
  for (const record of records) delta.replay(record)
  return delta.apply(base.endOffset + 1)
}

const orders = imageWith(emptyImage, [
  { kind: 'topic', topicId: 'ordersAAAAAAAAAAAAAAAA', name: 'orders' },
])
const noStatic: ReadonlyMap<string, string> = new Map()

test('the broker table has the keys and defaults of a real Kafka 4.3.1', () => {
  const ours = [...brokerConfigs.values()].map(def => `${def.name}=${def.defaultValue}`)
  expect(ours.toSorted()).toEqual(reference('broker-defaults').toSorted())
})

test('a topic without overrides is described like a real Kafka 4.3.1 does it', () => {
  const sourceName = (source: number): string =>
    Object.entries(configSources).find(([, id]) => id === source)?.[0] ?? '?'
  // A Kafka cluster sets min.insync.replicas as the default of all brokers when it is formatted.
  const image = imageWith(orders, [config('broker:', 'min.insync.replicas', '1')])
  const lines = describeTopicConfigs(image, noStatic, 'orders', 1).map(
    ({ name, value, synonyms }) => {
      const list = synonyms.map(each => `${sourceName(each.source)}:${each.name}=${each.value}`)
      return `${name}=${value} {${list.join(', ')}}`
    },
  )
  expect(lines).toEqual(reference('topic-configs'))
})

test.each([
  ['group', groupConfigs],
  ['client-metrics', clientMetricsConfigs],
])('the %s table has the keys and defaults of a real Kafka 4.3.1', (kind, table) => {
  const ours = [...table.values()].map(def => `${def.name}=${def.defaultValue}`)
  expect(ours).toEqual(
    reference(`${kind}-configs`).map(line => line.slice(0, line.lastIndexOf(' {'))),
  )
})

test('every default is a valid value, and every key has a doc', () => {
  const tables = [brokerConfigs, topicConfigs, groupConfigs, clientMetricsConfigs]
  const defs = tables.flatMap(table => [...table.values()])
  const wrong = defs.filter(
    def => def.defaultValue !== null && !parseConfigValue(def, def.defaultValue).ok,
  )
  expect(wrong.map(def => def.name)).toEqual([])
  for (const def of defs) expect(def.doc).toMatch(/^[A-Z].*\.$/)
})

test('topic keys name broker keys that exist', () => {
  const named = [...topicConfigs.values()].flatMap(def => def.brokerSynonyms)
  expect(named.filter(name => !brokerConfigs.has(name))).toEqual([])
})

const topicDef = (name: string): ConfigDef => topicConfigs.get(name) as ConfigDef

const invalid = (text: string): unknown => expect.stringContaining(text)

test.each<[string, string, unknown]>([
  ['retention.ms', '-1', -1],
  ['retention.ms', ' 60000 ', 60000],
  ['retention.ms', '-2', invalid('Value must be at least -1')],
  ['retention.ms', '1.5', invalid('Not a number of type LONG')],
  ['retention.ms', '9223372036854775808', invalid('Not a number of type LONG')],
  ['retention.ms', '9223372036854775807', 2 ** 63],
  ['segment.bytes', '2147483648', invalid('Not a number of type INT')],
  ['cleanup.policy', 'compact, delete', ['compact', 'delete']],
  ['cleanup.policy', '', []],
  ['cleanup.policy', 'shred', invalid('must be one of: delete, compact')],
  ['cleanup.policy', 'delete,', invalid('must not be empty')],
  ['compression.type', 'zstd', 'zstd'],
  ['compression.type', 'none', invalid('must be one of')],
  ['compression.zstd.level', '-131073', invalid('at least -131072')],
  ['compression.zstd.level', '23', invalid('no more than 22')],
  ['preallocate', 'TRUE', true],
  ['preallocate', 'yes', invalid('either true or false')],
  ['min.cleanable.dirty.ratio', '0.25', 0.25],
  ['min.cleanable.dirty.ratio', '1.1', invalid('no more than 1')],
  ['min.cleanable.dirty.ratio', 'half', invalid('Not a number of type DOUBLE')],
])('%s of "%s" is read as %j', (name, text, wanted) => {
  const parsed = parseConfigValue(topicDef(name), text)
  expect(parsed.ok ? parsed.value : parsed.error).toEqual(wanted)
})

test('the strongest setting of a topic key is in force', () => {
  const staticConfig = new Map([['log.retention.hours', '2']])
  const retention = (image: Image, brokerId: number | null = 1): number =>
    effectiveTopicConfig(image, staticConfig, 'orders', brokerId).retentionMs
  expect(effectiveTopicConfig(orders, noStatic, 'orders').retentionMs).toBe(604_800_000)
  expect(retention(orders)).toBe(7_200_000)
  const cluster = imageWith(orders, [config('broker:', 'log.retention.ms', '300')])
  expect(retention(cluster)).toBe(300)
  const broker = imageWith(cluster, [config('broker:1', 'log.retention.ms', '200')])
  expect(retention(broker)).toBe(200)
  expect(retention(broker, 2)).toBe(300)
  expect(retention(broker, null)).toBe(300)
  const topic = imageWith(broker, [config('topic:orders', 'retention.ms', '100')])
  expect(retention(topic)).toBe(100)
  expect(retention(imageWith(topic, [config('topic:orders', 'retention.ms', null)]))).toBe(200)
})

test('hours and minutes become milliseconds, and any negative time is no limit', () => {
  const retention = (name: string, value: string): number =>
    effectiveTopicConfig(orders, new Map([[name, value]]), 'orders').retentionMs
  expect(retention('log.retention.minutes', '3')).toBe(180_000)
  expect(retention('log.retention.hours', '-1')).toBe(-1)
})

test('what did not change is the same object', () => {
  const first = effectiveTopicConfig(orders, noStatic, 'orders', 1)
  const image = imageWith(orders, [
    { kind: 'topic', topicId: 'otherAAAAAAAAAAAAAAAAA', name: 'other' },
    config('topic:other', 'retention.ms', '1'),
  ])
  expect(effectiveTopicConfig(image, noStatic, 'orders', 1)).toBe(first)
  const other = effectiveTopicConfig(image, noStatic, 'other', 1)
  expect(other).not.toBe(first)
  expect(effectiveTopicConfig(image, noStatic, 'other', 1)).toBe(other)
})

test('a static value that cannot be is told at once', () => {
  const staticConfig = new Map([['log.segment.bytes', 'big']])
  expect(() => effectiveTopicConfig(orders, staticConfig, 'orders')).toThrow('segment.bytes')
})

test('a broker is described with where its values come from', () => {
  const image = imageWith(orders, [
    config('broker:', 'log.retention.ms', '300'),
    config('broker:1', 'log.retention.ms', '200'),
    config('broker:1', 'ssl.key.password', 'secret'),
    config('broker:1', 'plugin.key', 'unknown'),
  ])
  const staticConfig = new Map([['log.retention.hours', '2']])
  const all = describeBrokerConfigs(image, staticConfig, 1)
  const of = (name: string) => all.find(each => each.name === name)
  expect(of('log.retention.ms')).toMatchObject({
    value: '200',
    source: configSources.DYNAMIC_BROKER_CONFIG,
    readOnly: false,
    synonyms: [
      { name: 'log.retention.ms', value: '200', source: 2 },
      { name: 'log.retention.ms', value: '300', source: 3 },
      { name: 'log.retention.hours', value: '2', source: 4 },
    ],
  })
  expect(of('ssl.key.password')).toMatchObject({
    value: null,
    isSensitive: true,
    synonyms: [{ value: null }],
  })
  expect(of('plugin.key')).toMatchObject({ value: null, isSensitive: true, configType: 0 })
  expect(of('num.partitions')).toMatchObject({ value: '1', readOnly: true, source: 5 })
  expect(describeBrokerConfigs(image, staticConfig, null)).toMatchObject([
    { name: 'log.retention.ms', value: '300', source: 3 },
  ])
})

test('a broker key in force is the strongest one set, else its default', () => {
  const image = imageWith(orders, [config('broker:', 'num.io.threads', '4')])
  const staticConfig = new Map([['num.partitions', '7']])
  expect(effectiveBrokerConfig(image, staticConfig, 1, 'num.io.threads')).toBe('4')
  expect(effectiveBrokerConfig(image, staticConfig, 1, 'num.partitions')).toBe('7')
  expect(effectiveBrokerConfig(image, staticConfig, 1, 'log.roll.hours')).toBe('168')
  expect(effectiveBrokerConfig(image, staticConfig, 1, 'no.such.key')).toBeNull()
})
