import { decodeBatch } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { decodeGroupRecord, encodeGroupRecord, encodeGroupRecords } from '../src/group/records.ts'
import type { GroupRecord } from '../src/group/records.ts'
import { javaHashCode, partitionFor } from '../src/partition-for.ts'
import { text } from './requests.ts'

const hex = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('')

const offset: GroupRecord = {
  kind: 'offset',
  groupId: 'g1',
  topic: 'orders',
  partition: 7,
  value: {
    offset: 258,
    leaderEpoch: 5,
    metadata: 'hi',
    commitTimestampMs: 1_700_000_000_000,
    expireTimestampMs: -1,
  },
}

test('a committed offset is key v1 and value v3, byte for byte', () => {
  const { key, value } = encodeGroupRecord(offset)
  expect(hex(key)).toBe('0001' + '00026731' + '00066f7264657273' + '00000007')
  expect(hex(value)).toBe(
    '0003' + '0000000000000102' + '00000005' + '00026869' + '0000018bcfe56800',
  )
})

test('an offset with an expiry of its own is value v1, byte for byte', () => {
  const expiring = {
    ...offset,
    value: {
      offset: 258,
      leaderEpoch: -1,
      metadata: 'hi',
      commitTimestampMs: 1,
      expireTimestampMs: 2,
    },
  }
  const { value } = encodeGroupRecord(expiring)
  expect(hex(value)).toBe(
    '0001' + '0000000000000102' + '00026869' + '0000000000000001' + '0000000000000002',
  )
})

const group: GroupRecord = {
  kind: 'group',
  groupId: 'g1',
  value: {
    protocolType: 'consumer',
    generation: 3,
    protocolName: 'range',
    leader: 'm',
    currentStateTimestampMs: 1_700_000_000_000,
    members: [
      {
        memberId: 'm',
        groupInstanceId: 'i',
        clientId: 'c',
        clientHost: '/h',
        rebalanceTimeoutMs: 300_000,
        sessionTimeoutMs: 45_000,
        subscription: text('s'),
        assignment: text('a'),
      },
    ],
  },
}

test('a group is key v2 and value v3, byte for byte', () => {
  const { key, value } = encodeGroupRecord(group)
  expect(hex(key)).toBe('0002' + '00026731')
  expect(hex(value)).toBe(
    '0003' +
      '0008636f6e73756d6572' + // protocol type
      '00000003' + // generation
      '000572616e6765' + // protocol
      '00016d' + // leader
      '0000018bcfe56800' + // current state timestamp
      '00000001' +
      '00016d' + // member id
      '000169' + // group instance id
      '000163' + // client id
      '00022f68' + // client host
      '000493e0' + // rebalance timeout
      '0000afc8' + // session timeout
      '0000000173' + // subscription
      '0000000161', // assignment
  )
})

test('an empty group has neither protocol nor leader; a tombstone has no value', () => {
  const empty: GroupRecord = {
    kind: 'group',
    groupId: 'g1',
    value: {
      protocolType: '',
      generation: 4,
      protocolName: null,
      leader: null,
      currentStateTimestampMs: 1,
      members: [],
    },
  }
  expect(hex(encodeGroupRecord(empty).value)).toBe(
    '0003' + '0000' + '00000004' + 'ffff' + 'ffff' + '0000000000000001' + '00000000',
  )
  expect(encodeGroupRecord({ ...group, value: null }).value).toBe(null)
  expect(encodeGroupRecord({ ...offset, value: null }).value).toBe(null)
})

test('what was encoded decodes to the same, alone and in a batch', () => {
  const expiring = {
    ...offset,
    value: { offset: 1, leaderEpoch: -1, metadata: '', commitTimestampMs: 1, expireTimestampMs: 2 },
  }
  const records: GroupRecord[] = [
    offset,
    expiring,
    group,
    { ...offset, value: null },
    { ...group, value: null },
  ]
  const { records: decoded } = decodeBatch(encodeGroupRecords(records, 5), 0)
  expect(decoded.map(({ key, value }) => decodeGroupRecord(key ?? text(''), value))).toEqual(
    records,
  )
})

test('the partition of a group is that of Kafka', () => {
  expect(javaHashCode('')).toBe(0)
  expect(javaHashCode('my-group')).toBe(-1_906_497_762)
  expect(javaHashCode('console-consumer-12345')).toBe(158_455_506)
  expect(javaHashCode('größe 🐙')).toBe(175_603_691)
  expect(partitionFor('my-group', 50)).toBe(1_906_497_762 % 50)
  // Hashes to −2^31, which has no absolute value.
  expect(javaHashCode('polygenelubricants')).toBe(-(2 ** 31))
  expect(partitionFor('polygenelubricants', 50)).toBe(0)
})
