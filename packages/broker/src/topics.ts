import type { BrokerId, TopicId } from '@trimaran/common'
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

export interface BrokerNode {
  readonly nodeId: BrokerId
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

/** How a client that came in on that listener reaches a broker. */
export function nodeOf(
  broker: BrokerImage | undefined,
  listenerName: string,
): BrokerNode | undefined {
  const endpoint = endpointOf(broker, listenerName)
  if (broker === undefined || endpoint === undefined) return undefined
  return { nodeId: broker.id, host: endpoint.host, port: endpoint.port, rack: broker.rack }
}

/** Live brokers that have the client's listener, and the one that takes admin requests: this one, if it is live. */
export function clusterView(context: {
  readonly nodeId: BrokerId
  image(): Image
  readonly connection: { readonly listenerName: string }
}): { readonly brokers: BrokerNode[]; readonly controllerId: BrokerId } {
  const brokers: BrokerNode[] = []
  for (const broker of context.image().brokers.values()) {
    const node = broker.fenced ? undefined : nodeOf(broker, context.connection.listenerName)
    if (node !== undefined) brokers.push(node)
  }
  brokers.sort((a, b) => a.nodeId - b.nodeId)
  const me = brokers.find(broker => broker.nodeId === context.nodeId)
  return { brokers, controllerId: (me ?? brokers[0])?.nodeId ?? -1 }
}

/** Where clients should go instead, told with the error that sends them away (KIP-951). */
export class LeaderHints {
  readonly #image: Image
  readonly #listenerName: string
  readonly #nodes = new Map<BrokerId, BrokerNode>()

  constructor(image: Image, listenerName: string) {
    this.#image = image
    this.#listenerName = listenerName
  }

  /** Keeps the leader's endpoint for `nodes`. */
  add(leader: { readonly leaderId: BrokerId; readonly leaderEpoch: number }): void {
    if (this.#nodes.has(leader.leaderId)) return
    const node = nodeOf(this.#image.brokers.get(leader.leaderId), this.#listenerName)
    if (node !== undefined) this.#nodes.set(leader.leaderId, node)
  }

  /** As the metadata say; undefined when nobody leads. */
  leaderOf(
    topicId: TopicId,
    partition: number,
  ): { leaderId: BrokerId; leaderEpoch: number } | undefined {
    const image = partitionOf(this.#image.topicsById.get(topicId), partition)
    if (image === undefined || image.leader < 0) return undefined
    return { leaderId: image.leader, leaderEpoch: image.leaderEpoch }
  }

  get nodes(): BrokerNode[] {
    return [...this.#nodes.values()]
  }
}

/** The partition of a topic, or the error a client gets for naming one that is not there. */
export const partitionOf = (
  topic: TopicImage | undefined,
  partition: number,
): PartitionImage | undefined => topic?.partitions[partition]
