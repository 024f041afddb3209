import type { MetadataRecord, PartitionRecord, RegisterBrokerRecord } from '@trimaran/metadata'

/** A topic id that shows its number. */
export const topicId = (number: number): string => `${number}`.padStart(21, 'T') + 'A'
export const incarnation = (number: number): string => `${number}`.padStart(21, 'I') + 'A'

export const registration = (
  brokerId: number,
  brokerEpoch: number,
  change: Partial<RegisterBrokerRecord> = {},
): RegisterBrokerRecord => ({
  kind: 'registerBroker',
  brokerId,
  brokerEpoch,
  incarnationId: incarnation(brokerEpoch),
  endpoints: [
    {
      listener: 'PLAINTEXT',
      host: `broker-${brokerId}`,
      port: 9092,
      securityProtocol: 'PLAINTEXT',
    },
  ],
  nodeHost: `broker-${brokerId}`,
  nodePort: 9093,
  rack: null,
  logDirs: [incarnation(brokerId)],
  ...change,
})

export const unfenced = (brokerId: number, brokerEpoch: number): MetadataRecord => ({
  kind: 'brokerChange',
  brokerId,
  brokerEpoch,
  fenced: false,
  inControlledShutdown: null,
})

export const partition = (
  id: string,
  number: number,
  change: Partial<PartitionRecord> = {},
): PartitionRecord => ({
  kind: 'partition',
  topicId: id,
  partition: number,
  replicas: [1, 2, 3],
  isr: [1, 2, 3],
  addingReplicas: [],
  removingReplicas: [],
  leader: 1,
  leaderEpoch: 0,
  partitionEpoch: 0,
  recovering: false,
  ...change,
})

/** Brokers 1, 2 and 3, registered at offsets 1, 2 and 3 and unfenced. */
export const threeBrokers: readonly MetadataRecord[] = [1, 2, 3].flatMap(id => [
  registration(id, id),
  unfenced(id, id),
])

export const orders: string = topicId(1)

/** The brokers and topic `orders` of two partitions, led by 1 and 2. */
export const ordersOnThreeBrokers: readonly MetadataRecord[] = [
  ...threeBrokers,
  { kind: 'topic', topicId: orders, name: 'orders' },
  partition(orders, 0),
  partition(orders, 1, { replicas: [2, 3, 1], isr: [2, 3, 1], leader: 2 }),
]
