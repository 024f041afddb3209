/** A client as light as it gets: raw connections, batches made beforehand, no queue and no linger. */
import { setTimeout as sleep } from 'node:timers/promises'
import { apis, encodeBatch, errorCodes, errorInfo } from '@trimaran/protocol'
import { KafkaConnection } from 'trimaran/client'

export interface Address {
  readonly host: string
  readonly port: number
}

/** Between two tries while a cluster comes up or a leader moves. Kafka's own clients wait 100 ms. */
export const retryPauseMs = 5
/** While nobody listens: each try takes a millisecond of the processor on which the nodes start. */
const connectPauseMs = 25
/** Kafka's zero uuid: the topic is named. */
export const noTopicId = 'AAAAAAAAAAAAAAAAAAAAAA'
/** A JVM cluster on a busy machine formats its storage and starts in half a minute. */
const patienceMs = 90_000

/** The leader of every partition, by its index. */
export interface TopicLayout {
  readonly name: string
  readonly topicId: string
  readonly leaders: readonly number[]
  readonly addresses: ReadonlyMap<number, Address>
}

/** Of `host:port,…`. */
export const addressesOf = (bootstrapServers: string): Address[] =>
  bootstrapServers.split(',').map(server => {
    const at = server.lastIndexOf(':')
    return { host: server.slice(0, at), port: Number(server.slice(at + 1)) }
  })

export async function connect(address: Address): Promise<KafkaConnection> {
  return KafkaConnection.connect({ ...address, clientId: 'trimaran-bench' })
}

/** The first of the addresses that takes a connection. */
export async function untilConnected(addresses: readonly Address[]): Promise<KafkaConnection> {
  return untilGiven(
    'nobody listens',
    async () => {
      for (const address of addresses) {
        try {
          return await connect(address)
        } catch {
          // Not up yet, or never again: the next one.
        }
      }
      return null
    },
    connectPauseMs,
  )
}

/** By node id, as the first one that answers knows them. */
export async function brokersOf(
  addresses: readonly Address[],
): Promise<ReadonlyMap<number, Address>> {
  const connection = await untilConnected(addresses)
  try {
    const { brokers } = await connection.request(apis.metadata, { topics: [] })
    return new Map(brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]))
  } finally {
    connection.close()
  }
}

/** Asks again until there is an answer. */
export async function untilGiven<T>(
  missing: string,
  attempt: () => Promise<T | null>,
  pauseMs = retryPauseMs,
  withinMs = patienceMs,
): Promise<NonNullable<T>> {
  const deadlineMs = performance.now() + withinMs
  for (;;) {
    const given = await attempt()
    if (given !== null && given !== undefined) return given
    if (performance.now() > deadlineMs) throw new Error(`${missing} within ${withinMs} ms`)
    await sleep(pauseMs)
  }
}

export interface NewTopic {
  readonly name: string
  readonly partitions?: number
  /** The replicas of its only partition, the leader first; the controller places them unless told. */
  readonly replicas?: readonly number[]
  /** Beside min.insync.replicas 2. */
  readonly configs?: Readonly<Record<string, string>>
}

/** Asks until the cluster has as many brokers as it takes. */
export async function createTopic(connection: KafkaConnection, topic: NewTopic): Promise<void> {
  const { name, partitions = 1, replicas } = topic
  const configs = { 'min.insync.replicas': '2', ...topic.configs }
  let refusal = ''
  await untilGiven(`topic ${name} could not be made`, async () => {
    const answer = await connection.request(apis.createTopics, {
      topics: [
        {
          name,
          numPartitions: replicas === undefined ? partitions : -1,
          replicationFactor: replicas === undefined ? 3 : -1,
          assignments:
            replicas === undefined ? [] : [{ partitionIndex: 0, brokerIds: [...replicas] }],
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
      timeoutMs: 10_000,
      validateOnly: false,
    })
    const { errorCode = errorCodes.UNKNOWN_SERVER_ERROR, errorMessage = null } =
      answer.topics[0] ?? {}
    refusal = errorMessage ?? errorInfo(errorCode).name
    const isThere = errorCode === errorCodes.NONE || errorCode === errorCodes.TOPIC_ALREADY_EXISTS
    return isThere ? true : null
  }).catch((error: unknown) => {
    throw new Error(`${(error as Error).message}: ${refusal}`, { cause: error })
  })
}

/** Its log would take the page cache that the next rounds need. */
export async function dropTopic(brokers: readonly Address[], name: string): Promise<void> {
  const connection = await untilConnected(brokers)
  try {
    const answer = await connection.request(apis.deleteTopics, {
      topics: [{ name, topicId: noTopicId }],
      topicNames: [name],
      timeoutMs: 10_000,
    })
    const errorCode = answer.responses[0]?.errorCode ?? errorCodes.UNKNOWN_SERVER_ERROR
    if (errorCode !== errorCodes.NONE)
      throw new Error(`topic ${name} could not be removed: ${errorInfo(errorCode).name}`)
  } finally {
    connection.close()
  }
}

/** Null: not every partition has a leader, or if asked for all replicas in sync, as far as this broker knows. */
export async function layoutOf(
  connection: KafkaConnection,
  name: string,
  { inSync = false }: { readonly inSync?: boolean } = {},
): Promise<TopicLayout | null> {
  const answer = await connection.request(apis.metadata, {
    topics: [{ name }],
    allowAutoTopicCreation: false,
  })
  const topic = answer.topics[0]
  if (topic === undefined || topic.errorCode !== errorCodes.NONE) return null
  const partitions = topic.partitions.toSorted((a, b) => a.partitionIndex - b.partitionIndex)
  const isWhole = partitions.every(
    ({ isrNodes, replicaNodes }) => isrNodes.length === replicaNodes.length,
  )
  if (inSync && !isWhole) return null
  const addresses = new Map(
    answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }] as const),
  )
  const leaders = partitions.map(({ leaderId }) => leaderId)
  if (leaders.length === 0 || leaders.some(leader => !addresses.has(leader))) return null
  return { name, topicId: topic.topicId, leaders, addresses }
}

/** One batch to one partition, acks=all. Resolves with the error code; the connection's end rejects. */
export async function produce(
  connection: KafkaConnection,
  topic: { readonly name: string; readonly topicId: string },
  partition: number,
  batch: Uint8Array,
): Promise<number> {
  const answer = await connection.request(apis.produce, {
    transactionalId: null,
    acks: -1,
    timeoutMs: 10_000,
    topicData: [
      {
        name: topic.name,
        topicId: topic.topicId,
        partitionData: [{ index: partition, records: batch }],
      },
    ],
  })
  return answer.responses[0]?.partitionResponses[0]?.errorCode ?? errorCodes.UNKNOWN_SERVER_ERROR
}

/** Records whose values cannot be compressed, none of which is looked at again. */
export function prepareBatch(recordCount: number, valueBytes: number): Uint8Array {
  const timestampMs = Date.now()
  const noise = new Uint8Array(valueBytes)
  for (let at = 0; at < valueBytes; at += 65_536)
    crypto.getRandomValues(noise.subarray(at, Math.min(at + 65_536, valueBytes)))
  const record = { key: null, value: noise, headers: [], timestampMs }
  return encodeBatch({ records: Array.from({ length: recordCount }, () => record) })
}

/** From whatever state the cluster is in to the first record that every replica has. */
export async function untilFirstAck(addresses: readonly Address[]): Promise<void> {
  const name = 'first'
  const batch = prepareBatch(1, 100)
  const bootstrap = await untilConnected(addresses)
  await createTopic(bootstrap, { name })
  const connections = new Map<number, KafkaConnection>()
  try {
    await untilGiven('no record was acknowledged', async () => {
      const layout = await layoutOf(bootstrap, name)
      const leader = layout?.leaders[0]
      const address = leader === undefined ? undefined : layout?.addresses.get(leader)
      if (layout === null || leader === undefined || address === undefined) return null
      const connection = connections.get(leader) ?? (await connect(address))
      connections.set(leader, connection)
      return (await produce(connection, layout, 0, batch)) === errorCodes.NONE ? true : null
    })
  } finally {
    bootstrap.close()
    for (const connection of connections.values()) connection.close()
  }
}
