import { ClusterError, Prng } from '@trimaran/common'
import { decodeRecords, encodeRecords, type MetadataRecord } from '@trimaran/metadata'
import { expect, test } from 'vitest'
import { orders, partition, registration, unfenced } from './cluster-records.ts'

const change = { kind: 'partitionChange', topicId: orders, partition: 3 } as const

const everyRecord: readonly MetadataRecord[] = [
  registration(1, 2 ** 45),
  registration(2, 0, {
    rack: 'rack-1',
    endpoints: [
      { listener: 'A', host: '::1', port: 65535, securityProtocol: 'SASL_SSL' },
      { listener: 'B', host: 'ü', port: 1, securityProtocol: 'SSL' },
    ],
    logDirs: [],
  }),
  { kind: 'unregisterBroker', brokerId: 7, brokerEpoch: 12 },
  unfenced(1, 2),
  { kind: 'brokerChange', brokerId: 1, brokerEpoch: 2, fenced: null, inControlledShutdown: true },
  { kind: 'topic', topicId: orders, name: 'orders' },
  { kind: 'removeTopic', topicId: orders },
  partition(orders, 0),
  partition(orders, 1, {
    leader: -1,
    recovering: true,
    isr: [3],
    addingReplicas: [4],
    removingReplicas: [1],
    elr: [1],
    lastKnownElr: [2],
  }),
  change,
  { ...change, leader: -1 },
  { ...change, leader: 0, isr: [0] },
  {
    ...change,
    replicas: [1, 2],
    addingReplicas: [],
    removingReplicas: [2],
    recovering: false,
    elr: [],
    lastKnownElr: [1],
  },
  {
    kind: 'config',
    resourceType: 'topic',
    resourceName: 'orders',
    key: 'retention.ms',
    value: '1',
  },
  { kind: 'config', resourceType: 'broker', resourceName: '', key: 'a', value: null },
  { kind: 'producerIds', brokerId: 3, nextProducerId: 2 ** 50 },
  {
    kind: 'replicaDeletion',
    topicId: orders,
    topicName: 'orders',
    brokerId: 1,
    partitions: [0, 5],
    state: 'nonExistent',
  },
  { kind: 'noOp' },
]

test.each(everyRecord.map(record => [JSON.stringify(record).slice(0, 90), record] as const))(
  '%s survives encoding',
  (_name, record) => {
    expect(decodeRecords(encodeRecords([record]))).toEqual([record])
  },
)

test('an entry holds many records, or none', () => {
  expect(decodeRecords(encodeRecords(everyRecord))).toEqual(everyRecord)
  expect(decodeRecords(encodeRecords([]))).toEqual([])
})

test('the bytes of an entry do not change between releases', () => {
  const entry = encodeRecords([
    { ...change, leader: 2, isr: [2, 3] },
    { kind: 'config', resourceType: 'topic', resourceName: 'orders', key: 'k', value: null },
  ])
  expect(Buffer.from(entry).toString('hex')).toBe(golden)
})

const golden =
  '0002' + // version 0, two records
  '0500' + // PartitionChange version 0
  '4d34d34d34d34d34d34d34d34d34d3d400000003' +
  '02' +
  '000400000002' +
  '010903' +
  '0000000200000003' +
  '0400' + // Config version 0
  '02' +
  '076f7264657273' +
  '026b' +
  '00' +
  '00'

test('damaged entries are CORRUPT, whatever the damage', () => {
  const random = new Prng(1)
  const entry = encodeRecords(everyRecord)
  const codeOf = (bytes: Uint8Array): string => {
    try {
      decodeRecords(bytes)
      return 'NONE'
    } catch (error) {
      return error instanceof ClusterError ? error.code : String(error)
    }
  }
  for (let end = 0; end < entry.length; end++) {
    expect(() => decodeRecords(entry.subarray(0, end))).toThrow(ClusterError)
  }
  expect(() => decodeRecords(Buffer.concat([entry, Buffer.of(0)]))).toThrow(ClusterError)
  for (let round = 0; round < 2_000; round++) {
    const damaged = Buffer.from(entry)
    for (let bytes = random.between(1, 4); bytes > 0; bytes--) {
      damaged[random.between(0, damaged.length - 1)] = random.between(0, 255)
    }
    expect(['NONE', 'CORRUPT']).toContain(codeOf(damaged))
    expect(['NONE', 'CORRUPT']).toContain(codeOf(random.bytes(random.between(0, 60))))
  }
})

test.each([
  ['another version of the frame', '0101'],
  ['a record of the future', '00013f00'],
  ['a version of the future', '00011401'],
  ['more records than bytes', '00ff0f1400'],
])('%s is CORRUPT', (_name, hex) => {
  expect(() => decodeRecords(Buffer.from(hex, 'hex'))).toThrow(ClusterError)
})
