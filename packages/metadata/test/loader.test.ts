import { AssertionError } from '@trimaran/common'
import {
  decodeSnapshot,
  Delta,
  deltaBetween,
  emptyImage,
  encodeRecords,
  encodeSnapshot,
  imageTree,
  type Image,
  type LocalChanges,
  type LocalPartition,
  MetadataLoader,
  type MetadataRecord,
  type Transition,
} from '@trimaran/metadata'
import { expect, test } from 'vitest'
import {
  orders,
  ordersOnThreeBrokers,
  partition,
  threeBrokers,
  topicId,
} from './cluster-records.ts'

function imageOf(records: readonly MetadataRecord[], endOffset = 10): Image {
  const delta = new Delta(emptyImage)
  for (const record of records) delta.replay(record)
  return delta.apply(endOffset)
}

const payments = topicId(2)
const richCluster: readonly MetadataRecord[] = [
  ...ordersOnThreeBrokers,
  { kind: 'brokerChange', brokerId: 2, brokerEpoch: 2, fenced: null, inControlledShutdown: false },
  { kind: 'topic', topicId: payments, name: 'payments' },
  partition(payments, 0, { isr: [2], elr: [1, 3], leader: 2, leaderEpoch: 4, recovering: true }),
  { kind: 'config', resourceType: 'topic', resourceName: 'payments', key: 'z', value: '1' },
  { kind: 'config', resourceType: 'topic', resourceName: 'payments', key: 'a', value: '' },
  { kind: 'config', resourceType: 'broker', resourceName: '', key: 'a', value: '2' },
  { kind: 'producerIds', brokerId: 1, nextProducerId: 3000 },
  { kind: 'removeTopic', topicId: orders },
  ...[1, 2, 3].map((brokerId): MetadataRecord => ({
    kind: 'replicaDeletion',
    topicId: orders,
    topicName: 'orders',
    brokerId,
    partitions: [0, 1],
    state: brokerId === 2 ? 'ineligible' : 'started',
  })),
]

test('a snapshot brings back the image it was made of, byte for byte', () => {
  const image = imageOf(richCluster)
  const loaded = decodeSnapshot(encodeSnapshot(image), 10)
  expect(imageTree(loaded)).toEqual(imageTree(image))
  expect(encodeSnapshot(loaded)).toEqual(encodeSnapshot(image))
  expect(encodeSnapshot(decodeSnapshot(encodeSnapshot(emptyImage), 0))).toEqual(
    encodeSnapshot(emptyImage),
  )
})

test('equal images give equal snapshots, however they came to be', () => {
  const other = topicId(3)
  const detour: readonly MetadataRecord[] = [
    ...threeBrokers.slice(2),
    ...threeBrokers.slice(0, 2),
    { kind: 'topic', topicId: orders, name: 'orders' },
    partition(orders, 0),
    partition(orders, 1, { replicas: [2, 3, 1], isr: [2, 3, 1], leader: 2 }),
    { kind: 'config', resourceType: 'topic', resourceName: 'orders', key: 'a', value: '1' },
    { kind: 'config', resourceType: 'topic', resourceName: 'orders', key: 'a', value: null },
    { kind: 'topic', topicId: other, name: 'other' },
    { kind: 'removeTopic', topicId: other },
  ]
  expect(encodeSnapshot(imageOf(detour))).toEqual(encodeSnapshot(imageOf(ordersOnThreeBrokers)))
})

interface Seen {
  readonly changed: string[]
  readonly removed: string[]
  readonly brokers: number[]
  readonly endOffset: number
}

function loaderWith(seen: Seen[], transitions: Transition[] = []): MetadataLoader {
  return new MetadataLoader({
    publishers: [
      {
        onMetadata: (delta, image) =>
          seen.push({
            changed: [...delta.changedTopics],
            removed: [...delta.removedTopics.keys()],
            brokers: [...delta.changedBrokers],
            endOffset: image.endOffset,
          }),
      },
    ],
    onTransition: transition => transitions.push(transition),
  })
}

test('publishers see committed entries as one delta, in order', () => {
  const seen: Seen[] = []
  const transitions: Transition[] = []
  const loader = loaderWith(seen, transitions)
  loader.committed(
    [
      { offset: 1, payload: encodeRecords(threeBrokers) },
      { offset: 3, payload: encodeRecords(ordersOnThreeBrokers.slice(threeBrokers.length)) },
    ],
    5,
  )
  loader.committed([], 7)
  expect(seen).toEqual([
    { changed: [orders], removed: [], brokers: [1, 2, 3], endOffset: 5 },
    { changed: [], removed: [], brokers: [], endOffset: 7 },
  ])
  expect(loader.image.endOffset).toBe(7)
  expect(transitions.length).toBeGreaterThan(10)
})

test('entries that go back or repeat stop the node', () => {
  const loader = loaderWith([])
  const entry = (offset: number) => ({ offset, payload: encodeRecords([{ kind: 'noOp' }]) })
  loader.committed([entry(4)], 5)
  expect(() => loader.committed([entry(4)], 6)).toThrow(AssertionError)
  expect(() => loader.committed([], 3)).toThrow(AssertionError)
  expect(() => loader.committed([entry(9)], 8)).toThrow(AssertionError)
})

test('a snapshot is published like a log: what is missing was removed', () => {
  const seen: Seen[] = []
  const loader = loaderWith(seen)
  loader.committed([{ offset: 1, payload: encodeRecords(ordersOnThreeBrokers) }], 2)
  loader.snapshotLoaded(encodeSnapshot(imageOf(richCluster, 30)), 30)
  expect(seen[1]).toEqual({ changed: [payments], removed: [orders], brokers: [], endOffset: 30 })
  expect(loader.image.topicsByName.has('orders')).toBe(false)
})

test('the delta between two images gives the same to-do list as the records between them', () => {
  const before = imageOf(ordersOnThreeBrokers)
  const records: readonly MetadataRecord[] = [
    { kind: 'brokerChange', brokerId: 2, brokerEpoch: 2, fenced: null, inControlledShutdown: true },
    { kind: 'partitionChange', topicId: orders, partition: 0, isr: [1, 3] },
    { kind: 'partitionChange', topicId: orders, partition: 1, isr: [3, 1], leader: 3 },
    { kind: 'topic', topicId: payments, name: 'payments' },
    partition(payments, 0, { isr: [1, 3] }),
    { kind: 'config', resourceType: 'broker', resourceName: '1', key: 'a', value: '2' },
  ]
  const delta = new Delta(before)
  for (const record of records) delta.replay(record)
  const after = delta.apply(15)
  // Through bytes, so that nothing is shared.
  const between = deltaBetween(before, decodeSnapshot(encodeSnapshot(after), 15))
  for (const brokerId of [1, 2, 3]) {
    expect(sorted(between.localChanges(brokerId))).toEqual(sorted(delta.localChanges(brokerId)))
  }
  expect(between.changedBrokers).toEqual(delta.changedBrokers)
  expect(between.changedConfigs).toEqual(delta.changedConfigs)
  expect(between.apply(15).endOffset).toBe(15)
  expect(() => between.replay({ kind: 'noOp' })).toThrow(AssertionError)
})

/** A to-do list has no order between partitions. */
function sorted({ leaders, followers }: LocalChanges): readonly LocalPartition[] {
  const name = (local: LocalPartition): string => `${local.topicName}-${local.image.partition}`
  return [...leaders, ...followers].toSorted((a, b) => (name(a) < name(b) ? -1 : 1))
}
