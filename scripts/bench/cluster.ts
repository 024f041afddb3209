/** What is measured: ours or the one beside it, looked at in the same way, through the Kafka protocol. */
import { apis, errorCodes } from '@trimaran/protocol'
import type { KafkaConnection } from 'trimaran/client'
import { connect, untilConnected, untilGiven, type Address } from './client.ts'
import type { Processes } from './processes.ts'

export interface Cluster {
  /** After the name of a round in the line of progress. */
  readonly label: '' | ' beside'
  readonly addresses: readonly Address[]
  /** It runs before and after the round, which removes what it makes. */
  readonly isLasting: boolean
  /** On empty directories. Resolves once the nodes take connections. */
  launch(): Promise<void>
  /** How long its oldest process runs; null: the launch itself is where its time begins. */
  ageMs(): Promise<number | null>
  processes(): Promise<Processes>
  /** SIGKILL. */
  kill(nodeId: number): Promise<void>
  restart(nodeId: number): Promise<void>
  /** Removes its data, too. */
  stop(): Promise<void>
}

export interface ClusterFacts {
  readonly clusterId: string
  readonly brokerCount: number
  /** The finalized feature level; null: it finalizes none. */
  readonly metadataVersion: number | null
}

const healthPauseMs = 50
const quorum = {
  topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }],
}

/** Every broker sees all of them, the same leader of the quorum and every replica in sync. Resolves with that leader. */
export async function untilHealthy(addresses: readonly Address[]): Promise<number> {
  return untilGiven(
    'the cluster did not become healthy',
    async () => {
      const leaders = await Promise.all(
        addresses.map(address => quorumLeaderIfHealthy(address, addresses.length)),
      )
      return leaders.every(leader => leader === leaders[0]) ? (leaders[0] ?? null) : null
    },
    healthPauseMs,
  )
}

async function quorumLeaderIfHealthy(
  address: Address,
  brokerCount: number,
): Promise<number | null> {
  let connection: KafkaConnection | null = null
  try {
    connection = await connect(address)
    const { brokers, topics } = await connection.request(apis.metadata, { topics: null })
    const isWhole = topics.every(topic =>
      topic.partitions.every(
        ({ leaderId, isrNodes, replicaNodes }) =>
          leaderId >= 0 && isrNodes.length === replicaNodes.length,
      ),
    )
    if (brokers.length < brokerCount || !isWhole) return null
    const answer = await connection.request(apis.describeQuorum, quorum)
    const { errorCode, leaderId = -1 } = answer.topics[0]?.partitions[0] ?? {}
    return errorCode === errorCodes.NONE && leaderId >= 0 ? leaderId : null
  } catch {
    // It is not up yet, or went away in between.
    return null
  } finally {
    connection?.close()
  }
}

export async function factsOf(addresses: readonly Address[]): Promise<ClusterFacts> {
  const connection = await untilConnected(addresses)
  try {
    const { brokers, clusterId } = await connection.request(apis.metadata, { topics: [] })
    const software = { clientSoftwareName: 'trimaran-bench', clientSoftwareVersion: '0.1.0' }
    const { finalizedFeatures } = await connection.request(apis.apiVersions, software)
    const level = finalizedFeatures.find(({ name }) => name === 'metadata.version')
    return {
      clusterId: clusterId ?? 'unknown',
      brokerCount: brokers.length,
      metadataVersion: level?.maxVersionLevel ?? null,
    }
  } finally {
    connection.close()
  }
}

/** The topics that are not the cluster's own. */
export async function topicNames(addresses: readonly Address[]): Promise<readonly string[]> {
  const connection = await untilConnected(addresses)
  try {
    const { topics } = await connection.request(apis.metadata, { topics: null })
    return topics.filter(({ isInternal }) => !isInternal).map(({ name }) => name ?? '')
  } finally {
    connection.close()
  }
}
