import {
  api,
  array,
  int32,
  int64,
  int8,
  nullable,
  string,
  struct,
  tagged,
  uint16,
  uuid,
} from '@trimaran/protocol'
import type { Struct } from '@trimaran/protocol'

/**
 * The records on the wire, in the schema language of the Kafka messages. Keys are those of Kafka's own metadata records
 * where there is one of that meaning; the fields are ours.
 */
const record = <const S extends Struct>(key: number, name: string, fields: S) =>
  api({ key, name, versions: '0', flexible: '0+', request: fields, response: {} })

const brokerIds = array(int32)

export const registerBroker = record(0, 'RegisterBroker', {
  brokerId: int32,
  brokerEpoch: int64,
  incarnationId: uuid,
  endpoints: array(
    struct({
      listener: string,
      host: string,
      port: uint16,
      /** As in Kafka: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL. */
      securityProtocol: int8,
    }),
  ),
  nodeHost: string,
  nodePort: uint16,
  rack: nullable(string),
  logDirs: array(uuid),
})

export const unregisterBroker = record(1, 'UnregisterBroker', {
  brokerId: int32,
  brokerEpoch: int64,
})

/** Flags: -1 not changed, 0 false, 1 true. */
export const brokerChange = record(17, 'BrokerChange', {
  brokerId: int32,
  brokerEpoch: int64,
  fenced: int8,
  inControlledShutdown: int8,
})

export const topic = record(2, 'Topic', { topicId: uuid, name: string })

export const removeTopic = record(9, 'RemoveTopic', { topicId: uuid })

export const partition = record(3, 'Partition', {
  topicId: uuid,
  partition: int32,
  replicas: brokerIds,
  isr: brokerIds,
  addingReplicas: brokerIds,
  removingReplicas: brokerIds,
  leader: int32,
  leaderEpoch: int32,
  partitionEpoch: int32,
  recovering: int8,
  elr: tagged(0, '0+', nullable(brokerIds)),
  lastKnownElr: tagged(1, '0+', nullable(brokerIds)),
})

/** No change of leader, since -1 is a change to none. */
export const leaderUnchanged = -2

export const partitionChange = record(5, 'PartitionChange', {
  topicId: uuid,
  partition: int32,
  leader: tagged(0, '0+', int32, leaderUnchanged),
  isr: tagged(1, '0+', nullable(brokerIds)),
  replicas: tagged(2, '0+', nullable(brokerIds)),
  addingReplicas: tagged(3, '0+', nullable(brokerIds)),
  removingReplicas: tagged(4, '0+', nullable(brokerIds)),
  recovering: tagged(5, '0+', int8, -1),
  elr: tagged(6, '0+', nullable(brokerIds)),
  lastKnownElr: tagged(7, '0+', nullable(brokerIds)),
})

/** Resource types as in Kafka: 2 topic, 4 broker. */
export const config = record(4, 'Config', {
  resourceType: int8,
  resourceName: string,
  key: string,
  value: nullable(string),
})

export const producerIds = record(15, 'ProducerIds', { brokerId: int32, nextProducerId: int64 })

/** Without a counterpart in Kafka, whose brokers delete unasked. */
export const replicaDeletion = record(100, 'ReplicaDeletion', {
  topicId: uuid,
  topicName: string,
  brokerId: int32,
  partitions: array(int32),
  /** Index in `deletionStates`. */
  state: int8,
})

export const noOp = record(20, 'NoOp', {})
