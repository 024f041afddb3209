import type {
  BrokerEpoch,
  BrokerId,
  LeaderEpoch,
  Offset,
  PartitionEpoch,
  TopicId,
  Uuid,
} from '@trimaran/common'

/** The only facts the cluster agrees on: everything else follows from them. One committed entry of the quorum's log is a
 * batch of these, applied whole. */
export type MetadataRecord =
  | RegisterBrokerRecord
  | {
      readonly kind: 'unregisterBroker'
      readonly brokerId: BrokerId
      readonly brokerEpoch: BrokerEpoch
    }
  | BrokerChangeRecord
  | { readonly kind: 'topic'; readonly topicId: TopicId; readonly name: string }
  | { readonly kind: 'removeTopic'; readonly topicId: TopicId }
  | PartitionRecord
  | PartitionChangeRecord
  | ConfigRecord
  | { readonly kind: 'producerIds'; readonly brokerId: BrokerId; readonly nextProducerId: number }
  | ReplicaDeletionRecord
  | { readonly kind: 'noOp' }

export interface Endpoint {
  readonly listener: string
  readonly host: string
  readonly port: number
  readonly securityProtocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'
}

export interface RegisterBrokerRecord {
  readonly kind: 'registerBroker'
  readonly brokerId: BrokerId
  /** The offset of the entry that holds this record. */
  readonly brokerEpoch: BrokerEpoch
  /** New with every start of the process. */
  readonly incarnationId: Uuid
  /** Where clients reach it. */
  readonly endpoints: readonly Endpoint[]
  /** Where nodes reach it (gRPC). */
  readonly nodeHost: string
  readonly nodePort: number
  readonly rack: string | null
  readonly logDirs: readonly Uuid[]
}

/** Null: not changed. A registered broker starts fenced. */
export interface BrokerChangeRecord {
  readonly kind: 'brokerChange'
  readonly brokerId: BrokerId
  readonly brokerEpoch: BrokerEpoch
  readonly fenced: boolean | null
  readonly inControlledShutdown: boolean | null
}

export interface PartitionRecord {
  readonly kind: 'partition'
  readonly topicId: TopicId
  readonly partition: number
  readonly replicas: readonly BrokerId[]
  readonly isr: readonly BrokerId[]
  readonly addingReplicas: readonly BrokerId[]
  readonly removingReplicas: readonly BrokerId[]
  /** −1: none. */
  readonly leader: BrokerId
  readonly leaderEpoch: LeaderEpoch
  readonly partitionEpoch: PartitionEpoch
  /** True after an unclean election until the leader has recovered. */
  readonly recovering: boolean
  /** Eligible leader replicas (KIP-966). Absent: none. */
  readonly elr?: readonly BrokerId[]
  /** Last members of the ISR that stopped uncleanly (KIP-966). Absent: none. */
  readonly lastKnownElr?: readonly BrokerId[]
}

/** Absent: not changed. A change of leader raises leaderEpoch by one; every record raises partitionEpoch by one. */
export interface PartitionChangeRecord {
  readonly kind: 'partitionChange'
  readonly topicId: TopicId
  readonly partition: number
  readonly leader?: BrokerId
  readonly isr?: readonly BrokerId[]
  readonly replicas?: readonly BrokerId[]
  readonly addingReplicas?: readonly BrokerId[]
  readonly removingReplicas?: readonly BrokerId[]
  readonly recovering?: boolean
  readonly elr?: readonly BrokerId[]
  readonly lastKnownElr?: readonly BrokerId[]
}

export interface ConfigRecord {
  readonly kind: 'config'
  readonly resourceType: 'topic' | 'broker'
  /** Topic name or broker id; empty for the default of all brokers. */
  readonly resourceName: string
  readonly key: string
  /** Null removes it. */
  readonly value: string | null
}

/** Stored replica states of a removed topic (kafka.md §4.5): one record per topic and broker. `done` ends it. */
export interface ReplicaDeletionRecord {
  readonly kind: 'replicaDeletion'
  readonly topicId: TopicId
  readonly topicName: string
  readonly brokerId: BrokerId
  readonly partitions: readonly number[]
  readonly state: 'started' | 'ineligible' | 'successful' | 'nonExistent'
}

export type MetadataOffset = Offset
