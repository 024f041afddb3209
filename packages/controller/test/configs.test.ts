import type { ControllerRequests } from '@trimaran/metadata'
import { expect, test } from 'vitest'
import { nameOf, TestCluster } from './harness.ts'

type Resource = ControllerRequests['alterConfigs']['request']['resources'][number]
type Change = Resource['changes'][number]

const change = (text: string): Change => {
  const [name = '', operation, value] = text.split(' ')
  return { name, operation: operation as Change['operation'], value: value ?? null }
}
const resource = (key: string, ...changes: readonly string[]): Resource => {
  const [resourceType, resourceName = ''] = key.split(':')
  return {
    resourceType: resourceType as Resource['resourceType'],
    resourceName,
    changes: changes.map(change),
  }
}

async function alter(
  cluster: TestCluster,
  resources: readonly Resource[],
  validateOnly = false,
): Promise<readonly string[]> {
  const answer = await cluster.ask('alterConfigs', { resources, validateOnly })
  return answer.resources.map(each => nameOf(each.errorCode))
}

const orders = async (): Promise<TestCluster> => {
  const cluster = await TestCluster.of([1, 2])
  await cluster.topic('orders', [[1, 2]], { 'retention.ms': '5' })
  return cluster
}

test.each<[string, string, string]>([
  ['set over a value', 'retention.ms set 7', 'retention.ms=7'],
  ['delete', 'retention.ms delete', ''],
  ['delete what is not set', 'segment.ms delete', 'retention.ms=5'],
  [
    'append to the default',
    'cleanup.policy append compact',
    'cleanup.policy=delete,compact retention.ms=5',
  ],
  ['append what is there', 'cleanup.policy append delete', 'cleanup.policy=delete retention.ms=5'],
  ['subtract', 'cleanup.policy subtract delete', 'cleanup.policy= retention.ms=5'],
])('topic configs: %s', async (_what, text, wanted) => {
  const cluster = await orders()
  expect(await alter(cluster, [resource('topic:orders', text)])).toEqual(['NONE'])
  const overrides = [...(cluster.image.configs.get('topic:orders') ?? [])]
  expect(
    overrides
      .map(([key, value]) => `${key}=${value}`)
      .toSorted()
      .join(' '),
  ).toBe(wanted)
})

test.each<[string, Resource]>([
  ['UNKNOWN_TOPIC_OR_PARTITION', resource('topic:none', 'retention.ms set 7')],
  // What the running broker would not see is not stored in vain.
  ['INVALID_REQUEST', resource('broker:1', 'max.connections set 7')],
  ['INVALID_REQUEST', resource('broker:1', 'producer.id.expiration.ms set 7')],
  ['INVALID_REQUEST', resource('broker:1', 'advertised.listeners set PLAINTEXT://h:1')],
  ['INVALID_CONFIG', resource('topic:orders', 'no.such.key set 7')],
  ['INVALID_CONFIG', resource('topic:orders', 'retention.ms set x')],
  ['INVALID_CONFIG', resource('topic:orders', 'retention.ms append 7')],
  [
    'INVALID_CONFIG',
    resource('topic:orders', 'min.compaction.lag.ms set 9', 'max.compaction.lag.ms set 8'),
  ],
  ['INVALID_REQUEST', resource('topic:orders', 'retention.ms set')],
  ['INVALID_REQUEST', resource('topic:orders', 'retention.ms set 7', 'retention.ms set 8')],
  ['INVALID_REQUEST', resource('broker:one', 'num.io.threads set 7')],
  ['BROKER_ID_NOT_REGISTERED', resource('broker:9', 'num.io.threads set 7')],
  ['INVALID_REQUEST', resource('broker:1', 'num.partitions set 7')],
  ['INVALID_REQUEST', resource('broker:1', 'num.io.threads set many')],
  ['INVALID_REQUEST', resource('broker:', 'ssl.keystore.location set x')],
  ['INVALID_CONFIG', resource('broker:1', 'min.insync.replicas set 2')],
  ['INVALID_CONFIG', resource('broker:', 'min.insync.replicas delete')],
  ['NONE', resource('broker:', 'min.insync.replicas set 2')],
  ['NONE', resource('broker:1', 'ssl.keystore.location set x')],
  ['NONE', resource('broker:', 'plugin.of.mine set 7')],
  ['NONE', resource('broker:1', 'num.io.threads set 7')],
])('altering configs is answered %s: %j', async (error, wanted) => {
  const cluster = await orders()
  const end = cluster.log.nextOffset
  expect(await alter(cluster, [wanted])).toEqual([error])
  expect(cluster.log.nextOffset === end).toBe(error !== 'NONE')
})

test('one bad change keeps the whole resource as it was, and no other', async () => {
  const cluster = await orders()
  expect(
    await alter(cluster, [
      resource('topic:orders', 'segment.ms set 8', 'retention.ms set x'),
      resource('broker:', 'num.io.threads set 7'),
    ]),
  ).toEqual(['INVALID_CONFIG', 'NONE'])
  expect(cluster.image.configs.get('topic:orders')?.has('segment.ms')).toBe(false)
  expect(cluster.image.configs.get('broker:')?.get('num.io.threads')).toBe('7')
})

test('validation alone, a repeated resource and an equal value change nothing', async () => {
  const cluster = await orders()
  const end = cluster.log.nextOffset
  const set = resource('topic:orders', 'retention.ms set 7')
  expect(await alter(cluster, [set], true)).toEqual(['NONE'])
  expect(await alter(cluster, [set, set])).toEqual(['INVALID_REQUEST', 'INVALID_REQUEST'])
  expect(await alter(cluster, [resource('topic:orders', 'retention.ms set 5')])).toEqual(['NONE'])
  expect(cluster.log.nextOffset).toBe(end)
})

test('more than 10,000 changes are too many', async () => {
  const cluster = await orders()
  const changes = Array.from({ length: 10_001 }, (_, at) => `plugin.${at} set 1`)
  expect(await alter(cluster, [resource('broker:1', ...changes)])).toEqual(['POLICY_VIOLATION'])
})

test.each([['topic:orders'], ['broker:']])(
  'allowing unclean elections for %s elects at once',
  async key => {
    const cluster = await orders()
    cluster.kill(2)
    cluster.kill(1)
    await cluster.start(2)
    expect(cluster.describe('orders')).toBe('-1/1')
    await alter(cluster, [resource(key, 'unclean.leader.election.enable set true')])
    expect(cluster.describe('orders')).toBe('2/2 recovering')
  },
)

test.each([['topic:orders'], ['broker:']])(
  'a lower min.insync.replicas for %s ends eligibility in the same entry',
  async key => {
    const cluster = await TestCluster.of([1, 2])
    await alter(cluster, [resource('broker:', 'min.insync.replicas set 2')])
    await cluster.topic('orders', [[1, 2]])
    await cluster.alterIsr('orders', [1])
    expect(cluster.describe('orders')).toBe('1/1 elr 2')
    const entries = cluster.log.entries.length
    await alter(cluster, [resource(key, 'min.insync.replicas set 1')])
    expect(cluster.describe('orders')).toBe('1/1')
    expect(cluster.log.entries.length).toBe(entries + 1)
  },
)

test('min.insync.replicas is one value for the cluster from the first controller on', async () => {
  const config = { staticBrokerConfig: new Map([['min.insync.replicas', '2']]) }
  const cluster = await TestCluster.of([1], { config })
  expect(cluster.image.configs.get('broker:')?.get('min.insync.replicas')).toBe('2')
  const next = new TestCluster({ after: cluster })
  const end = next.log.nextOffset
  next.activate()
  expect(next.log.nextOffset).toBe(end)
})
