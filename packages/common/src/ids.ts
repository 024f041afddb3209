/**
 * Names for the numbers of the trade. A plain number may be given where one is asked for; an epoch where an offset is
 * asked for does not compile.
 */
type Flavour<T, Name extends string> = T & { readonly __flavour?: Name }

/** A node of the cluster, whatever its roles; a broker's id is its node's id. */
export type NodeId = Flavour<number, 'NodeId'>
export type BrokerId = NodeId
/** Sixteen bytes as 22 characters of base64url, the way Kafka prints them. */
export type Uuid = Flavour<string, 'Uuid'>
export type TopicId = Flavour<string, 'Uuid'>
/** Position in a partition's log or in the metadata log. Ends are exclusive unless named `last…`. */
export type Offset = Flavour<number, 'Offset'>
/** Epoch of the metadata quorum: at most one leader each. */
export type QuorumEpoch = Flavour<number, 'QuorumEpoch'>
/** Epoch of a partition's leadership. */
export type LeaderEpoch = Flavour<number, 'LeaderEpoch'>
/** Version of a partition's state; grows with every change. */
export type PartitionEpoch = Flavour<number, 'PartitionEpoch'>
/** One incarnation of a broker: the metadata offset of its registration. */
export type BrokerEpoch = Flavour<number, 'BrokerEpoch'>
export type ProducerId = Flavour<number, 'ProducerId'>

export const noLeader = -1
export const noEpoch = -1
export const zeroUuid: Uuid = 'AAAAAAAAAAAAAAAAAAAAAA'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** Sixteen bytes as base64url text. */
export function uuidFromBytes(bytes: Uint8Array): Uuid {
  let text = ''
  for (let at = 0; at < 15; at += 3) {
    const group = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    text +=
      alphabet.charAt(group >>> 18) +
      alphabet.charAt((group >>> 12) & 63) +
      alphabet.charAt((group >>> 6) & 63) +
      alphabet.charAt(group & 63)
  }
  const last = bytes[15] ?? 0
  return text + alphabet.charAt(last >>> 2) + alphabet.charAt((last & 3) << 4)
}

export const uuidPattern: RegExp = /^[A-Za-z0-9_-]{21}[AQgw]$/

/** A topic's partition as a map key. */
export const partitionKey = (topicId: TopicId, partition: number): string =>
  `${topicId}/${partition}`
