import { AssertionError } from '@trimaran/common'
import { Delta, emptyImage, imageTree, type Image, type MetadataRecord } from '@trimaran/metadata'
import { expect, test } from 'vitest'
import {
  orders,
  ordersOnThreeBrokers,
  partition,
  registration,
  threeBrokers,
  topicId,
  unfenced,
} from './cluster-records.ts'

function replayed(base: Image, records: readonly MetadataRecord[]): Delta {
  const delta = new Delta(base)
  for (const record of records) delta.replay(record)
  return delta
}

const imageOf = (records: readonly MetadataRecord[]): Image =>
  replayed(emptyImage, records).apply(10)

const cluster = imageOf(ordersOnThreeBrokers)

test('records make an image', () => {
  expect(imageTree(cluster)).toMatchObject({
    endOffset: 10,
    brokers: { 1: { epoch: 1, fenced: false }, 3: { epoch: 3 } },
    topics: { orders: { id: orders, partitions: { 0: { leader: 1, state: 'online' } } } },
  })
})

test('a change of leader raises the leader epoch, every change raises the partition epoch', () => {
  const delta = replayed(cluster, [
    { kind: 'partitionChange', topicId: orders, partition: 0, isr: [1, 2] },
    { kind: 'partitionChange', topicId: orders, partition: 0, leader: 2 },
    { kind: 'partitionChange', topicId: orders, partition: 0, leader: -1 },
  ])
  expect(delta.apply(13).topicsById.get(orders)?.partitions[0]).toMatchObject({
    leader: -1,
    isr: [1, 2],
    leaderEpoch: 2,
    partitionEpoch: 3,
  })
})

test('a delta leaves its base as it was, shares what did not change, and can be read while it grows', () => {
  const before = JSON.stringify(imageTree(cluster))
  const delta = replayed(cluster, [
    { kind: 'partitionChange', topicId: orders, partition: 1, leader: 3 },
  ])
  expect(delta.view.topicsByName.get('orders')?.partitions[1]?.leader).toBe(3)
  delta.replay({ kind: 'topic', topicId: topicId(2), name: 'payments' })
  expect(delta.view.topicsByName.has('payments')).toBe(true)
  const after = delta.apply(12)
  expect(JSON.stringify(imageTree(cluster))).toBe(before)
  expect(after.brokers).toBe(cluster.brokers)
  expect(after.topicsById.get(orders)?.partitions[0]).toBe(
    cluster.topicsById.get(orders)?.partitions[0],
  )
  expect(after.topicsById.get(orders)).toBe(after.topicsByName.get('orders'))
})

test('equal lists of brokers and equal overrides are there once, in one order, whatever their history', () => {
  const config = (resourceName: string, key: string, value: string | null): MetadataRecord => ({
    kind: 'config',
    resourceType: 'topic',
    resourceName,
    key,
    value,
  })
  const image = imageOf([
    ...threeBrokers,
    { kind: 'topic', topicId: topicId(1), name: 'one' },
    { kind: 'topic', topicId: topicId(2), name: 'two' },
    partition(topicId(1), 0, { replicas: [1, 3, 2], isr: [1, 3, 2] }),
    partition(topicId(2), 0, { replicas: [1, 3, 2], isr: [1, 2] }),
    { kind: 'partitionChange', topicId: topicId(2), partition: 0, isr: [1, 3, 2] },
    config('one', 'retention.ms', '5'),
    config('one', 'max.message.bytes', '7'),
    config('two', 'max.message.bytes', '7'),
    config('two', 'retention.ms', '6'),
    config('two', 'retention.ms', '5'),
  ])
  const [one, two] = [1, 2].map(number => image.topicsById.get(topicId(number))?.partitions[0])
  expect(one?.replicas).toEqual([1, 3, 2])
  for (const list of [one?.isr, two?.replicas, two?.isr]) expect(list).toBe(one?.replicas)
  expect(two?.addingReplicas).toBe(one?.removingReplicas)
  const overrides = image.configs.get('topic:one')
  expect([...(overrides ?? [])]).toEqual([
    ['max.message.bytes', '7'],
    ['retention.ms', '5'],
  ])
  expect(image.configs.get('topic:two')).toBe(overrides)
})

test('local changes are the to-do list of one broker', () => {
  const payments = topicId(2)
  const delta = replayed(cluster, [
    { kind: 'partitionChange', topicId: orders, partition: 0, isr: [1, 3] },
    { kind: 'partitionChange', topicId: orders, partition: 1, leader: 3 },
    { kind: 'topic', topicId: payments, name: 'payments' },
    partition(payments, 0, { replicas: [3], isr: [3], leader: 3 }),
  ])
  const names = (
    list: readonly { topicName: string; image: { partition: number }; newLeaderEpoch: boolean }[],
  ) =>
    list.map(
      each => `${each.topicName}-${each.image.partition} ${each.newLeaderEpoch ? 'new' : 'same'}`,
    )
  const one = delta.localChanges(1)
  expect(names(one.leaders)).toEqual(['orders-0 same'])
  expect(names(one.followers)).toEqual(['orders-1 new'])
  const three = delta.localChanges(3)
  expect(names(three.leaders)).toEqual(['orders-1 new', 'payments-0 new'])
  expect(names(three.followers)).toEqual(['orders-0 same'])
  expect(delta.localChanges(9)).toEqual({ leaders: [], followers: [], deletes: [], deletions: [] })
})

const removal = (brokerIds: readonly number[]): MetadataRecord[] => [
  { kind: 'removeTopic', topicId: orders },
  ...brokerIds.map((brokerId): MetadataRecord => ({
    kind: 'replicaDeletion',
    topicId: orders,
    topicName: 'orders',
    brokerId,
    partitions: [0, 1],
    state: 'started',
  })),
]

test('a removed topic is gone at once with its configs; its replicas are deleted by their brokers', () => {
  const withConfig = replayed(cluster, [
    {
      kind: 'config',
      resourceType: 'topic',
      resourceName: 'orders',
      key: 'retention.ms',
      value: '1',
    },
  ]).apply(11)
  const delta = replayed(withConfig, removal([1, 2, 3]))
  const after = delta.apply(12)
  expect(after.topicsByName.size).toBe(0)
  expect(after.topicsById.size).toBe(0)
  expect(after.configs.size).toBe(0)
  expect([...delta.changedConfigs]).toEqual(['topic:orders'])
  expect(delta.removedTopics.get(orders)?.name).toBe('orders')
  expect(delta.localChanges(2)).toMatchObject({
    leaders: [],
    deletes: [{ partition: 0 }, { partition: 1 }],
    deletions: [{ brokerId: 2, partitions: [0, 1] }],
  })
})

test('the name of a removed topic can be taken again in the same delta', () => {
  const again = topicId(9)
  const delta = replayed(cluster, [
    ...removal([1, 2, 3]),
    { kind: 'topic', topicId: again, name: 'orders' },
    partition(again, 0),
  ])
  expect(delta.localChanges(1).deletes).toHaveLength(2)
  expect(delta.localChanges(1).leaders).toMatchObject([{ topicId: again, newLeaderEpoch: true }])
  expect(delta.apply(12).topicsByName.get('orders')?.id).toBe(again)
})

test('a replica that is taken out of the assignment is deleted where it was', () => {
  const delta = replayed(cluster, [
    {
      kind: 'partitionChange',
      topicId: orders,
      partition: 0,
      replicas: [1, 2],
      isr: [1, 2],
      leader: 1,
    },
  ])
  expect(delta.localChanges(3).deletes).toEqual([
    { topicId: orders, topicName: 'orders', partition: 0 },
  ])
  expect(delta.localChanges(1).leaders).toMatchObject([{ newLeaderEpoch: true }])
})

const deletion = (
  state: 'started' | 'ineligible' | 'successful' | 'nonExistent',
): MetadataRecord => ({
  kind: 'replicaDeletion',
  topicId: orders,
  topicName: 'orders',
  brokerId: 1,
  partitions: [0, 1],
  state,
})

test.each<[string, readonly MetadataRecord[], string]>([
  ['a partition of no topic', [partition(topicId(7), 0)], 'exists'],
  ['a partition number with a gap', [partition(orders, 3)], 'without gaps'],
  ['a topic id twice', [{ kind: 'topic', topicId: orders, name: 'other' }], 'used once'],
  ['a topic name twice', [{ kind: 'topic', topicId: topicId(5), name: 'orders' }], 'exists once'],
  ['removal of no topic', [{ kind: 'removeTopic', topicId: topicId(5) }], 'exists'],
  [
    'a change of no partition',
    [{ kind: 'partitionChange', topicId: orders, partition: 2, leader: 1 }],
    'exists',
  ],
  [
    'a leader outside the ISR',
    [{ kind: 'partitionChange', topicId: orders, partition: 0, isr: [2, 3] }],
    'in its ISR',
  ],
  [
    'an ISR outside the replicas',
    [{ kind: 'partitionChange', topicId: orders, partition: 0, isr: [1, 4] }],
    'part of its replicas',
  ],
  [
    'an ISR that loses its last member',
    [{ kind: 'partitionChange', topicId: orders, partition: 0, leader: -1, isr: [] }],
    'illegal transition from online to new',
  ],
  [
    'an ELR that overlaps the ISR',
    [{ kind: 'partitionChange', topicId: orders, partition: 0, elr: [1] }],
    'disjoint',
  ],
  [
    'a fenced leader',
    [
      {
        kind: 'brokerChange',
        brokerId: 1,
        brokerEpoch: 1,
        fenced: true,
        inControlledShutdown: null,
      },
      { kind: 'partitionChange', topicId: orders, partition: 0, isr: [1, 2] },
    ],
    'unfenced',
  ],
  ['a broker epoch that goes back', [registration(1, 1)], 'grows'],
  ['a change in another broker epoch', [unfenced(1, 7)], 'own epoch'],
  ['a change of an unknown broker', [unfenced(8, 7)], 'registered'],
  [
    'an unknown broker that leaves',
    [{ kind: 'unregisterBroker', brokerId: 8, brokerEpoch: 1 }],
    'registered',
  ],
  [
    'a config of no topic',
    [{ kind: 'config', resourceType: 'topic', resourceName: 'x', key: 'a', value: 'b' }],
    'exists',
  ],
  [
    'producer ids that were given out before',
    [
      { kind: 'producerIds', brokerId: 1, nextProducerId: 1000 },
      { kind: 'producerIds', brokerId: 1, nextProducerId: 1000 },
    ],
    'once',
  ],
  ['deletion of a replica whose topic lives', [deletion('started')], 'removed topic'],
  [
    'deletion that ends before it began',
    [...removal([1, 2, 3]), deletion('nonExistent')],
    'illegal',
  ],
  ['deletion that starts twice', [...removal([1, 2, 3]), deletion('started')], 'illegal'],
  [
    'deletion acknowledged while ineligible',
    [...removal([1, 2, 3]), deletion('ineligible'), deletion('successful')],
    'illegal',
  ],
  [
    'deletion that fails after it succeeded',
    [...removal([1, 2, 3]), deletion('successful'), deletion('ineligible')],
    'illegal',
  ],
])('%s does not fit and stops the node', (_name, records, message) => {
  const replay = (): Delta => replayed(cluster, records)
  expect(replay).toThrow(AssertionError)
  expect(replay).toThrow(message)
})

test('removing a topic without deciding about every replica does not fit', () => {
  const delta = replayed(cluster, removal([1, 2]))
  expect(() => delta.apply(12)).toThrow('deletion state')
})

test('a deletion walks its states and ends', () => {
  const records = [...removal([1, 2, 3])]
  for (const state of ['ineligible', 'started', 'successful', 'nonExistent'] as const) {
    records.push(deletion(state))
  }
  const after = replayed(cluster, records).apply(12)
  expect([...after.deletions.keys()].toSorted()).toEqual([`${orders}/2`, `${orders}/3`])
})

test('removing a topic costs what its partitions are, not their square', () => {
  const timeOf = (count: number): number => {
    const records: MetadataRecord[] = [{ kind: 'topic', topicId: topicId(1), name: 'large' }]
    for (let number = 0; number < count; number++) records.push(partition(topicId(1), number))
    const large = replayed(imageOf([...threeBrokers]), records).apply(11)
    const partitions = Array.from({ length: count }, (_, number) => number)
    const removal: MetadataRecord[] = [{ kind: 'removeTopic', topicId: topicId(1) }]
    for (const brokerId of [1, 2, 3]) {
      const of = { topicId: topicId(1), topicName: 'large', brokerId, partitions }
      removal.push({ kind: 'replicaDeletion', ...of, state: 'started' })
    }
    const times = Array.from({ length: 3 }, () => {
      const startMs = performance.now()
      replayed(large, removal).apply(12)
      return performance.now() - startMs
    })
    return Math.min(...times)
  }
  timeOf(1_000)
  expect(timeOf(20_000)).toBeLessThan(40 * timeOf(2_000))
})

test('replay and apply cost what changes, not what is there', () => {
  const records: MetadataRecord[] = [...threeBrokers]
  for (let topic = 0; topic < 10_000; topic++) {
    records.push({ kind: 'topic', topicId: topicId(topic), name: `topic-${topic}` })
    for (let number = 0; number < 10; number++) records.push(partition(topicId(topic), number))
  }
  let image = imageOf(records)
  // Copying 10,000 topics with each change would run into the time limit.
  for (let round = 0; round < 2_000; round++) {
    const id = topicId((round * 37) % 10_000)
    const delta = replayed(image, [
      { kind: 'partitionChange', topicId: id, partition: round % 10, leader: (round % 3) + 1 },
    ])
    expect(delta.localChanges(1).leaders.length + delta.localChanges(1).followers.length).toBe(1)
    image = delta.apply(11 + round)
  }
})
