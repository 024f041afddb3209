import { assert, must, unreachable } from '@trimaran/common'
import type { BrokerId, Offset, TopicId } from '@trimaran/common'
import { addTo, localChangesOf } from './local-changes.ts'
import { configKey, editorOf, noConfigs } from './image.ts'
import type {
  BrokerImage,
  Image,
  LocalChanges,
  PartitionImage,
  ReplicaDeletionImage,
  TopicImage,
} from './image-types.ts'
import { changedPartition, checkPartition, newPartition } from './partition-rules.ts'
import type { MapEditor } from './persistent-map.ts'
import type { MetadataRecord, PartitionChangeRecord, ReplicaDeletionRecord } from './records.ts'
import { deletionKey, replicaStateOfDeletion } from './replica-states.ts'
import { sharedOverrides } from './shared.ts'
import { StateChangeLog, type TransitionListener } from './state-change-log.ts'

/** The picture in the making: base and what was replayed so far. Reads are as cheap as on an image. */
class LiveView implements Image {
  endOffset: Offset
  readonly brokers: MapEditor<BrokerId, BrokerImage>
  readonly topicsById: MapEditor<TopicId, TopicImage>
  readonly topicsByName: MapEditor<string, TopicImage>
  readonly configs: MapEditor<string, ReadonlyMap<string, string>>
  nextProducerId: number
  readonly deletions: MapEditor<string, ReplicaDeletionImage>

  constructor(base: Image) {
    this.endOffset = base.endOffset
    this.brokers = editorOf(base.brokers)
    this.topicsById = editorOf(base.topicsById)
    this.topicsByName = editorOf(base.topicsByName)
    this.configs = editorOf(base.configs)
    this.nextProducerId = base.nextProducerId
    this.deletions = editorOf(base.deletions)
  }

  freeze(endOffset: Offset): Image {
    return Object.freeze({
      endOffset,
      brokers: this.brokers.freeze(),
      topicsById: this.topicsById.freeze(),
      topicsByName: this.topicsByName.freeze(),
      configs: this.configs.freeze(),
      nextProducerId: this.nextProducerId,
      deletions: this.deletions.freeze(),
    })
  }
}

interface TopicBuilder extends TopicImage {
  readonly partitions: PartitionImage[]
}

/** What is known to have changed, whether by records or by comparing two images. */
export interface Changes {
  readonly topics: ReadonlySet<TopicId>
  readonly partitions: ReadonlyMap<TopicId, ReadonlySet<number>>
  readonly removedTopics: ReadonlyMap<TopicId, TopicImage>
  readonly brokers: ReadonlySet<BrokerId>
  readonly configs: ReadonlySet<string>
  readonly deletions: ReadonlySet<string>
}

/**
 * The changes from one image to the next. Records are facts: one that does not fit the picture is a bug of the
 * controller that wrote it, found alike on every node, so `replay` throws AssertionError.
 */
export class Delta {
  readonly base: Image
  readonly #live: LiveView
  readonly #log: StateChangeLog
  readonly #topics = new Set<TopicId>()
  readonly #partitions = new Map<TopicId, Set<number>>()
  readonly #removedTopics = new Map<TopicId, TopicImage>()
  readonly #brokers = new Set<BrokerId>()
  readonly #configs = new Set<string>()
  readonly #deletions = new Set<string>()
  /** Topics this delta may write in place. */
  readonly #builders = new Map<TopicId, TopicBuilder>()
  /** Replicas of removed topics whose deletion record must follow in the same entry. */
  readonly #undecided = new Map<string, number[]>()
  #image: Image | null = null

  constructor(base: Image, listener?: TransitionListener) {
    this.base = base
    this.#live = new LiveView(base)
    this.#log = new StateChangeLog(listener)
  }

  /** Topics created or changed, and still there. */
  get changedTopics(): ReadonlySet<TopicId> {
    return this.#topics
  }
  /** Which partitions of them. */
  get changedPartitions(): ReadonlyMap<TopicId, ReadonlySet<number>> {
    return this.#partitions
  }
  /** As the base had them. */
  get removedTopics(): ReadonlyMap<TopicId, TopicImage> {
    return this.#removedTopics
  }
  get changedBrokers(): ReadonlySet<BrokerId> {
    return this.#brokers
  }
  /** Keys of `Image.configs`. */
  get changedConfigs(): ReadonlySet<string> {
    return this.#configs
  }
  /** Keys of `Image.deletions`. */
  get changedDeletions(): ReadonlySet<string> {
    return this.#deletions
  }
  /** The base with everything replayed so far; changes as replay goes on. */
  get view(): Image {
    return this.#image ?? this.#live
  }

  replay(record: MetadataRecord): void {
    assert(this.#image === null, 'a delta takes no record after it was applied')
    switch (record.kind) {
      case 'registerBroker':
        return this.#registerBroker(record)
      case 'unregisterBroker':
        return this.#unregisterBroker(record.brokerId, record.brokerEpoch)
      case 'brokerChange':
        return this.#changeBroker(record)
      case 'topic':
        return this.#createTopic(record.topicId, record.name)
      case 'removeTopic':
        return this.#removeTopic(record.topicId)
      case 'partition':
        return this.#createPartition(record.topicId, newPartition(record))
      case 'partitionChange':
        return this.#changePartition(record)
      case 'config':
        return this.#changeConfig(record)
      case 'producerIds':
        assert(record.nextProducerId > this.#live.nextProducerId, 'producer ids are given out once')
        this.#live.nextProducerId = record.nextProducerId
        return
      case 'replicaDeletion':
        return this.#changeDeletion(record)
      case 'noOp':
        return
      default:
        unreachable(record)
    }
  }

  /** The image before `endOffset`. The delta is complete then. */
  apply(endOffset: Offset): Image {
    assert(endOffset >= this.base.endOffset, 'the metadata log does not go back')
    if (this.#image === null) {
      assert(this.#undecided.size === 0, 'each replica of a removed topic has a deletion state')
      this.#builders.clear()
      this.#image = this.#live.freeze(endOffset)
    }
    assert(this.#image.endOffset === endOffset, 'a delta is applied once')
    return this.#image
  }

  localChanges(brokerId: BrokerId): LocalChanges {
    return localChangesOf(brokerId, this.base, this.view, {
      topics: this.#topics,
      partitions: this.#partitions,
      removedTopics: this.#removedTopics,
      brokers: this.#brokers,
      configs: this.#configs,
      deletions: this.#deletions,
    })
  }

  /** A delta that was found by comparison: complete from the start. */
  static of(base: Image, image: Image, changes: Changes): Delta {
    const delta = new Delta(base)
    for (const id of changes.topics) delta.#topics.add(id)
    for (const [id, partitions] of changes.partitions)
      delta.#partitions.set(id, new Set(partitions))
    for (const [id, topic] of changes.removedTopics) delta.#removedTopics.set(id, topic)
    for (const id of changes.brokers) delta.#brokers.add(id)
    for (const key of changes.configs) delta.#configs.add(key)
    for (const key of changes.deletions) delta.#deletions.add(key)
    delta.#image = image
    return delta
  }

  #registerBroker(record: Extract<MetadataRecord, { kind: 'registerBroker' }>): void {
    const { kind: _kind, brokerId, brokerEpoch, ...rest } = record
    const before = this.#live.brokers.get(brokerId)
    assert(
      before === undefined || before.epoch < brokerEpoch,
      'a broker epoch grows with each registration',
    )
    this.#setBroker({
      id: brokerId,
      epoch: brokerEpoch,
      ...rest,
      fenced: true,
      inControlledShutdown: false,
    })
  }

  #unregisterBroker(brokerId: BrokerId, brokerEpoch: number): void {
    const before = must(this.#live.brokers.get(brokerId), `broker ${brokerId} is registered`)
    assert(before.epoch === brokerEpoch, 'a broker is unregistered in its own epoch')
    this.#live.brokers.delete(brokerId)
    this.#brokers.add(brokerId)
    this.#log.broker(brokerId, before, undefined)
  }

  #changeBroker(record: Extract<MetadataRecord, { kind: 'brokerChange' }>): void {
    const before = must(
      this.#live.brokers.get(record.brokerId),
      `broker ${record.brokerId} is registered`,
    )
    assert(before.epoch === record.brokerEpoch, 'a broker changes in its own epoch')
    this.#setBroker({
      ...before,
      fenced: record.fenced ?? before.fenced,
      inControlledShutdown: record.inControlledShutdown ?? before.inControlledShutdown,
    })
  }

  #setBroker(broker: BrokerImage): void {
    const before = this.#live.brokers.get(broker.id)
    this.#live.brokers.set(broker.id, broker)
    this.#brokers.add(broker.id)
    this.#log.broker(broker.id, before, broker)
  }

  #createTopic(topicId: TopicId, name: string): void {
    assert(!this.#live.topicsById.has(topicId), `topic id ${topicId} is used once`)
    assert(!this.#live.topicsByName.has(name), `topic ${name} exists once`)
    this.#setTopic({ id: topicId, name, partitions: [] })
  }

  #setTopic(topic: TopicBuilder): void {
    this.#builders.set(topic.id, topic)
    this.#live.topicsById.set(topic.id, topic)
    this.#live.topicsByName.set(topic.name, topic)
    this.#topics.add(topic.id)
  }

  /** Copies a topic's list of partitions once per delta, however many of them change. */
  #builder(topicId: TopicId): TopicBuilder {
    const own = this.#builders.get(topicId)
    if (own !== undefined) return own
    const topic = must(this.#live.topicsById.get(topicId), `topic ${topicId} exists`)
    const copy = { id: topic.id, name: topic.name, partitions: topic.partitions.slice() }
    this.#setTopic(copy)
    return copy
  }

  #removeTopic(topicId: TopicId): void {
    const topic = must(this.#live.topicsById.get(topicId), `topic ${topicId} exists`)
    this.#log.topicRemoved(topic, this.#live)
    for (const { partition, replicas } of topic.partitions) {
      for (const brokerId of replicas) {
        const key = deletionKey(topicId, brokerId)
        const known = this.#undecided.get(key)
        if (known === undefined) this.#undecided.set(key, [partition])
        else known.push(partition)
      }
    }
    const known = this.base.topicsById.get(topicId)
    if (known !== undefined) this.#removedTopics.set(topicId, known)
    this.#builders.delete(topicId)
    this.#topics.delete(topicId)
    this.#partitions.delete(topicId)
    this.#live.topicsById.delete(topicId)
    this.#live.topicsByName.delete(topic.name)
    const overrides = configKey('topic', topic.name)
    if (this.#live.configs.delete(overrides)) this.#configs.add(overrides)
  }

  #createPartition(topicId: TopicId, partition: PartitionImage): void {
    const topic = this.#builder(topicId)
    assert(partition.partition === topic.partitions.length, 'partitions are numbered without gaps')
    checkPartition(topic.name, partition, this.#live)
    topic.partitions.push(partition)
    addTo(this.#partitions, topicId, partition.partition)
    this.#log.partition(topic, undefined, partition, this.#live)
  }

  #changePartition(record: PartitionChangeRecord): void {
    const topic = this.#builder(record.topicId)
    const before = must(
      topic.partitions[record.partition],
      `${topic.name}-${record.partition} exists`,
    )
    const after = changedPartition(before, record)
    checkPartition(topic.name, after, this.#live)
    topic.partitions[record.partition] = after
    addTo(this.#partitions, topic.id, record.partition)
    this.#log.partition(topic, before, after, this.#live)
  }

  #changeConfig(record: Extract<MetadataRecord, { kind: 'config' }>): void {
    if (record.resourceType === 'topic') {
      assert(
        this.#live.topicsByName.has(record.resourceName),
        `topic ${record.resourceName} exists`,
      )
    }
    const key = configKey(record.resourceType, record.resourceName)
    const overrides = new Map(this.#live.configs.get(key) ?? noConfigs)
    if (record.value === null) overrides.delete(record.key)
    else overrides.set(record.key, record.value)
    if (overrides.size === 0) this.#live.configs.delete(key)
    else this.#live.configs.set(key, sharedOverrides(overrides))
    this.#configs.add(key)
  }

  #changeDeletion(record: ReplicaDeletionRecord): void {
    const key = deletionKey(record.topicId, record.brokerId)
    const before = this.#live.deletions.get(key)
    const partitions = before?.partitions ?? this.#undecided.get(key)
    assert(partitions !== undefined, `${key} belongs to a removed topic`)
    const isSame =
      partitions.length === record.partitions.length &&
      partitions.every((partition, at) => partition === record.partitions[at])
    assert(isSame, 'a deletion keeps its partitions')
    // A replica whose broker returned is offline for an instant, so that its deletion can start again.
    const from = before === undefined ? 'offline' : replicaStateOfDeletion(before)
    const { kind: _kind, state, ...rest } = record
    if (state === 'nonExistent') {
      this.#log.deletion(rest, from, state)
      this.#live.deletions.delete(key)
    } else {
      const deletion: ReplicaDeletionImage = { ...rest, state }
      this.#log.deletion(rest, from, replicaStateOfDeletion(deletion))
      this.#live.deletions.set(key, deletion)
    }
    this.#undecided.delete(key)
    this.#deletions.add(key)
  }
}
