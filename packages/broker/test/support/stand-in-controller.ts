import { ClusterError, zeroUuid, type BrokerId, type Offset } from '@trimaran/common'
import {
  Delta,
  emptyImage,
  type ControllerRequests,
  type Image,
  type MetadataPublisher,
  type MetadataRecord,
  type TopicImage,
} from '@trimaran/metadata'
import { errorCodes } from '@trimaran/protocol'
import type { ControllerChannel } from '../../src/index.ts'

type Requests = ControllerRequests
type Kind = keyof Requests
type Answers = { [K in Kind]: (request: Requests[K]['request']) => Requests[K]['response'] }

function deletionRecords(topic: TopicImage): MetadataRecord[] {
  const partitionsOf = new Map<BrokerId, number[]>()
  for (const { partition, replicas } of topic.partitions) {
    for (const id of replicas) partitionsOf.set(id, [...(partitionsOf.get(id) ?? []), partition])
  }
  return [...partitionsOf].map(([brokerId, partitions]) => ({
    kind: 'replicaDeletion',
    topicId: topic.id,
    topicName: topic.name,
    brokerId,
    partitions,
    state: 'started',
  }))
}

const fine = { errorCode: errorCodes.NONE, errorMessage: null }

/**
 * Commits at once what a request asks for, without a quorum: enough of a controller for brokers to live on. Partition p
 * of a topic is led by the p-th broker.
 */
export class StandInController implements ControllerChannel {
  image: Image = emptyImage
  readonly publishers: MetadataPublisher[] = []
  /** Every request in order, for tests to look at. */
  readonly log: { readonly kind: Kind; readonly request: unknown }[] = []
  /** When set, nobody answers. */
  failure: ClusterError | null = null
  /** Answers that a test gives in place of ours. */
  readonly overrides: Partial<Answers> = {}
  #topicIds = 0
  #nextProducerId = 1000

  commit(records: readonly MetadataRecord[]): Offset {
    const delta = new Delta(this.image)
    for (const record of records) delta.replay(record)
    this.image = delta.apply(this.image.endOffset + 1)
    for (const publisher of this.publishers) publisher.onMetadata(delta, this.image)
    return this.image.endOffset
  }

  count(kind: Kind): number {
    return this.log.filter(entry => entry.kind === kind).length
  }

  async request<K extends Kind>(
    kind: K,
    request: Requests[K]['request'],
    _timeoutMs?: number,
  ): Promise<Requests[K]['response']> {
    this.log.push({ kind, request })
    await Promise.resolve()
    if (this.failure !== null) throw this.failure
    const answer = (this.overrides[kind] ?? this.#answers[kind]) as Answers[K]
    return answer(request)
  }

  /** Records of one topic; `replicas` per partition. */
  topicRecords(name: string, replicas: readonly (readonly BrokerId[])[]): MetadataRecord[] {
    const topicId = this.#newTopicId()
    return [
      { kind: 'topic', topicId, name },
      ...replicas.map((ids, partition): MetadataRecord =>
        this.#partitionRecord(topicId, partition, ids),
      ),
    ]
  }

  #newTopicId(): string {
    this.#topicIds++
    return `topic${String(this.#topicIds).padStart(16, '0')}A`
  }

  #partitionRecord(
    topicId: string,
    partition: number,
    replicas: readonly BrokerId[],
  ): MetadataRecord {
    return {
      kind: 'partition',
      topicId,
      partition,
      replicas,
      isr: replicas,
      addingReplicas: [],
      removingReplicas: [],
      leader: replicas[0] ?? -1,
      leaderEpoch: 0,
      partitionEpoch: 0,
      recovering: false,
    }
  }

  #place(first: number, count: number, replicationFactor: number): BrokerId[][] {
    const alive = [...this.image.brokers.values()]
      .filter(broker => !broker.fenced)
      .map(broker => broker.id)
    alive.sort((a, b) => a - b)
    return Array.from({ length: count }, (_, partition) =>
      Array.from(
        { length: replicationFactor },
        (_unused, at) => alive[(first + partition + at) % alive.length] ?? -1,
      ),
    )
  }

  #createTopic(
    topic: Requests['createTopics']['request']['topics'][number],
    validateOnly: boolean,
  ): Requests['createTopics']['response']['topics'][number] {
    const partitionCount = topic.partitionCount === -1 ? 1 : topic.partitionCount
    const replicationFactor = topic.replicationFactor === -1 ? 1 : topic.replicationFactor
    const refused = (errorCode: number, errorMessage: string) => ({
      name: topic.name,
      errorCode,
      errorMessage,
      topicId: zeroUuid,
      partitionCount: -1,
      replicationFactor: -1,
    })
    if (this.image.topicsByName.has(topic.name)) {
      return refused(errorCodes.TOPIC_ALREADY_EXISTS, `Topic '${topic.name}' already exists.`)
    }
    if (replicationFactor < 1 || replicationFactor > this.image.brokers.size) {
      return refused(errorCodes.INVALID_REPLICATION_FACTOR, 'Replication factor does not fit.')
    }
    const configs = topic.configs.map(({ name, value }): MetadataRecord => ({
      kind: 'config',
      resourceType: 'topic',
      resourceName: topic.name,
      key: name,
      value,
    }))
    const placed = this.#place(0, partitionCount, replicationFactor)
    if (!validateOnly) this.commit([...this.topicRecords(topic.name, placed), ...configs])
    const topicId = this.image.topicsByName.get(topic.name)?.id ?? zeroUuid
    return { name: topic.name, ...fine, topicId, partitionCount, replicationFactor }
  }

  readonly #answers: Answers = {
    registerBroker: request => {
      const brokerEpoch = this.image.endOffset as number
      const { previousBrokerEpoch: _previous, clusterId: _cluster, ...broker } = request
      this.commit([{ kind: 'registerBroker', brokerEpoch, ...broker }])
      return { ...fine, brokerEpoch }
    },
    heartbeat: ({ brokerId, brokerEpoch, metadataOffset, wantShutDown }) => {
      const isCaughtUp = metadataOffset > brokerEpoch
      const fenced = this.image.brokers.get(brokerId)?.fenced ?? true
      if (isCaughtUp && fenced) {
        this.commit([
          {
            kind: 'brokerChange',
            brokerId,
            brokerEpoch,
            fenced: false,
            inControlledShutdown: null,
          },
        ])
      }
      return { ...fine, isCaughtUp, isFenced: !isCaughtUp && fenced, shouldShutDown: wantShutDown }
    },
    alterPartition: ({ partitions }) => ({
      ...fine,
      partitions: partitions.map(asked => {
        const isr = asked.newIsr.map(member => member.brokerId)
        this.commit([
          { kind: 'partitionChange', topicId: asked.topicId, partition: asked.partition, isr },
        ])
        const now = this.image.topicsById.get(asked.topicId)?.partitions[asked.partition]
        return {
          topicId: asked.topicId,
          partition: asked.partition,
          errorCode: errorCodes.NONE,
          leader: now?.leader ?? -1,
          leaderEpoch: now?.leaderEpoch ?? -1,
          isr,
          partitionEpoch: now?.partitionEpoch ?? -1,
        }
      }),
    }),
    replicasDeleted: () => fine,
    allocateProducerIds: () => {
      const firstProducerId = this.#nextProducerId
      this.#nextProducerId += 1000
      return { ...fine, firstProducerId, count: 1000 }
    },
    createTopics: ({ topics, validateOnly }) => ({
      topics: topics.map(topic => this.#createTopic(topic, validateOnly)),
    }),
    deleteTopics: ({ topics }) => ({
      topics: topics.map(({ name, topicId }) => {
        const topic =
          name === null
            ? this.image.topicsById.get(topicId ?? '')
            : this.image.topicsByName.get(name)
        if (topic === undefined) {
          const errorCode =
            name === null ? errorCodes.UNKNOWN_TOPIC_ID : errorCodes.UNKNOWN_TOPIC_OR_PARTITION
          return {
            name,
            topicId: topicId ?? zeroUuid,
            errorCode,
            errorMessage: 'This topic does not exist.',
          }
        }
        this.commit([{ kind: 'removeTopic', topicId: topic.id }, ...deletionRecords(topic)])
        return { name: topic.name, topicId: topic.id, ...fine }
      }),
    }),
    createPartitions: ({ topics, validateOnly }) => ({
      topics: topics.map(({ name, count }) => {
        const topic = this.image.topicsByName.get(name)
        if (topic === undefined) {
          return {
            name,
            errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
            errorMessage: 'This topic does not exist.',
          }
        }
        const from = topic.partitions.length
        const added = this.#place(from, count - from, 1).map((replicas, at) =>
          this.#partitionRecord(topic.id, from + at, replicas),
        )
        if (!validateOnly) this.commit(added)
        return { name, ...fine }
      }),
    }),
    alterConfigs: ({ resources, validateOnly }) => ({
      resources: resources.map(({ resourceType, resourceName, changes }) => {
        const records = changes.map(({ name, value }): MetadataRecord => ({
          kind: 'config',
          resourceType,
          resourceName,
          key: name,
          value,
        }))
        if (!validateOnly) this.commit(records)
        return { resourceType, resourceName, ...fine }
      }),
    }),
    electLeaders: ({ partitions }) => ({
      ...fine,
      partitions: (partitions ?? []).map(asked => ({
        ...asked,
        errorCode: errorCodes.ELECTION_NOT_NEEDED,
        errorMessage: 'Leader election not needed for topic partition.',
      })),
    }),
    alterPartitionReassignments: ({ partitions }) => ({
      ...fine,
      partitions: partitions.map(({ topic, partition, replicas }) => {
        const image = this.image.topicsByName.get(topic)
        const before = image?.partitions[partition]
        if (!image || !before) {
          const errorCode = errorCodes.UNKNOWN_TOPIC_OR_PARTITION
          return { topic, partition, errorCode, errorMessage: `No ${topic}-${partition}.` }
        }
        const original = before.replicas.filter(id => !before.addingReplicas.includes(id))
        const target = replicas ?? original
        const adding = target.filter(id => !before.replicas.includes(id))
        const change = { kind: 'partitionChange' as const, topicId: image.id, partition }
        this.commit([
          {
            ...change,
            replicas: replicas === null ? original : [...before.replicas, ...adding],
            addingReplicas: adding,
            removingReplicas: original.filter(id => !target.includes(id)),
          },
        ])
        return { topic, partition, ...fine }
      }),
    }),
    unregisterBroker: ({ brokerId }) => {
      const broker = this.image.brokers.get(brokerId)
      if (broker === undefined) {
        return {
          errorCode: errorCodes.BROKER_ID_NOT_REGISTERED,
          errorMessage: `Broker ${brokerId} is not registered.`,
        }
      }
      this.commit([{ kind: 'unregisterBroker', brokerId, brokerEpoch: broker.epoch }])
      return fine
    },
    addRaftVoter: ({ nodeId, host, port }) => ({
      errorCode: nodeId === 1 ? errorCodes.DUPLICATE_VOTER : errorCodes.NONE,
      errorMessage: `${host}:${port}`,
    }),
    removeRaftVoter: ({ nodeId, directoryId }) => ({
      errorCode: nodeId === 1 ? errorCodes.NONE : errorCodes.VOTER_NOT_FOUND,
      errorMessage: directoryId,
    }),
    describeQuorum: () => ({
      ...fine,
      leaderId: 1,
      leaderEpoch: 7,
      highWatermark: this.image.endOffset,
      voters: [
        {
          nodeId: 1,
          directoryId: zeroUuid,
          host: 'node1',
          port: 9093,
          logEndOffset: this.image.endOffset,
          lastFetchTimestampMs: 5,
          lastCaughtUpTimestampMs: 5,
        },
      ],
      observers: [
        {
          nodeId: 4,
          directoryId: zeroUuid,
          host: 'node4',
          port: 9093,
          logEndOffset: 1,
          lastFetchTimestampMs: 5,
          lastCaughtUpTimestampMs: 5,
        },
      ],
    }),
  }
}
