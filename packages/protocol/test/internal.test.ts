import { describe, expect, test } from 'vitest'
import {
  ProtocolError,
  decodeConsumerAssignment,
  decodeConsumerOffsetsKey,
  decodeConsumerSubscription,
  decodeGroupMetadataValue,
  decodeOffsetCommitValue,
  encodeConsumerAssignment,
  encodeConsumerSubscription,
  encodeGroupMetadataKey,
  encodeGroupMetadataValue,
  encodeOffsetCommitKey,
  encodeOffsetCommitValue,
  encodeVersioned,
} from '../src/index.ts'
import { groupMetadataValue, offsetCommitValue } from '../src/internal/consumer-offsets.ts'

const hex = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text.replace(/[^0-9a-f]/g, ''), 'hex'))
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('__consumer_offsets', () => {
  test('an offset commit key is version 1', () => {
    const key = encodeOffsetCommitKey('g', 'to', 3)
    expect(toHex(key)).toBe('0001' + '000167' + '0002746f' + '00000003')
    expect(decodeConsumerOffsetsKey(key)).toEqual({
      kind: 'offsetCommit',
      group: 'g',
      topic: 'to',
      partition: 3,
    })
    expect(decodeConsumerOffsetsKey(hex('0000 000167 0002746f 00000003'))).toMatchObject({
      kind: 'offsetCommit',
    })
  })

  test('a group key is version 2; keys of other kinds are left alone', () => {
    expect(toHex(encodeGroupMetadataKey('g'))).toBe('0002000167')
    expect(decodeConsumerOffsetsKey(hex('0002 0001 67'))).toEqual({
      kind: 'groupMetadata',
      group: 'g',
    })
    expect(decodeConsumerOffsetsKey(hex('0003 0001 67'))).toEqual({ kind: 'other', version: 3 })
    expect(() => decodeConsumerOffsetsKey(hex('0002 0005 67'))).toThrow(ProtocolError)
  })

  test('an offset value is version 3', () => {
    const value = encodeOffsetCommitValue({
      offset: 42,
      leaderEpoch: 7,
      metadata: 'm',
      commitTimestamp: 1000,
    })
    expect(toHex(value)).toBe(
      '0003' + '000000000000002a' + '00000007' + '00016d' + '00000000000003e8',
    )
    expect(decodeOffsetCommitValue(value)).toEqual({
      offset: 42,
      leaderEpoch: 7,
      metadata: 'm',
      commitTimestamp: 1000,
      expireTimestamp: -1,
      topicId: 'AAAAAAAAAAAAAAAAAAAAAA',
    })
  })

  test.each([0, 1, 2, 3, 4])('offset and group values of version %d are read', version => {
    const offset = { offset: 42, metadata: 'm', commitTimestamp: 1000 }
    expect(
      decodeOffsetCommitValue(encodeVersioned(offsetCommitValue, version, offset)),
    ).toMatchObject(offset)
    const group = {
      protocolType: 'consumer',
      generation: 3,
      protocol: null,
      leader: null,
      members: [],
    }
    expect(
      decodeGroupMetadataValue(encodeVersioned(groupMetadataValue, version, group)),
    ).toMatchObject(group)
  })

  test('a version that is not known is a ProtocolError', () => {
    expect(() => decodeOffsetCommitValue(hex('0005 00'))).toThrow(
      'no version 5 of OffsetCommitValue',
    )
    expect(() => decodeGroupMetadataValue(hex('ffff 00'))).toThrow(ProtocolError)
  })

  test('a group value is version 3 and keeps its members', () => {
    const member = {
      memberId: 'm-1',
      groupInstanceId: null,
      clientId: 'c',
      clientHost: '/10.0.0.1',
      rebalanceTimeout: 60_000,
      sessionTimeout: 10_000,
      subscription: Uint8Array.of(1),
      assignment: Uint8Array.of(2, 3),
    }
    const value = {
      protocolType: 'consumer',
      generation: 3,
      protocol: 'range',
      leader: 'm-1',
      currentStateTimestamp: 99,
      members: [member],
    }
    const bytes = encodeGroupMetadataValue(value)
    expect(toHex(bytes.subarray(0, 2))).toBe('0003')
    expect(decodeGroupMetadataValue(bytes)).toEqual(value)
  })
})

describe('consumer protocol', () => {
  const subscription = {
    topics: ['a', 'b'],
    userData: null,
    ownedPartitions: [{ topic: 'a', partitions: [0, 1] }],
    generationId: 4,
    rackId: 'r',
  }

  test('subscription and assignment', () => {
    expect(decodeConsumerSubscription(encodeConsumerSubscription(subscription))).toEqual(
      subscription,
    )
    const assignment = {
      assignedPartitions: [{ topic: 'a', partitions: [2] }],
      userData: Uint8Array.of(9),
    }
    expect(decodeConsumerAssignment(encodeConsumerAssignment(assignment))).toEqual(assignment)
  })

  test('older versions lack fields', () => {
    expect(decodeConsumerSubscription(encodeConsumerSubscription(subscription, 0))).toEqual({
      ...subscription,
      ownedPartitions: [],
      generationId: -1,
      rackId: null,
    })
  })

  test('a later version is read as the last one that is known', () => {
    const later = Buffer.concat([encodeConsumerSubscription(subscription), Buffer.of(1, 2, 3)])
    later.writeInt16BE(9, 0)
    expect(decodeConsumerSubscription(later)).toEqual(subscription)
  })

  test('anything else is a ProtocolError', () => {
    expect(() => decodeConsumerSubscription(new Uint8Array(0))).toThrow(ProtocolError)
    expect(() => decodeConsumerAssignment(hex('ffff 00000000'))).toThrow(ProtocolError)
    expect(() => decodeConsumerSubscription(hex('0000 7fffffff'))).toThrow(ProtocolError)
  })
})
