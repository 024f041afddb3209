import type {
  BrokerEpoch,
  BrokerId,
  LeaderEpoch,
  Offset,
  PartitionEpoch,
  TopicId,
  Uuid,
} from '@trimaran/common'
import type { Endpoint } from './records.ts'

/** Read side of a map that shares structure between versions. Iterates in an order that depends on its content alone. */
export interface ImageMap<K, V> {
  readonly size: number
  get(key: K): V | undefined
  has(key: K): boolean
  keys(): IterableIterator<K>
  values(): IterableIterator<V>
  entries(): IterableIterator<[K, V]>
  [Symbol.iterator](): IterableIterator<[K, V]>
}

export interface BrokerImage {
  readonly id: BrokerId
  readonly epoch: BrokerEpoch
  readonly incarnationId: Uuid
  readonly endpoints: readonly Endpoint[]
  readonly nodeHost: string
  readonly nodePort: number
  readonly rack: string | null
  readonly logDirs: readonly Uuid[]
  readonly fenced: boolean
  readonly inControlledShutdown: boolean
}

export interface PartitionImage {
  readonly partition: number
  readonly replicas: readonly BrokerId[]
  readonly isr: readonly BrokerId[]
  readonly addingReplicas: readonly BrokerId[]
  readonly removingReplicas: readonly BrokerId[]
  /** −1: none (offline). */
  readonly leader: BrokerId
  readonly leaderEpoch: LeaderEpoch
  readonly partitionEpoch: PartitionEpoch
  readonly recovering: boolean
  /**
   * Eligible leader replicas (KIP-966): not in sync any more, but the high watermark cannot have passed what they hold.
   * Absent: none. Invariant: disjoint from the ISR, and none while the ISR has min.insync.replicas members.
   */
  readonly elr?: readonly BrokerId[]
  /**
   * The last members of the ISR that stopped uncleanly, in that order, where one that was eligible took the place of the first
   * (KIP-966): any of them may lack records. Absent: who leads did not stop so, or more than one is in sync.
   */
  readonly lastKnownElr?: readonly BrokerId[]
}

export interface TopicImage {
  readonly id: TopicId
  readonly name: string
  /** Index = partition number, without gaps. */
  readonly partitions: readonly PartitionImage[]
}

export interface ReplicaDeletionImage {
  readonly topicId: TopicId
  readonly topicName: string
  readonly brokerId: BrokerId
  readonly partitions: readonly number[]
  readonly state: 'started' | 'ineligible' | 'successful'
}

/** Immutable picture of the cluster after the entry before `endOffset`. */
export interface Image {
  readonly endOffset: Offset
  readonly brokers: ImageMap<BrokerId, BrokerImage>
  readonly topicsById: ImageMap<TopicId, TopicImage>
  readonly topicsByName: ImageMap<string, TopicImage>
  /** Overrides alone. Key `topic:NAME`, `broker:ID`, `broker:` for the default of all brokers. */
  readonly configs: ImageMap<string, ReadonlyMap<string, string>>
  readonly nextProducerId: number
  /** Key `${topicId}/${brokerId}`. */
  readonly deletions: ImageMap<string, ReplicaDeletionImage>
}

/** One broker's to-do list, computed from a delta. */
export interface LocalChanges {
  /** Became leader, or leads on in a new leader or partition epoch. */
  readonly leaders: readonly LocalPartition[]
  /** Follows, or follows on with another leader or epoch, or has no leader to follow (leader −1). */
  readonly followers: readonly LocalPartition[]
  /** Not a replica of it any more, or the topic is gone. */
  readonly deletes: readonly {
    readonly topicId: TopicId
    readonly topicName: string
    readonly partition: number
  }[]
  /**
   * Replicas of removed topics that this broker is to remove from its disk, whether or not it hosts them at the moment,
   * and to acknowledge with `replicasDeleted`. Comes again when the broker returns before it has acknowledged.
   */
  readonly deletions: readonly ReplicaDeletionImage[]
}
export interface LocalPartition {
  readonly topicId: TopicId
  readonly topicName: string
  readonly image: PartitionImage
  /** False: the leader epoch is the one the broker knew; only ISR or replicas changed. */
  readonly newLeaderEpoch: boolean
}
