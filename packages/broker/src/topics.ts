import type { BrokerId } from '@trimaran/common'
import type { BrokerImage, Endpoint, Image, PartitionImage, TopicImage } from '@trimaran/metadata'

export const consumerOffsetsTopic = '__consumer_offsets'
export const transactionStateTopic = '__transaction_state'
/** The quorum's own log: no topic that a client could read or write, but a name that DescribeQuorum knows. */
export const clusterMetadataTopic = '__cluster_metadata'
/** Clients read them; only brokers write them. */
export const internalTopics: ReadonlySet<string> = new Set([
  consumerOffsetsTopic,
  transactionStateTopic,
])

const maxTopicNameLength = 249
const topicNamePattern = /^[a-zA-Z0-9._-]+$/

/** Null when the name may be a topic's. */
export function topicNameProblem(name: string): string | null {
  if (name === '') return 'the empty string is not allowed'
  if (name === '.' || name === '..') return "'.' or '..' is not allowed"
  if (name.length > maxTopicNameLength)
    return `the length of '${name.slice(0, 40)}…' is longer than the max allowed length ${maxTopicNameLength}`
  if (!topicNamePattern.test(name)) {
    return `'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
  }
  return null
}

/** Brokers that clients may be told of. */
export const isAlive = (image: Image, id: BrokerId): boolean =>
  image.brokers.get(id)?.fenced === false

/** The endpoint of the listener the client came in on: the one it can reach. */
export function endpointOf(
  broker: BrokerImage | undefined,
  listenerName: string,
): Endpoint | undefined {
  return broker?.endpoints.find(endpoint => endpoint.listener === listenerName)
}

/** Replicas whose broker is down or not reachable on that listener, in assignment order. */
export function offlineReplicas(
  image: Image,
  partition: PartitionImage,
  listenerName: string,
): BrokerId[] {
  return partition.replicas.filter(
    id => !isAlive(image, id) || endpointOf(image.brokers.get(id), listenerName) === undefined,
  )
}

/** A topic by the name of old requests or the id of new ones. */
export function findTopic(
  image: Image,
  by: { readonly name?: string; readonly topicId?: string },
): TopicImage | undefined {
  return by.name !== undefined && by.name !== ''
    ? image.topicsByName.get(by.name)
    : image.topicsById.get(by.topicId ?? '')
}
