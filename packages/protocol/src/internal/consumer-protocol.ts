/**
 * What members of a "consumer" group put into JoinGroup and SyncGroup. The broker passes it on unread, but for
 * OffsetDelete and DescribeGroups; a version above the last one is read as the last one, since later versions only
 * append fields.
 */
import { codecOf } from '../compile.ts'
import { ProtocolError } from '../errors.ts'
import { Reader } from '../reader.ts'
import {
  type Decoded,
  type Encodable,
  type Message,
  type Struct,
  array,
  bytes,
  int32,
  message,
  nullable,
  since,
  string,
  struct,
} from '../schema.ts'
import { encodeVersioned } from './versioned.ts'

const LAST_VERSION = 3

/** v1 owned partitions (KIP-429) · v2 generation (KIP-792) · v3 rack (KIP-881) */
export const consumerProtocolSubscription = message({
  name: 'ConsumerProtocolSubscription',
  versions: '0-3',
  flexible: 'none',
  fields: {
    topics: array(string),
    userData: nullable(bytes),
    ownedPartitions: since('1+', array(struct({ topic: string, partitions: array(int32) }))),
    generationId: since('2+', int32, -1),
    rackId: since('3+', nullable(string)),
  },
})

export const consumerProtocolAssignment = message({
  name: 'ConsumerProtocolAssignment',
  versions: '0-3',
  flexible: 'none',
  fields: {
    assignedPartitions: array(struct({ topic: string, partitions: array(int32) })),
    userData: nullable(bytes),
  },
})

export type ConsumerSubscription = Decoded<(typeof consumerProtocolSubscription)['fields']>
export type ConsumerAssignment = Decoded<(typeof consumerProtocolAssignment)['fields']>

/** @throws ProtocolError if it is not a subscription */
export const decodeConsumerSubscription = (encoded: Uint8Array): ConsumerSubscription =>
  decodeForward(consumerProtocolSubscription, encoded)

/** @throws ProtocolError if it is not an assignment */
export const decodeConsumerAssignment = (encoded: Uint8Array): ConsumerAssignment =>
  decodeForward(consumerProtocolAssignment, encoded)

export const encodeConsumerSubscription = (
  value: Encodable<(typeof consumerProtocolSubscription)['fields']>,
  version: number = LAST_VERSION,
): Uint8Array => encodeVersioned(consumerProtocolSubscription, version, value)

export const encodeConsumerAssignment = (
  value: Encodable<(typeof consumerProtocolAssignment)['fields']>,
  version: number = LAST_VERSION,
): Uint8Array => encodeVersioned(consumerProtocolAssignment, version, value)

function decodeForward<S extends Struct>(definition: Message<S>, encoded: Uint8Array): Decoded<S> {
  const reader = new Reader(encoded)
  const version = reader.int16()
  if (version < 0) throw new ProtocolError(`there is no version ${version} of ${definition.name}`)
  return codecOf(definition, Math.min(version, LAST_VERSION)).decode(reader)
}
