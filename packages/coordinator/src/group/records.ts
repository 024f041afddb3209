import type { Offset } from '@trimaran/common'
import {
  ProtocolError,
  codecOf,
  decodeConsumerOffsetsKey,
  decodeGroupMetadataValue,
  decodeOffsetCommitValue,
  encodeBatch,
  encodeGroupMetadataKey,
  encodeGroupMetadataValue,
  encodeOffsetCommitKey,
  encodeOffsetCommitValue,
  offsetCommitValue,
  Writer,
} from '@trimaran/protocol'
import type { CommittedOffset } from './stored-groups.ts'

/** What `__consumer_offsets` says, one record at a time. A null value ends what was there. */
export type GroupRecord =
  | {
      readonly kind: 'offset'
      readonly groupId: string
      readonly topic: string
      readonly partition: number
      readonly value: CommittedOffset | null
    }
  | { readonly kind: 'group'; readonly groupId: string; readonly value: GroupMetadata | null }

export interface GroupMetadata {
  readonly protocolType: string
  readonly generation: number
  /** Null: the group is empty. */
  readonly protocolName: string | null
  readonly leader: string | null
  readonly currentStateTimestampMs: number
  /** Without any assignment: the generation has begun and nobody owns anything in it yet. */
  readonly members: readonly MemberRecord[]
}
export interface MemberRecord {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  /** −1, from old records: the session timeout. */
  readonly rebalanceTimeoutMs: number
  readonly sessionTimeoutMs: number
  /** Metadata of the selected protocol. */
  readonly subscription: Uint8Array
  readonly assignment: Uint8Array
}

/** One batch, uncompressed: the records are small, and many of them are awaited. */
export function encodeGroupRecords(
  records: readonly GroupRecord[],
  timestampMs: number,
): Uint8Array {
  return encodeBatch({
    records: records.map(record => ({ ...encodeGroupRecord(record), timestampMs })),
  })
}

export function encodeGroupRecord(record: GroupRecord): {
  key: Uint8Array
  value: Uint8Array | null
} {
  switch (record.kind) {
    case 'offset':
      return {
        key: encodeOffsetCommitKey(record.groupId, record.topic, record.partition),
        value: record.value === null ? null : encodeOffset(record.value),
      }
    case 'group':
      return {
        key: encodeGroupMetadataKey(record.groupId),
        value: record.value === null ? null : encodeGroup(record.value),
      }
    default:
      return record satisfies never
  }
}

function encodeOffset(value: CommittedOffset): Uint8Array {
  const { offset, leaderEpoch, metadata, commitTimestampMs, expireTimestampMs } = value
  const common = { offset, metadata, commitTimestamp: commitTimestampMs }
  if (expireTimestampMs < 0) return encodeOffsetCommitValue({ ...common, leaderEpoch })
  // Only version 1 has an expiry of its own, and only clients that know no leader epoch ask for one.
  const writer = new Writer()
  writer.int16(1)
  codecOf(offsetCommitValue, 1).encode(writer, { ...common, expireTimestamp: expireTimestampMs })
  return writer.finishOne()
}

function encodeGroup(value: GroupMetadata): Uint8Array {
  return encodeGroupMetadataValue({
    protocolType: value.protocolType,
    generation: value.generation,
    protocol: value.protocolName,
    leader: value.leader,
    currentStateTimestamp: value.currentStateTimestampMs,
    members: value.members.map(member => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeout: member.rebalanceTimeoutMs,
      sessionTimeout: member.sessionTimeoutMs,
      subscription: member.subscription,
      assignment: member.assignment,
    })),
  })
}

/** Null: a record of another kind of group, which this coordinator leaves alone. Throws ProtocolError. */
export function decodeGroupRecord(key: Uint8Array, value: Uint8Array | null): GroupRecord | null {
  const decoded = decodeConsumerOffsetsKey(key)
  switch (decoded.kind) {
    case 'offsetCommit': {
      const { group: groupId, topic, partition } = decoded
      return {
        kind: 'offset',
        groupId,
        topic,
        partition,
        value: value === null ? null : decodeOffset(value),
      }
    }
    case 'groupMetadata':
      return {
        kind: 'group',
        groupId: decoded.group,
        value: value === null ? null : decodeGroup(value),
      }
    case 'other':
      return null
    default:
      return decoded satisfies never
  }
}

function decodeOffset(bytes: Uint8Array): CommittedOffset {
  const value = decodeOffsetCommitValue(bytes)
  return {
    offset: value.offset as Offset,
    leaderEpoch: value.leaderEpoch,
    metadata: value.metadata,
    commitTimestampMs: value.commitTimestamp,
    expireTimestampMs: value.expireTimestamp,
  }
}

function decodeGroup(bytes: Uint8Array): GroupMetadata {
  const value = decodeGroupMetadataValue(bytes)
  const instanceIds = value.members.flatMap(member => member.groupInstanceId ?? [])
  if (hasRepeats(value.members.map(member => member.memberId)) || hasRepeats(instanceIds)) {
    throw new ProtocolError('a group has a member twice')
  }
  return {
    protocolType: value.protocolType,
    generation: value.generation,
    protocolName: value.protocol,
    leader: value.leader,
    currentStateTimestampMs: value.currentStateTimestamp,
    members: value.members.map(member => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeoutMs: member.rebalanceTimeout,
      sessionTimeoutMs: member.sessionTimeout,
      // Copies: a view would keep the whole buffer that was read.
      subscription: member.subscription.slice(),
      assignment: member.assignment.slice(),
    })),
  }
}

const hasRepeats = (names: readonly string[]): boolean => new Set(names).size !== names.length
