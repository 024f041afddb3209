import type {
  BrokerEpoch,
  BrokerId,
  LeaderEpoch,
  NodeId,
  Offset,
  PartitionEpoch,
  TopicId,
  Uuid,
} from '@trimaran/common'
import type { Endpoint } from './records.ts'

/** Kafka error code and text of one outcome. 0 is success. */
export interface Outcome {
  readonly errorCode: number
  readonly errorMessage: string | null
}

/**
 * What a broker asks of the active controller, in terms of the domain: no request versions, no sockets. The controller
 * answers after the records are committed. Errors of a single item are in the item.
 */
export interface ControllerRequests {
  registerBroker: {
    request: {
      readonly brokerId: BrokerId
      readonly clusterId: string
      readonly incarnationId: Uuid
      readonly endpoints: readonly Endpoint[]
      readonly nodeHost: string
      readonly nodePort: number
      readonly rack: string | null
      readonly logDirs: readonly Uuid[]
      /** Of the clean stop before this start; −1 without a clean-shutdown marker. */
      readonly previousBrokerEpoch: BrokerEpoch
    }
    response: Outcome & { readonly brokerEpoch: BrokerEpoch }
  }
  heartbeat: {
    request: {
      readonly brokerId: BrokerId
      readonly brokerEpoch: BrokerEpoch
      /** End of the metadata that the broker has applied. */
      readonly metadataOffset: Offset
      readonly wantFence: boolean
      readonly wantShutDown: boolean
    }
    response: Outcome & {
      readonly isCaughtUp: boolean
      readonly isFenced: boolean
      readonly shouldShutDown: boolean
    }
  }
  alterPartition: {
    request: {
      readonly brokerId: BrokerId
      readonly brokerEpoch: BrokerEpoch
      readonly partitions: readonly {
        readonly topicId: TopicId
        readonly partition: number
        readonly leaderEpoch: LeaderEpoch
        readonly partitionEpoch: PartitionEpoch
        /** With the broker epoch the leader saw in the member's fetches; −1: not known (KIP-903). */
        readonly newIsr: readonly {
          readonly brokerId: BrokerId
          readonly brokerEpoch: BrokerEpoch
        }[]
        readonly recovering: boolean
      }[]
    }
    response: Outcome & {
      readonly partitions: readonly {
        readonly topicId: TopicId
        readonly partition: number
        readonly errorCode: number
        readonly leader: BrokerId
        readonly leaderEpoch: LeaderEpoch
        readonly isr: readonly BrokerId[]
        readonly partitionEpoch: PartitionEpoch
      }[]
    }
  }
  /** The broker has removed its replicas of a removed topic from its disk. */
  replicasDeleted: {
    request: {
      readonly brokerId: BrokerId
      readonly brokerEpoch: BrokerEpoch
      readonly topicIds: readonly TopicId[]
    }
    response: Outcome
  }
  allocateProducerIds: {
    request: { readonly brokerId: BrokerId; readonly brokerEpoch: BrokerEpoch }
    response: Outcome & { readonly firstProducerId: number; readonly count: number }
  }
  createTopics: {
    request: {
      readonly validateOnly: boolean
      readonly topics: readonly {
        readonly name: string
        /** −1: the cluster's default. */
        readonly partitionCount: number
        readonly replicationFactor: number
        readonly assignments: readonly {
          readonly partition: number
          readonly brokerIds: readonly BrokerId[]
        }[]
        readonly configs: readonly { readonly name: string; readonly value: string | null }[]
      }[]
    }
    response: {
      readonly topics: readonly (Outcome & {
        readonly name: string
        readonly topicId: TopicId
        readonly partitionCount: number
        readonly replicationFactor: number
      })[]
    }
  }
  deleteTopics: {
    /** By name or by id, never both. */
    request: {
      readonly topics: readonly { readonly name: string | null; readonly topicId: TopicId | null }[]
    }
    response: {
      readonly topics: readonly (Outcome & {
        readonly name: string | null
        readonly topicId: TopicId
      })[]
    }
  }
  createPartitions: {
    request: {
      readonly validateOnly: boolean
      readonly topics: readonly {
        readonly name: string
        /** The new total. */
        readonly count: number
        /** Of the new partitions; null: the controller places them. */
        readonly assignments: readonly (readonly BrokerId[])[] | null
      }[]
    }
    response: { readonly topics: readonly (Outcome & { readonly name: string })[] }
  }
  alterConfigs: {
    request: {
      readonly validateOnly: boolean
      readonly resources: readonly {
        readonly resourceType: 'topic' | 'broker'
        readonly resourceName: string
        readonly changes: readonly {
          readonly name: string
          readonly operation: 'set' | 'delete' | 'append' | 'subtract'
          readonly value: string | null
        }[]
      }[]
    }
    response: {
      readonly resources: readonly (Outcome & {
        readonly resourceType: 'topic' | 'broker'
        readonly resourceName: string
      })[]
    }
  }
  electLeaders: {
    request: {
      readonly kind: 'preferred' | 'unclean'
      /** Null: every partition that needs it. */
      readonly partitions: readonly { readonly topic: string; readonly partition: number }[] | null
    }
    response: Outcome & {
      readonly partitions: readonly (Outcome & {
        readonly topic: string
        readonly partition: number
      })[]
    }
  }
  alterPartitionReassignments: {
    request: {
      /** False: a target of another size is refused. */
      readonly allowReplicationFactorChange: boolean
      readonly partitions: readonly {
        readonly topic: string
        readonly partition: number
        /** In order of preference. Null: back to where the reassignment under way began. */
        readonly replicas: readonly BrokerId[] | null
      }[]
    }
    response: Outcome & {
      readonly partitions: readonly (Outcome & {
        readonly topic: string
        readonly partition: number
      })[]
    }
  }
  unregisterBroker: {
    request: { readonly brokerId: BrokerId }
    response: Outcome
  }
  /** Answered when the new set is committed, or, where that is not waited for, once it is written. */
  addRaftVoter: {
    request: {
      /** Null: whatever it is. */
      readonly clusterId: string | null
      readonly nodeId: NodeId
      readonly directoryId: Uuid
      /** Where the other voters reach it. */
      readonly host: string
      readonly port: number
      readonly waitsForCommit: boolean
    }
    response: Outcome
  }
  removeRaftVoter: {
    request: {
      readonly clusterId: string | null
      readonly nodeId: NodeId
      readonly directoryId: Uuid
    }
    response: Outcome
  }
  describeQuorum: {
    request: Record<string, never>
    response: Outcome & {
      readonly leaderId: number
      readonly leaderEpoch: number
      readonly highWatermark: Offset
      readonly voters: readonly QuorumReplica[]
      readonly observers: readonly QuorumReplica[]
    }
  }
}

export interface QuorumReplica {
  readonly nodeId: number
  readonly directoryId: Uuid
  readonly host: string
  readonly port: number
  readonly logEndOffset: Offset
  /** Unix milliseconds; −1: never. */
  readonly lastFetchTimestampMs: number
  readonly lastCaughtUpTimestampMs: number
}
