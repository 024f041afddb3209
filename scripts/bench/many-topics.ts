/** Topics by the thousand. */
import { apis, errorCodes, errorInfo } from '@trimaran/protocol'
import type { KafkaConnection } from 'trimaran/client'
import { connect, noTopicId, untilConnected, untilGiven, type Address } from './client.ts'

/** Kafka's controller takes 10,000 records for one request, a topic and each of its partitions being one. */
const topicsPerRequest = 100
const requestTimeoutMs = 60_000
/** An answer about 10,000 partitions is a megabyte: asked for more often, it would slow down what it waits for. */
const pollPauseMs = 50
/** A Kafka broker opens the logs of 10,000 partitions in seconds, and in minutes where others use the disk. */
const ledWithinMs = 300_000
const latest = -1

/** The topics of which a broker leads partitions, by name. */
type Led = Map<string, { readonly topicId: string; readonly indexes: readonly number[] }>
export type LeadersOf = ReadonlyMap<number, { readonly address: Address; readonly led: Led }>

export const topicsOf = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}-${at}`)

/**
 * One request after another; resolves when the last one is answered. A topic that is there already is as good: a broker
 * whose controller went away in between asks the next one again.
 */
export async function createTopics(
  addresses: readonly Address[],
  names: readonly string[],
  partitions: number,
): Promise<void> {
  await inChunks(addresses, names, async (connection, chunk) => {
    const answer = await connection.request(
      apis.createTopics,
      {
        topics: chunk.map(name => ({
          name,
          numPartitions: partitions,
          replicationFactor: 3,
          assignments: [],
          configs: [{ name: 'min.insync.replicas', value: '2' }],
        })),
        timeoutMs: requestTimeoutMs,
        validateOnly: false,
      },
      requestTimeoutMs,
    )
    return answer.topics.filter(({ errorCode }) => errorCode !== errorCodes.TOPIC_ALREADY_EXISTS)
  })
}

export async function deleteTopics(
  addresses: readonly Address[],
  names: readonly string[],
): Promise<void> {
  await inChunks(addresses, names, async (connection, chunk) => {
    const answer = await connection.request(
      apis.deleteTopics,
      {
        topics: chunk.map(name => ({ name, topicId: noTopicId })),
        topicNames: [...chunk],
        timeoutMs: requestTimeoutMs,
      },
      requestTimeoutMs,
    )
    return answer.responses
  })
}

async function inChunks(
  addresses: readonly Address[],
  names: readonly string[],
  request: (
    connection: KafkaConnection,
    chunk: readonly string[],
  ) => Promise<readonly { readonly name: string | null; readonly errorCode: number }[]>,
): Promise<void> {
  const connection = await untilConnected(addresses)
  try {
    for (let at = 0; at < names.length; at += topicsPerRequest) {
      const results = await request(connection, names.slice(at, at + topicsPerRequest))
      const refused = results.find(({ errorCode }) => errorCode !== errorCodes.NONE)
      if (refused !== undefined)
        throw new Error(`topic ${refused.name} was refused: ${errorInfo(refused.errorCode).name}`)
    }
  } finally {
    connection.close()
  }
}

/** Until every partition has a leader that answers as such: what the metadata says may be ahead of it. */
export async function untilAllLed(
  addresses: readonly Address[],
  names: readonly string[],
): Promise<LeadersOf> {
  const connection = await untilConnected(addresses)
  try {
    const leaders = await untilGiven(
      'not every partition has a leader',
      () => leadersOf(connection, names),
      pollPauseMs,
      ledWithinMs,
    )
    await Promise.all([...leaders.values()].map(({ address, led }) => untilLeads(address, led)))
    return leaders
  } finally {
    connection.close()
  }
}

async function leadersOf(
  connection: KafkaConnection,
  names: readonly string[],
): Promise<LeadersOf | null> {
  const answer = await connection.request(apis.metadata, {
    topics: names.map(name => ({ name })),
    allowAutoTopicCreation: false,
  })
  const leaders = new Map(
    answer.brokers.map(({ nodeId, host, port }) => [
      nodeId,
      { address: { host, port }, led: new Map<string, { topicId: string; indexes: number[] }>() },
    ]),
  )
  for (const topic of answer.topics) {
    if (topic.errorCode !== errorCodes.NONE || topic.name === null) return null
    for (const { leaderId, partitionIndex } of topic.partitions) {
      const led = leaders.get(leaderId)?.led
      if (led === undefined) return null
      const known = led.get(topic.name)
      if (known !== undefined) known.indexes.push(partitionIndex)
      else led.set(topic.name, { topicId: topic.topicId, indexes: [partitionIndex] })
    }
  }
  return leaders
}

async function untilLeads(address: Address, led: Led): Promise<void> {
  const connection = await connect(address)
  let missing = led
  try {
    await untilGiven(
      `${address.host}:${address.port} does not lead what the metadata says`,
      async () => {
        missing = await notLed(connection, missing)
        return missing.size === 0 ? true : null
      },
      pollPauseMs,
      ledWithinMs,
    )
  } finally {
    connection.close()
  }
}

async function notLed(connection: KafkaConnection, led: Led): Promise<Led> {
  if (led.size === 0) return led
  const answer = await connection.request(apis.listOffsets, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [...led].map(([name, { indexes }]) => ({
      name,
      partitions: indexes.map(partitionIndex => ({ partitionIndex, timestamp: latest })),
    })),
    timeoutMs: requestTimeoutMs,
  })
  return new Map(
    answer.topics.flatMap(({ name, partitions }) => {
      const refused = partitions.filter(({ errorCode }) => errorCode !== errorCodes.NONE)
      const topicId = led.get(name)?.topicId ?? noTopicId
      const indexes = refused.map(({ partitionIndex }) => partitionIndex)
      return refused.length === 0 ? [] : [[name, { topicId, indexes }] as const]
    }),
  )
}
