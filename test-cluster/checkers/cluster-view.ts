import type { BrokerEpoch, BrokerId, LeaderEpoch, NodeId, Offset, TopicId } from '@trimaran/common'
import type { PartitionLog } from '@trimaran/log'
import type { Image } from '@trimaran/metadata'

/** What checkers see of a replica: a Partition of the broker, looked at from outside and never changed. */
export interface ReplicaView {
  readonly topicId: TopicId
  readonly topicName: string
  readonly partition: number
  readonly highWatermark: Offset
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  readonly lastStableOffset: Offset
  readonly leaderEpoch: LeaderEpoch
  readonly effectiveMinIsr: number
  readonly fsyncsBeforeAck: boolean
  readonly failure: unknown
  readonly log: PartitionLog
  /** Null unless it leads. */
  readonly leading: {
    readonly leaderEpoch: LeaderEpoch
    /** The newest that it has heard of, from the metadata or from an answer of the controller. */
    readonly partitionEpoch: number
    /** The log’s end at the election. */
    readonly epochStartOffset: Offset
    readonly hasEnoughReplicas: boolean
    readonly isrState:
      | { readonly kind: 'committed'; readonly isr: ReadonlySet<BrokerId> }
      | { readonly kind: 'pendingShrink'; readonly isr: ReadonlySet<BrokerId> }
      | {
          readonly kind: 'pendingExpand'
          readonly isr: ReadonlySet<BrokerId>
          readonly adding: BrokerId
        }
  } | null
}

/** A running node, as checkers see it. */
export interface NodeView {
  readonly id: NodeId
  /** Grows with every start. */
  readonly incarnation: number
  readonly image: Image
  /** -1: not registered (yet), or no broker. */
  readonly brokerEpoch: BrokerEpoch
  /** By its own clock, which may be wrong. */
  readonly wallMs: number
  replicas(): Iterable<ReplicaView>
  replica(topicId: TopicId, partition: number): ReplicaView | undefined
}
