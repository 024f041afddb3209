/**
 * Keys and values of `__consumer_offsets`, a public format: Apache's tools read it. Each begins with its version (int16);
 * a key's version tells its kind: 0 and 1 a committed offset, 2 a group. A null value deletes. Keys of other kinds
 * (new groups, share groups, streams groups) are not ours and are left alone.
 *
 * Values are written in version 3: version 4 is flexible, and formatters before Kafka 4 cannot read it.
 */
import { codecOf } from '../compile.ts'
import { Reader } from '../reader.ts'
import {
  type Decoded,
  type Encodable,
  array,
  bytes,
  inVersions,
  int32,
  int64,
  message,
  nullable,
  since,
  string,
  struct,
  tagged,
  uuid,
} from '../schema.ts'
import { decodeVersioned, encodeVersioned } from './versioned.ts'

const OFFSET_COMMIT_KEY_VERSION = 1
const GROUP_METADATA_KEY_VERSION = 2
const OFFSET_COMMIT_VALUE_VERSION = 3
const GROUP_METADATA_VALUE_VERSION = 3

export const offsetCommitKey = message({
  name: 'OffsetCommitKey',
  versions: '0-1',
  flexible: 'none',
  fields: { group: string, topic: string, partition: int32 },
})

export const groupMetadataKey = message({
  name: 'GroupMetadataKey',
  versions: '2',
  flexible: 'none',
  fields: { group: string },
})

/** v1 had its own expiry · v2 leaves that to the broker · v3 leader epoch (KIP-320) · v4 flexible, topic id */
export const offsetCommitValue = message({
  name: 'OffsetCommitValue',
  versions: '0-4',
  flexible: '4+',
  fields: {
    /** Next offset the group will read. */
    offset: int64,
    /** Epoch of the record before it; -1 unknown. */
    leaderEpoch: since('3+', int32, -1),
    metadata: string,
    commitTimestamp: int64,
    /** -1: the broker's offsets.retention.minutes decides. */
    expireTimestamp: since('1', int64, -1),
    topicId: tagged(0, '4+', uuid),
  },
})

/** v1 rebalance timeout · v2 time of the last change · v3 static members (KIP-345) · v4 flexible */
export const groupMetadataValue = message({
  name: 'GroupMetadataValue',
  versions: '0-4',
  flexible: '4+',
  fields: {
    protocolType: string,
    generation: int32,
    /** Null while the group is empty, as is the leader. */
    protocol: nullable(string),
    leader: nullable(string),
    currentStateTimestamp: since('2+', int64, -1),
    members: array(
      struct({
        memberId: string,
        groupInstanceId: since('3+', nullable(string)),
        clientId: string,
        clientHost: string,
        /** Milliseconds; -1, from version 0, means the session timeout. */
        rebalanceTimeout: since('1+', int32, -1),
        /** Milliseconds. */
        sessionTimeout: int32,
        subscription: bytes,
        assignment: bytes,
      }),
    ),
  },
})

export type OffsetCommitValue = Decoded<(typeof offsetCommitValue)['fields']>
export type GroupMetadataValue = Decoded<(typeof groupMetadataValue)['fields']>

export type ConsumerOffsetsKey =
  | {
      readonly kind: 'offsetCommit'
      readonly group: string
      readonly topic: string
      readonly partition: number
    }
  | { readonly kind: 'groupMetadata'; readonly group: string }
  | { readonly kind: 'other'; readonly version: number }

/** @throws ProtocolError if it is cut off */
export function decodeConsumerOffsetsKey(key: Uint8Array): ConsumerOffsetsKey {
  const reader = new Reader(key)
  const version = reader.int16()
  if (inVersions(offsetCommitKey.versions, version)) {
    return { kind: 'offsetCommit', ...codecOf(offsetCommitKey, version).decode(reader) }
  }
  if (inVersions(groupMetadataKey.versions, version)) {
    return { kind: 'groupMetadata', ...codecOf(groupMetadataKey, version).decode(reader) }
  }
  return { kind: 'other', version }
}

export const encodeOffsetCommitKey = (
  group: string,
  topic: string,
  partition: number,
): Uint8Array =>
  encodeVersioned(offsetCommitKey, OFFSET_COMMIT_KEY_VERSION, { group, topic, partition })

export const encodeGroupMetadataKey = (group: string): Uint8Array =>
  encodeVersioned(groupMetadataKey, GROUP_METADATA_KEY_VERSION, { group })

export const encodeOffsetCommitValue = (
  value: Encodable<(typeof offsetCommitValue)['fields']>,
): Uint8Array => encodeVersioned(offsetCommitValue, OFFSET_COMMIT_VALUE_VERSION, value)

export const encodeGroupMetadataValue = (
  value: Encodable<(typeof groupMetadataValue)['fields']>,
): Uint8Array => encodeVersioned(groupMetadataValue, GROUP_METADATA_VALUE_VERSION, value)

/** @throws ProtocolError if it is cut off or of an unknown version */
export const decodeOffsetCommitValue = (value: Uint8Array): OffsetCommitValue =>
  decodeVersioned(offsetCommitValue, value)

/** Byte fields are views on `value`. @throws ProtocolError if it is cut off or of an unknown version */
export const decodeGroupMetadataValue = (value: Uint8Array): GroupMetadataValue =>
  decodeVersioned(groupMetadataValue, value)
