import type { ControllerRequests, Endpoint, Outcome, QuorumReplica } from '@trimaran/metadata'
import {
  bool,
  int,
  ints,
  list,
  listMessage,
  literal,
  message,
  nullable,
  nullableList,
  text,
  texts,
} from './wire.ts'
import type { FieldsOf, MessageCodec } from './wire.ts'

type Kind = keyof ControllerRequests
type Request<K extends Kind> = ControllerRequests[K]['request']
type Response<K extends Kind> = ControllerRequests[K]['response']
type Item<T> = T extends readonly (infer I)[] ? I : never

const outcomeFields: FieldsOf<Outcome> = { errorCode: int(1), errorMessage: nullable(text(2)) }
const outcome = message<Outcome>('Outcome', outcomeFields)

const endpoint = message<Endpoint>('Endpoint', {
  listener: text(1),
  host: text(2),
  port: int(3),
  securityProtocol: literal<Endpoint['securityProtocol']>(4, [
    'PLAINTEXT',
    'SSL',
    'SASL_PLAINTEXT',
    'SASL_SSL',
  ]),
})

const registerBroker = {
  request: message<Request<'registerBroker'>>('RegisterBrokerRequest', {
    brokerId: int(1),
    clusterId: text(2),
    incarnationId: text(3),
    endpoints: list(4, endpoint),
    nodeHost: text(5),
    nodePort: int(6),
    rack: nullable(text(7)),
    logDirs: texts(8),
    previousBrokerEpoch: int(9),
  }),
  response: message<Response<'registerBroker'>>('RegisterBrokerResponse', {
    ...outcomeFields,
    brokerEpoch: int(3),
  }),
}

const heartbeat = {
  request: message<Request<'heartbeat'>>('HeartbeatRequest', {
    brokerId: int(1),
    brokerEpoch: int(2),
    metadataOffset: int(3),
    wantFence: bool(4),
    wantShutDown: bool(5),
  }),
  response: message<Response<'heartbeat'>>('HeartbeatResponse', {
    ...outcomeFields,
    isCaughtUp: bool(3),
    isFenced: bool(4),
    shouldShutDown: bool(5),
  }),
}

type AlterRequestItem = Item<Request<'alterPartition'>['partitions']>
const isrMember = message<Item<AlterRequestItem['newIsr']>>('IsrMember', {
  brokerId: int(1),
  brokerEpoch: int(2),
})
const alterPartition = {
  request: message<Request<'alterPartition'>>('AlterPartitionRequest', {
    brokerId: int(1),
    brokerEpoch: int(2),
    partitions: list(
      3,
      message<AlterRequestItem>('AlterPartition', {
        topicId: text(1),
        partition: int(2),
        leaderEpoch: int(3),
        partitionEpoch: int(4),
        newIsr: list(5, isrMember),
        recovering: bool(6),
      }),
    ),
  }),
  response: message<Response<'alterPartition'>>('AlterPartitionResponse', {
    ...outcomeFields,
    partitions: list(
      3,
      message<Item<Response<'alterPartition'>['partitions']>>('AlteredPartition', {
        topicId: text(1),
        partition: int(2),
        errorCode: int(3),
        leader: int(4),
        leaderEpoch: int(5),
        isr: ints(6),
        partitionEpoch: int(7),
      }),
    ),
  }),
}

const replicasDeleted = {
  request: message<Request<'replicasDeleted'>>('ReplicasDeletedRequest', {
    brokerId: int(1),
    brokerEpoch: int(2),
    topicIds: texts(3),
  }),
  response: outcome,
}

const allocateProducerIds = {
  request: message<Request<'allocateProducerIds'>>('AllocateProducerIdsRequest', {
    brokerId: int(1),
    brokerEpoch: int(2),
  }),
  response: message<Response<'allocateProducerIds'>>('AllocateProducerIdsResponse', {
    ...outcomeFields,
    firstProducerId: int(3),
    count: int(4),
  }),
}

type NewTopic = Item<Request<'createTopics'>['topics']>
const createTopics = {
  request: message<Request<'createTopics'>>('CreateTopicsRequest', {
    validateOnly: bool(1),
    topics: list(
      2,
      message<NewTopic>('NewTopic', {
        name: text(1),
        partitionCount: int(2),
        replicationFactor: int(3),
        assignments: list(
          4,
          message<Item<NewTopic['assignments']>>('NewTopicAssignment', {
            partition: int(1),
            brokerIds: ints(2),
          }),
        ),
        configs: list(
          5,
          message<Item<NewTopic['configs']>>('ConfigEntry', {
            name: text(1),
            value: nullable(text(2)),
          }),
        ),
      }),
    ),
  }),
  response: message<Response<'createTopics'>>('CreateTopicsResponse', {
    topics: list(
      1,
      message<Item<Response<'createTopics'>['topics']>>('CreatedTopic', {
        ...outcomeFields,
        name: text(3),
        topicId: text(4),
        partitionCount: int(5),
        replicationFactor: int(6),
      }),
    ),
  }),
}

const deleteTopics = {
  request: message<Request<'deleteTopics'>>('DeleteTopicsRequest', {
    topics: list(
      1,
      message<Item<Request<'deleteTopics'>['topics']>>('TopicToDelete', {
        name: nullable(text(1)),
        topicId: nullable(text(2)),
      }),
    ),
  }),
  response: message<Response<'deleteTopics'>>('DeleteTopicsResponse', {
    topics: list(
      1,
      message<Item<Response<'deleteTopics'>['topics']>>('DeletedTopic', {
        ...outcomeFields,
        name: nullable(text(3)),
        topicId: text(4),
      }),
    ),
  }),
}

const brokerIds = listMessage('BrokerIds', ints(1))
const createPartitions = {
  request: message<Request<'createPartitions'>>('CreatePartitionsRequest', {
    validateOnly: bool(1),
    topics: list(
      2,
      message<Item<Request<'createPartitions'>['topics']>>('TopicGrowth', {
        name: text(1),
        count: int(2),
        assignments: nullableList(3, 'BrokerIdLists', list(1, brokerIds)),
      }),
    ),
  }),
  response: message<Response<'createPartitions'>>('CreatePartitionsResponse', {
    topics: list(
      1,
      message<Item<Response<'createPartitions'>['topics']>>('NamedOutcome', {
        ...outcomeFields,
        name: text(3),
      }),
    ),
  }),
}

type ConfigResource = Item<Request<'alterConfigs'>['resources']>
type ConfigChange = Item<ConfigResource['changes']>
const resourceTypes: readonly ConfigResource['resourceType'][] = ['topic', 'broker']
const alterConfigs = {
  request: message<Request<'alterConfigs'>>('AlterConfigsRequest', {
    validateOnly: bool(1),
    resources: list(
      2,
      message<ConfigResource>('ConfigResource', {
        resourceType: literal(1, resourceTypes),
        resourceName: text(2),
        changes: list(
          3,
          message<ConfigChange>('ConfigChange', {
            name: text(1),
            operation: literal<ConfigChange['operation']>(2, [
              'set',
              'delete',
              'append',
              'subtract',
            ]),
            value: nullable(text(3)),
          }),
        ),
      }),
    ),
  }),
  response: message<Response<'alterConfigs'>>('AlterConfigsResponse', {
    resources: list(
      1,
      message<Item<Response<'alterConfigs'>['resources']>>('ResourceOutcome', {
        ...outcomeFields,
        resourceType: literal(3, resourceTypes),
        resourceName: text(4),
      }),
    ),
  }),
}

type NamedPartition = Item<NonNullable<Request<'electLeaders'>['partitions']>>
const namedPartition = message<NamedPartition>('NamedPartition', {
  topic: text(1),
  partition: int(2),
})
const electLeaders = {
  request: message<Request<'electLeaders'>>('ElectLeadersRequest', {
    kind: literal<Request<'electLeaders'>['kind']>(1, ['preferred', 'unclean']),
    partitions: nullableList(2, 'NamedPartitions', list(1, namedPartition)),
  }),
  response: message<Response<'electLeaders'>>('ElectLeadersResponse', {
    ...outcomeFields,
    partitions: list(
      3,
      message<Item<Response<'electLeaders'>['partitions']>>('ElectedPartition', {
        ...outcomeFields,
        topic: text(3),
        partition: int(4),
      }),
    ),
  }),
}

type Reassignment = Item<Request<'alterPartitionReassignments'>['partitions']>
const alterPartitionReassignments = {
  request: message<Request<'alterPartitionReassignments'>>('AlterPartitionReassignmentsRequest', {
    allowReplicationFactorChange: bool(1),
    partitions: list(
      2,
      message<Reassignment>('Reassignment', {
        topic: text(1),
        partition: int(2),
        replicas: nullableList(3, 'BrokerIds', ints(1)),
      }),
    ),
  }),
  response: message<Response<'alterPartitionReassignments'>>(
    'AlterPartitionReassignmentsResponse',
    {
      ...outcomeFields,
      partitions: list(
        3,
        message<Item<Response<'alterPartitionReassignments'>['partitions']>>('Reassigned', {
          ...outcomeFields,
          topic: text(3),
          partition: int(4),
        }),
      ),
    },
  ),
}

const unregisterBroker = {
  request: message<Request<'unregisterBroker'>>('UnregisterBrokerRequest', { brokerId: int(1) }),
  response: outcome,
}

const addRaftVoter = {
  request: message<Request<'addRaftVoter'>>('AddRaftVoterRequest', {
    clusterId: nullable(text(1)),
    nodeId: int(2),
    directoryId: text(3),
    host: text(4),
    port: int(5),
    waitsForCommit: bool(6),
  }),
  response: outcome,
}

const removeRaftVoter = {
  request: message<Request<'removeRaftVoter'>>('RemoveRaftVoterRequest', {
    clusterId: nullable(text(1)),
    nodeId: int(2),
    directoryId: text(3),
  }),
  response: outcome,
}

const quorumReplica = message<QuorumReplica>('QuorumReplica', {
  nodeId: int(1),
  directoryId: text(2),
  host: text(3),
  port: int(4),
  logEndOffset: int(5),
  lastFetchTimestampMs: int(6),
  lastCaughtUpTimestampMs: int(7),
})
const describeQuorum = {
  request: message<Request<'describeQuorum'>>('DescribeQuorumRequest', {}),
  response: message<Response<'describeQuorum'>>('DescribeQuorumResponse', {
    ...outcomeFields,
    leaderId: int(3),
    leaderEpoch: int(4),
    highWatermark: int(5),
    voters: list(6, quorumReplica),
    observers: list(7, quorumReplica),
  }),
}

export const controllerCodecs: {
  readonly [K in Kind]: {
    readonly request: MessageCodec<Request<K>>
    readonly response: MessageCodec<Response<K>>
  }
} = {
  registerBroker,
  heartbeat,
  alterPartition,
  replicasDeleted,
  allocateProducerIds,
  createTopics,
  deleteTopics,
  createPartitions,
  alterConfigs,
  electLeaders,
  alterPartitionReassignments,
  unregisterBroker,
  describeQuorum,
  addRaftVoter,
  removeRaftVoter,
}
