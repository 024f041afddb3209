import {
  Delta,
  deletionPath,
  emptyImage,
  type Image,
  isLegalPartitionTransition,
  isLegalReplicaTransition,
  type MetadataRecord,
  partitionPath,
  partitionStateOf,
  partitionTransitions,
  replicaPath,
  replicaStateOf,
  replicaTransitions,
  type Transition,
} from '@trimaran/metadata'
import { expect, test } from 'vitest'
import { orders, ordersOnThreeBrokers, partition, threeBrokers } from './cluster-records.ts'

/** Rows: from; columns: to; in the order of kafka.controller.ReplicaState's numbers. */
const replicaStates = [
  'new',
  'online',
  'offline',
  'deletionStarted',
  'deletionSuccessful',
  'deletionIneligible',
  'nonExistent',
] as const
const legalReplicaHops = `
  . x x . . . .
  . x x . . . .
  . x x x . x .
  . . . . x x .
  . . . . . . x
  . x x . . . .
  x . . . . . .`

const partitionStatesInOrder = ['nonExistent', 'new', 'online', 'offline'] as const
const legalPartitionHops = `
  . x . .
  . . x x
  . . x x
  x . x x`

const matrix = <State extends string>(
  states: readonly State[],
  isLegal: (from: State, to: State) => boolean,
): string =>
  states.map(from => `\n  ${states.map(to => (isLegal(from, to) ? 'x' : '.')).join(' ')}`).join('')

test('the 14 legal and 35 illegal transitions of replicas are those of Kafka', () => {
  expect(matrix(replicaStates, isLegalReplicaTransition)).toBe(legalReplicaHops)
  expect(() => Object.assign(replicaTransitions, { new: [] })).toThrow(TypeError)
})

test('the 8 legal and 8 illegal transitions of partitions are those of Kafka', () => {
  expect(matrix(partitionStatesInOrder, isLegalPartitionTransition)).toBe(legalPartitionHops)
  expect(() => Object.assign(partitionTransitions, { new: [] })).toThrow(TypeError)
})

test('a path takes every hop, each of them legal, and is refused where there is none', () => {
  expect(replicaPath('nonExistent', 'online')).toEqual(['new', 'online'])
  expect(replicaPath('online', 'nonExistent')).toEqual([
    'offline',
    'deletionStarted',
    'deletionSuccessful',
    'nonExistent',
  ])
  expect(partitionPath('online', 'nonExistent')).toEqual(['offline', 'nonExistent'])
  expect(partitionPath('nonExistent', 'offline')).toEqual(['new', 'offline'])
  expect(deletionPath('deletionIneligible', 'deletionStarted')).toEqual([
    'offline',
    'deletionStarted',
  ])
  expect(() => replicaPath('online', 'new')).toThrow('illegal transition')
  expect(() => partitionPath('online', 'new')).toThrow('illegal transition')
  expect(() => deletionPath('deletionStarted', 'nonExistent')).toThrow('illegal transition')
})

function told(base: Image, records: readonly MetadataRecord[]): string[] {
  const lines: string[] = []
  const tell = (hop: Transition): void => {
    switch (hop.kind) {
      case 'partition':
        lines.push(`${hop.topicName}-${hop.partition} ${hop.from}>${hop.to}`)
        return
      case 'replica':
        lines.push(`${hop.topicName}-${hop.partition}@${hop.brokerId} ${hop.from}>${hop.to}`)
        return
      case 'replicasOfBroker':
        lines.push(`*@${hop.brokerId} ${hop.from}>${hop.to}`)
    }
  }
  const delta = new Delta(base, tell)
  for (const record of records) delta.replay(record)
  return lines
}

function imageOf(records: readonly MetadataRecord[]): Image {
  const delta = new Delta(emptyImage)
  for (const record of records) delta.replay(record)
  return delta.apply(10)
}

const cluster = imageOf(ordersOnThreeBrokers)

test('a created partition passes through New, replicas on dead brokers end up Offline', () => {
  const base = imageOf(threeBrokers.slice(0, 4))
  expect(
    told(base, [
      { kind: 'topic', topicId: orders, name: 'orders' },
      partition(orders, 0, { isr: [1, 2] }),
    ]),
  ).toEqual([
    'orders-0 nonExistent>new',
    'orders-0 new>online',
    'orders-0@1 nonExistent>new',
    'orders-0@1 new>online',
    'orders-0@2 nonExistent>new',
    'orders-0@2 new>online',
    'orders-0@3 nonExistent>new',
    'orders-0@3 new>offline',
  ])
})

test('a partition may wait in New for its first leader', () => {
  const created = [
    { kind: 'topic', topicId: orders, name: 'orders' },
    partition(orders, 0, { isr: [], leader: -1, replicas: [1] }),
  ] as const
  const base = imageOf(threeBrokers)
  expect(told(base, created)).toEqual(['orders-0 nonExistent>new', 'orders-0@1 nonExistent>new'])
  const image = imageOf([...threeBrokers, ...created])
  expect(partitionStateOf(image.topicsById.get(orders)?.partitions[0])).toBe('new')
  expect(replicaStateOf(image, orders, 0, 1)).toBe('new')
  expect(
    told(image, [{ kind: 'partitionChange', topicId: orders, partition: 0, leader: 1, isr: [1] }]),
  ).toEqual(['orders-0 new>online', 'orders-0@1 new>online'])
})

test('a broker that goes takes its replicas offline; elections are told, with or without a new state', () => {
  expect(
    told(cluster, [
      {
        kind: 'brokerChange',
        brokerId: 1,
        brokerEpoch: 1,
        fenced: true,
        inControlledShutdown: null,
      },
      { kind: 'partitionChange', topicId: orders, partition: 0, isr: [2, 3], leader: 2 },
      { kind: 'partitionChange', topicId: orders, partition: 1, isr: [2, 3] },
      { kind: 'partitionChange', topicId: orders, partition: 1, leader: -1 },
      {
        kind: 'brokerChange',
        brokerId: 1,
        brokerEpoch: 1,
        fenced: false,
        inControlledShutdown: null,
      },
    ]),
  ).toEqual([
    '*@1 online>offline',
    'orders-0 online>online',
    'orders-1 online>offline',
    '*@1 offline>online',
  ])
})

test('a removed topic walks through Offline to its end, its replicas to Deletion Started', () => {
  const lines = told(cluster, [
    { kind: 'removeTopic', topicId: orders },
    {
      kind: 'replicaDeletion',
      topicId: orders,
      topicName: 'orders',
      brokerId: 1,
      partitions: [0, 1],
      state: 'started',
    },
  ])
  expect(lines.filter(line => line.startsWith('orders-0 '))).toEqual([
    'orders-0 online>offline',
    'orders-0 offline>nonExistent',
  ])
  expect(lines.filter(line => line.startsWith('orders-0@1 '))).toEqual([
    'orders-0@1 online>offline',
    'orders-0@1 offline>deletionStarted',
  ])
})

test('the state of a replica is read from the picture', () => {
  expect(replicaStateOf(cluster, orders, 0, 1)).toBe('online')
  expect(replicaStateOf(cluster, orders, 0, 9)).toBe('nonExistent')
  expect(replicaStateOf(cluster, orders, 9, 1)).toBe('nonExistent')
})
