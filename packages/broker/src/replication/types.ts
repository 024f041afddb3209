import type {
  BrokerEpoch,
  BrokerId,
  Clock,
  LeaderEpoch,
  LogEvent,
  Offset,
  Random,
  TopicId,
} from '@trimaran/common'
import type { LogConfig, LogDirectory } from '@trimaran/log'
import type { Image } from '@trimaran/metadata'
import type { BatchHeader } from '@trimaran/protocol'
import type {
  ControllerChannel,
  ReplicaFetchChannel,
  ReplicaFetchRequest,
  ReplicaFetchResponse,
} from '../channels.ts'
import type { ReplicationMetrics } from '../metrics.ts'

export interface ReplicaManagerOptions {
  readonly brokerId: BrokerId
  readonly clock: Clock
  readonly random: Random
  readonly logs: LogDirectory
  readonly controller: ControllerChannel
  readonly peers: ReplicaFetchChannel
  readonly config: ReplicaConfig
  readonly logEvent: LogEvent
  readonly metrics?: ReplicationMetrics
  /** The incarnation this broker is registered as; −1 before the first registration. */
  readonly epochs: { brokerEpoch(): BrokerEpoch }
  /** Known mistakes to make on purpose, so that the simulator can prove that it finds them. Never set in production. */
  readonly bugs?: ReadonlySet<ReplicationBug>
  /** Replicas that metadata may change in one turn of the event loop; fewer in simulations, so that they meet the bound. */
  readonly replicasPerTurn?: number
}

/** Numbers of the bug bank (reliability.md §6); `committedIsr` bounds the HW by the committed instead of the maximal ISR. */
export type ReplicationBug = 'B01' | 'B04' | 'B05' | 'B06' | 'committedIsr'

/** The values of the broker's configuration that replication lives by. Kafka's key is named with each. */
export interface ReplicaConfig {
  /** What a topic is stored and replicated with, its overrides applied. Asked again when a config changed. */
  topic(image: Image, topicName: string): TopicReplicaConfig
  /** replica.lag.time.max.ms (30000) */
  readonly replicaLagTimeMaxMs: number
  /** replica.fetch.wait.max.ms (500) */
  readonly replicaFetchWaitMaxMs: number
  /** replica.fetch.min.bytes (1) */
  readonly replicaFetchMinBytes: number
  /** replica.fetch.max.bytes (1048576): of one partition */
  readonly replicaFetchMaxBytes: number
  /** replica.fetch.response.max.bytes (10485760) */
  readonly replicaFetchResponseMaxBytes: number
  /** replica.fetch.backoff.ms (1000) */
  readonly replicaFetchBackoffMs: number
  /** replica.high.watermark.checkpoint.interval.ms (5000) */
  readonly highWatermarkCheckpointIntervalMs: number
  /** log.flush.offset.checkpoint.interval.ms (60000) */
  readonly recoveryPointCheckpointIntervalMs: number
  /** log.retention.check.interval.ms (300000) */
  readonly retentionCheckIntervalMs: number
  /** log.cleaner.backoff.ms (15000); null: log.cleaner.enable is false */
  readonly cleanerBackoffMs: number | null
}
export interface TopicReplicaConfig {
  readonly log: LogConfig
  /** min.insync.replicas as configured; what holds is min(this, replication factor). */
  readonly minInsyncReplicas: number
}

/** A replica of a partition on this broker, to be read and never kept past the current call. */
export interface HostedPartition {
  readonly topicId: TopicId
  readonly topicName: string
  readonly partition: number
  /** Offline: its log failed, or there is no leader to follow. */
  readonly role: 'leader' | 'follower' | 'offline'
  /** −1: none known. */
  readonly leader: BrokerId
  readonly leaderEpoch: LeaderEpoch
  /** Committed by the controller. */
  readonly isr: readonly BrokerId[]
  readonly isrState: 'committed' | 'pendingShrink' | 'pendingExpand'
  readonly replicas: readonly BrokerId[]
  /** min(min.insync.replicas, replication factor) */
  readonly effectiveMinIsr: number
  readonly highWatermark: Offset
  readonly lastStableOffset: Offset
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  readonly sizeBytes: number
}

/** Where the partition is led, as far as this broker knows; goes with NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH (KIP-951). */
export interface CurrentLeader {
  readonly leaderId: BrokerId
  readonly leaderEpoch: LeaderEpoch
}

export interface AppendRequest {
  /** 0 and 1 settle at once, −1 when the high watermark passed the batch. */
  readonly acks: number
  readonly timeoutMs: number
  readonly partitions: readonly AppendPartition[]
}
export interface AppendPartition {
  readonly topicId: TopicId
  readonly partition: number
  /** Exactly one v2 batch that validateProduceBatch accepted; offset and epoch are stamped into it in place. */
  readonly batch: Uint8Array
  readonly header: BatchHeader
  /** The coordinators' appends give it: refused with NOT_LEADER_OR_FOLLOWER unless it is the current one. */
  readonly leaderEpoch?: LeaderEpoch
}
/** One per partition of the request, in its order. */
export interface AppendResult {
  readonly errorCode: number
  readonly errorMessage: string | null
  /** −1 with an error that came before the append. */
  readonly baseOffset: Offset
  /** Of the last record of the batch; −1 as above. */
  readonly lastOffset: Offset
  /** Unix milliseconds; −1 unless the topic stamps the append time. */
  readonly logAppendTimeMs: number
  readonly logStartOffset: Offset
  readonly currentLeader?: CurrentLeader
}

export type Isolation = 'readUncommitted' | 'readCommitted'

export interface FetchRequest {
  readonly maxWaitMs: number
  readonly minBytes: number
  readonly maxBytes: number
  readonly isolation: Isolation
  /** Consumers of Fetch v11 and later may read from followers (KIP-392). */
  readonly allowFollower: boolean
  /** Served in this order until maxBytes is used up. */
  readonly partitions: readonly FetchPartition[]
}
export interface FetchPartition {
  readonly topicId: TopicId
  readonly partition: number
  readonly fetchOffset: Offset
  /** −1: not checked. */
  readonly currentLeaderEpoch: LeaderEpoch
  /** −1: not checked for divergence. */
  readonly lastFetchedEpoch: LeaderEpoch
  readonly maxBytes: number
}
/** One per partition of the request, in its order. */
export interface FetchResult {
  readonly errorCode: number
  readonly highWatermark: Offset
  readonly lastStableOffset: Offset
  readonly logStartOffset: Offset
  /** Null unless read_committed. Sorted by first offset. */
  readonly abortedTransactions:
    | readonly { readonly producerId: number; readonly firstOffset: Offset }[]
    | null
  /** Whole batches by reference, the first may begin before the fetch offset. */
  readonly records: Uint8Array
  readonly diverging: { readonly epoch: LeaderEpoch; readonly endOffset: Offset } | null
  readonly currentLeader?: CurrentLeader
}

/** Whoever waits and may go away: a connection. A ConnectionContext fits. */
export interface Waiting {
  readonly closed: boolean
  /** The result takes the listener away again. */
  onClose(listener: () => void): () => void
}

export interface ListOffsetRequest {
  readonly topicId: TopicId
  readonly partition: number
  /** Unix milliseconds, or one of `listOffsetTimestamps`. */
  readonly timestamp: number
  readonly isolation: Isolation
  /** −1: not checked. */
  readonly currentLeaderEpoch: LeaderEpoch
}
export const listOffsetTimestamps = {
  latest: -1,
  earliest: -2,
  maxTimestamp: -3,
  earliestLocal: -4,
  latestTiered: -5,
} as const
export interface ListOffsetResult {
  readonly errorCode: number
  /** −1: no such record, or an error. */
  readonly offset: Offset
  readonly timestampMs: number
  readonly leaderEpoch: LeaderEpoch
}

export interface OffsetForLeaderEpochRequest {
  readonly topicId: TopicId
  readonly partition: number
  /** −1: not checked. */
  readonly currentLeaderEpoch: LeaderEpoch
  readonly leaderEpoch: LeaderEpoch
}
/** −1, −1: that epoch is not known. */
export interface OffsetForLeaderEpochResult {
  readonly errorCode: number
  readonly leaderEpoch: LeaderEpoch
  readonly endOffset: Offset
}

export interface DeleteRecordsRequest {
  readonly topicId: TopicId
  readonly partition: number
  /** New log start; −1: the high watermark. */
  readonly offset: Offset
  readonly timeoutMs: number
}
export interface DeleteRecordsResult {
  readonly errorCode: number
  /** The lowest log start among the live replicas; −1 with an error. */
  readonly lowWatermark: Offset
}

export interface LogDirDescription {
  /** 0 or KAFKA_STORAGE_ERROR. */
  readonly errorCode: number
  readonly replicas: readonly {
    readonly topicId: TopicId
    readonly topicName: string
    readonly partition: number
    readonly sizeBytes: number
    /** How far the replica's end is behind the high watermark it knows of. */
    readonly offsetLag: Offset
  }[]
}

/** Told synchronously, from within onMetadata or the event that took the leadership. Must not throw. */
export interface LeadershipListener {
  elected(topicName: string, partition: number, leaderEpoch: LeaderEpoch): void
  resigned(topicName: string, partition: number): void
}

/** Gauges and counters under the names of Kafka's beans in camelCase. */
export interface ReplicationStatus {
  readonly partitionCount: number
  readonly leaderCount: number
  readonly offlineReplicaCount: number
  readonly underReplicatedPartitions: number
  readonly underMinIsrPartitionCount: number
  readonly atMinIsrPartitionCount: number
  readonly isrShrinks: number
  readonly isrExpands: number
  readonly failedIsrUpdates: number
  readonly parkedProduces: number
  readonly parkedFetches: number
  readonly fetchSessions: number
  /** The largest number of records that a local follower is behind its leader's high watermark. */
  readonly maxLag: number
}

/** What the rest of the broker sees of replication; ReplicaManager is it. */
export interface Replicas {
  partition(topicId: TopicId, partition: number): HostedPartition | undefined
  partitions(): Iterable<HostedPartition>
  /** Appends synchronously and in order; only the answer waits. Never rejects. */
  append(request: AppendRequest): Promise<readonly AppendResult[]>
  /** Parks until minBytes, an error, maxWaitMs or the close of the connection (then whatever there is). Never rejects. */
  fetch(request: FetchRequest, waiting: Waiting): Promise<readonly FetchResult[]>
  /** The leader's side of followers' fetches. Never rejects. */
  replicaFetch(request: ReplicaFetchRequest): Promise<ReplicaFetchResponse>
  listOffset(request: ListOffsetRequest): ListOffsetResult
  offsetForLeaderEpoch(request: OffsetForLeaderEpochRequest): OffsetForLeaderEpochResult
  deleteRecords(request: DeleteRecordsRequest): Promise<DeleteRecordsResult>
  describeLogDirs(): LogDirDescription
  /** The result ends it. */
  onLeadership(listener: LeadershipListener): () => void
  status(): ReplicationStatus
}
