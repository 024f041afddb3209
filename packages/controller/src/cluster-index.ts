import { type BrokerId, noLeader, type TopicId } from '@trimaran/common'
import type { Delta, Image, PartitionImage, TopicImage } from '@trimaran/metadata'

/** Partitions as topic id → partition numbers. */
export type PartitionSet = ReadonlyMap<TopicId, ReadonlySet<number>>

const noPartitions: PartitionSet = new Map()

class MutablePartitionSet {
  readonly #topics = new Map<TopicId, Set<number>>()
  #count = 0

  get count(): number {
    return this.#count
  }
  get partitions(): PartitionSet {
    return this.#topics
  }

  toggle(topicId: TopicId, partition: number, isMember: boolean): void {
    const numbers = this.#topics.get(topicId)
    if (isMember) {
      if (numbers?.has(partition) === true) return
      if (numbers === undefined) this.#topics.set(topicId, new Set([partition]))
      else numbers.add(partition)
      this.#count++
    } else if (numbers?.delete(partition) === true) {
      if (numbers.size === 0) this.#topics.delete(topicId)
      this.#count--
    }
  }
}

/** `a.b` and `a_b` have the same metric name, so only one of them may exist (as in Kafka). */
export const collisionKey = (topicName: string): string => topicName.replaceAll('.', '_')

/**
 * Who is where, derived from the image and kept up to date by deltas: with it, what a broker's coming or going costs
 * depends on the partitions of that broker alone.
 *
 * Invariant: equal to a fresh index of the same image.
 */
export class ClusterIndex {
  readonly #hosted = new Map<BrokerId, MutablePartitionSet>()
  readonly #leaderships = new Map<BrokerId, number>()
  readonly #leaderless = new MutablePartitionSet()
  readonly #imbalanced = new MutablePartitionSet()
  readonly #withElr = new MutablePartitionSet()
  readonly #collisions = new Map<string, Set<string>>()
  readonly #deletionsByTopic = new Map<TopicId, Set<BrokerId>>()
  readonly #deletionsByBroker = new Map<BrokerId, Set<TopicId>>()
  #partitionCount = 0

  constructor(image: Image) {
    for (const topic of image.topicsById.values()) {
      this.#name(topic.name, true)
      for (const partition of topic.partitions) this.#move(topic, undefined, partition)
    }
    for (const { topicId, brokerId } of image.deletions.values()) {
      this.#deletion(topicId, brokerId, true)
    }
  }

  /** Partitions with a replica on the broker. */
  hosted(brokerId: BrokerId): PartitionSet {
    return this.#hosted.get(brokerId)?.partitions ?? noPartitions
  }
  leadershipCount(brokerId: BrokerId): number {
    return this.#leaderships.get(brokerId) ?? 0
  }
  get leaderless(): PartitionSet {
    return this.#leaderless.partitions
  }
  get leaderlessCount(): number {
    return this.#leaderless.count
  }
  /** Not led by their first replica. */
  get imbalanced(): PartitionSet {
    return this.#imbalanced.partitions
  }
  get imbalancedCount(): number {
    return this.#imbalanced.count
  }
  get withElr(): PartitionSet {
    return this.#withElr.partitions
  }
  get partitionCount(): number {
    return this.#partitionCount
  }
  get deletingTopicCount(): number {
    return this.#deletionsByTopic.size
  }
  /** Brokers whose deletion of the removed topic is not yet forgotten. */
  deletionsOfTopic(topicId: TopicId): ReadonlySet<BrokerId> {
    return this.#deletionsByTopic.get(topicId) ?? new Set()
  }
  deletionsOfBroker(brokerId: BrokerId): ReadonlySet<TopicId> {
    return this.#deletionsByBroker.get(brokerId) ?? new Set()
  }
  /** Existing topics whose name differs from this one in dots and underscores alone, or not at all. */
  colliding(topicName: string): ReadonlySet<string> {
    return this.#collisions.get(collisionKey(topicName)) ?? new Set()
  }

  /** `delta` is from the image this index stands for to the next one. */
  update(delta: Delta): void {
    const { base, view } = delta
    for (const [topicId, topic] of delta.removedTopics) {
      this.#name(topic.name, false)
      for (const partition of topic.partitions) this.#move({ ...topic, id: topicId }, partition)
    }
    for (const [topicId, partitions] of delta.changedPartitions) {
      const before = base.topicsById.get(topicId)
      const after = view.topicsById.get(topicId)
      if (after === undefined) continue
      for (const at of partitions) this.#move(after, before?.partitions[at], after.partitions[at])
    }
    for (const topicId of delta.changedTopics) {
      const topic = view.topicsById.get(topicId)
      if (topic !== undefined && !base.topicsById.has(topicId)) this.#name(topic.name, true)
    }
    for (const key of delta.changedDeletions) {
      const deletion = view.deletions.get(key) ?? base.deletions.get(key)
      if (deletion === undefined) continue
      this.#deletion(deletion.topicId, deletion.brokerId, view.deletions.has(key))
    }
  }

  #move(topic: TopicImage, before?: PartitionImage, after?: PartitionImage): void {
    const { id } = topic
    const at = (after ?? before)?.partition ?? 0
    if (before === undefined && after !== undefined) this.#partitionCount++
    if (before !== undefined && after === undefined) this.#partitionCount--
    if (before?.replicas !== after?.replicas) {
      for (const brokerId of before?.replicas ?? []) this.#host(brokerId).toggle(id, at, false)
      for (const brokerId of after?.replicas ?? []) this.#host(brokerId).toggle(id, at, true)
    }
    if (before !== undefined) this.#countLeader(before.leader, -1)
    if (after !== undefined) this.#countLeader(after.leader, 1)
    this.#leaderless.toggle(id, at, after !== undefined && after.leader === noLeader)
    this.#imbalanced.toggle(id, at, after !== undefined && after.leader !== after.replicas[0])
    this.#withElr.toggle(id, at, after?.elr !== undefined)
  }

  #host(brokerId: BrokerId): MutablePartitionSet {
    let hosted = this.#hosted.get(brokerId)
    if (hosted === undefined) {
      hosted = new MutablePartitionSet()
      this.#hosted.set(brokerId, hosted)
    }
    return hosted
  }

  #countLeader(leader: BrokerId, change: number): void {
    if (leader === noLeader) return
    this.#leaderships.set(leader, this.leadershipCount(leader) + change)
  }

  #name(topicName: string, exists: boolean): void {
    const key = collisionKey(topicName)
    const names = this.#collisions.get(key) ?? new Set()
    if (exists) names.add(topicName)
    else names.delete(topicName)
    if (names.size === 0) this.#collisions.delete(key)
    else this.#collisions.set(key, names)
  }

  #deletion(topicId: TopicId, brokerId: BrokerId, exists: boolean): void {
    toggleIn(this.#deletionsByTopic, topicId, brokerId, exists)
    toggleIn(this.#deletionsByBroker, brokerId, topicId, exists)
  }
}

function toggleIn<K, V>(sets: Map<K, Set<V>>, key: K, value: V, isMember: boolean): void {
  const set = sets.get(key) ?? new Set<V>()
  if (isMember) set.add(value)
  else set.delete(value)
  if (set.size === 0) sets.delete(key)
  else sets.set(key, set)
}
