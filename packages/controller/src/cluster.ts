import type { BrokerId, Offset, Random, TopicId, VoterChange } from '@trimaran/common'
import {
  type ControllerRequests,
  effectiveTopicConfig,
  errorCodes,
  type Image,
  isBrokerActive,
  type MetadataRecord,
  type Outcome,
  type PartitionImage,
  type TopicConfig,
} from '@trimaran/metadata'
import type { ClusterIndex } from './cluster-index.ts'
import type { VoterChangeBegun } from './raft-voters.ts'

export interface ControllerConfig {
  readonly clusterId: string
  /** Silence after which a broker is fenced. */
  readonly sessionTimeoutMs: number
  readonly defaultPartitionCount: number
  readonly defaultReplicationFactor: number
  readonly uncleanLeaderElectionEnable: boolean
  /** What is in force where nothing is set dynamically: the node's own file. */
  readonly staticBrokerConfig: ReadonlyMap<string, string>
  readonly autoLeaderRebalanceEnable: boolean
  readonly leaderImbalanceCheckIntervalMs: number
  readonly deleteTopicEnable: boolean
  readonly describeQuorum: () => ControllerRequests['describeQuorum']['response']
  /** Of the quorum that this controller leads. */
  readonly changeVoters: (change: VoterChange) => VoterChangeBegun
}

/**
 * Checks that a test may switch off, to see that it finds the bug (reliability.md §6): B08 lets fenced and shutting-down
 * brokers into an ISR, `reassignsUnsynced` takes the target of a reassignment for in sync. The image's own checks stay on.
 */
export type ControllerBug = 'B08' | 'reassignsUnsynced'

/** What a decision may look at. It changes nothing: records are the only way anything changes. */
export interface Cluster {
  /** Committed and pending. */
  readonly image: Image
  readonly index: ClusterIndex
  readonly config: ControllerConfig
  readonly random: Random
  /** Where the decision's entry will be; the broker epoch of a registration. */
  readonly nextOffset: Offset
  readonly bugs: ReadonlySet<ControllerBug>
}

/** What is to be written, and what to answer once it is committed. */
export interface Decision<R> {
  /**
   * One entry of the log, all or nothing. What a broker's coming or going takes may be more than an entry holds; it is
   * then cut into several, and is ordered so that the cluster is sound after each of them.
   */
  readonly records: readonly MetadataRecord[]
  readonly response: R
  /** End of what the answer waits for, where that is not what the controller has written last; 0: of nothing. */
  readonly waitsFor?: Offset
  /** What follows in turns of its own. */
  readonly rest?: Rest
}

/** A part of a large change, and what is left of it. */
export interface Part {
  readonly records: readonly MetadataRecord[]
  readonly rest?: Rest
}

/**
 * What a broker's coming or going still takes: more partitions are concerned than one turn decides about. It is decided
 * anew each time, on what is true by then; the broker's next incarnation has nothing to do with it.
 */
export type Rest =
  | {
      readonly kind: 'fence' | 'shutdown'
      readonly brokerId: BrokerId
      readonly brokerEpoch: number
    }
  /** For partitions without a leader. */
  | { readonly kind: 'elect' }

/**
 * Records of one entry, and so of one user operation. An entry is replicated, kept in memory and applied in one piece:
 * 10,000 records of about 100 bytes are 1 MB. The limit is Kafka's.
 */
export const recordsPerOperationMax = 10_000

/**
 * Records of one entry where a decision may be cut. Whoever follows the log takes an entry in one turn of its event loop,
 * at some 20 µs a record; a broker that comes or goes with thousands of partitions is told in many.
 */
export const recordsPerEntryMax = 500

/**
 * Partitions that one turn decides about when a broker comes or goes: deciding, replaying and appending take some 15 µs
 * each, and whoever asks the controller meanwhile waits for the turn.
 */
export const partitionsPerTurnMax = 1000

export const success: Outcome = Object.freeze({ errorCode: errorCodes.NONE, errorMessage: null })

export const failure = (error: keyof typeof errorCodes, errorMessage: string): Outcome => ({
  errorCode: errorCodes[error],
  errorMessage,
})

export const tooManyRecords: Outcome = failure(
  'POLICY_VIOLATION',
  `Excessively large operation: it would write more than ${recordsPerOperationMax} records.`,
)

export const isActiveIn =
  (image: Image): ((brokerId: BrokerId) => boolean) =>
  brokerId =>
    isBrokerActive(image.brokers.get(brokerId))

/** What is in force for the topic; not what single brokers have overridden for themselves. */
export const topicConfigIn = (cluster: Cluster, topicName: string): TopicConfig =>
  effectiveTopicConfig(cluster.image, cluster.config.staticBrokerConfig, topicName)

export interface NamedPartition {
  readonly topicId: TopicId
  readonly topicName: string
  readonly partition: PartitionImage
}

/** The request's broker epoch against the registration: the answer of a former incarnation counts for nothing. */
export function checkBrokerEpoch(image: Image, brokerId: BrokerId, brokerEpoch: number): Outcome {
  const broker = image.brokers.get(brokerId)
  if (broker === undefined) {
    return failure('BROKER_ID_NOT_REGISTERED', `Broker ${brokerId} is not registered.`)
  }
  if (broker.epoch === brokerEpoch) return success
  return failure(
    'STALE_BROKER_EPOCH',
    `Broker ${brokerId} has epoch ${broker.epoch}, the request has ${brokerEpoch}.`,
  )
}

/** What a request names more than once: none of it is done. */
export function repeated(names: Iterable<string>): ReadonlySet<string> {
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const name of names) (seen.has(name) ? twice : seen).add(name)
  return twice
}
