import type { BrokerEpoch, BrokerId, LeaderEpoch, Offset } from '@trimaran/common'
import type { PartitionEpoch, TopicId } from '@trimaran/common'
import type { ControllerRequests } from './controller-requests.ts'

/** The way to the active controller, wherever it is; finds it again after it moved. */
export interface ControllerChannel {
  /**
   * Resolves with the controller's answer. Rejects with ClusterError NOT_CONTROLLER, RPC_UNAVAILABLE or RPC_TIMEOUT when
   * there was none within `timeoutMs`; the outcome is then unknown.
   */
  request<K extends keyof ControllerRequests>(
    kind: K,
    request: ControllerRequests[K]['request'],
    timeoutMs?: number,
  ): Promise<ControllerRequests[K]['response']>
}

/** Followers fetch from a leader broker: many partitions in one request, long-polled. */
export interface ReplicaFetchChannel {
  /** Rejects with ClusterError RPC_UNAVAILABLE as soon as the link breaks, RPC_TIMEOUT after maxWaitMs and a margin. */
  fetch(leader: BrokerId, request: ReplicaFetchRequest): Promise<ReplicaFetchResponse>
}

/** Incremental (after KIP-227): a request names only the partitions that changed since the last one of the session. */
export interface ReplicaFetchRequest {
  readonly replicaId: BrokerId
  readonly brokerEpoch: BrokerEpoch
  /** Chosen by the follower; a new one starts an empty session. */
  readonly sessionId: number
  /** 0 starts the session, then 1, 2, …; any other number: the leader answers `sessionUnknown`. */
  readonly sessionEpoch: number
  readonly maxWaitMs: number
  readonly minBytes: number
  readonly maxBytes: number
  readonly partitions: readonly ReplicaFetchPartition[]
  readonly forgotten: readonly { readonly topicId: TopicId; readonly partition: number }[]
}
export interface ReplicaFetchPartition {
  readonly topicId: TopicId
  readonly partition: number
  readonly currentLeaderEpoch: LeaderEpoch
  /** What the follower knew of the partition: a claim older than its leaving the ISR does not bring it back. */
  readonly partitionEpoch: PartitionEpoch
  /** The follower's log end offset: everything below is replicated to it. */
  readonly fetchOffset: Offset
  readonly lastFetchedEpoch: LeaderEpoch
  readonly logStartOffset: Offset
  readonly maxBytes: number
}
export interface ReplicaFetchResponse {
  readonly sessionUnknown: boolean
  /** Only those with records, an error, a divergence, or another high watermark or log start than told before. */
  readonly partitions: readonly ReplicaFetchResult[]
}
export interface ReplicaFetchResult {
  readonly topicId: TopicId
  readonly partition: number
  /** A Kafka error code: 0, NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, OFFSET_OUT_OF_RANGE, … */
  readonly errorCode: number
  readonly leaderEpoch: LeaderEpoch
  readonly highWatermark: Offset
  readonly logStartOffset: Offset
  /** Largest epoch of the leader not above the follower's last one, and where it ends: truncate there. */
  readonly diverging: { readonly epoch: LeaderEpoch; readonly endOffset: Offset } | null
  /** Whole batches, as on disk. */
  readonly records: Uint8Array
}
