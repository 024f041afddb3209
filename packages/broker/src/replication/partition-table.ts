import { ByPartition, partitionKey } from '@trimaran/common'
import type { LeaderEpoch, TopicId } from '@trimaran/common'
import type { Image } from '@trimaran/metadata'
import { errorCodes } from '@trimaran/protocol'
import type { Partition } from './partition.ts'
import type { CurrentLeader } from './types.ts'

/** The replicas on this broker, by topic id: a topic that was removed and created again is another one (B72). */
export class PartitionTable {
  readonly #partitions = new ByPartition<Partition>()
  /** Hosted by the metadata, but stored bytes are not what they must be: nothing is served. */
  readonly damaged = new Set<string>()
  /** Since the last checkpoint of the high watermarks. */
  readonly highWatermarkMoved = new Set<Partition>()
  /** Whose topic asks for flushes by time or by count: by default none does. */
  readonly flushedInTime = new Set<Partition>()
  /** The newest metadata. */
  image: Image
  /** Null: not known since the last change. */
  #all: readonly Partition[] | null = null

  constructor(image: Image) {
    this.image = image
  }

  get size(): number {
    return this.#partitions.size
  }

  get(topicId: TopicId, partition: number): Partition | undefined {
    return this.#partitions.get(topicId, partition)
  }

  add(partition: Partition): void {
    this.#partitions.set(partition.topicId, partition.partition, partition)
    this.#all = null
    this.configured(partition)
  }

  configured(partition: Partition): void {
    const { flushMs, flushMessages } = partition.config.log
    const isFlushed = Math.min(flushMs, flushMessages) < Number.MAX_SAFE_INTEGER
    if (isFlushed) this.flushedInTime.add(partition)
    else this.flushedInTime.delete(partition)
  }

  remove(partition: Partition): void {
    if (!this.#partitions.delete(partition.topicId, partition.partition)) return
    this.#all = null
    this.highWatermarkMoved.delete(partition)
    this.flushedInTime.delete(partition)
  }

  /** As they are now: who goes over them may add and remove. */
  [Symbol.iterator](): IterableIterator<Partition> {
    this.#all ??= [...this.#partitions.values()]
    return this.#all.values()
  }

  ofTopic(topicId: TopicId): Iterable<Partition> {
    return this.#partitions.ofTopic(topicId)
  }

  /** Why a partition that is not hosted here cannot be served. */
  errorOfMissing(topicId: TopicId, partition: number): number {
    if (this.damaged.has(partitionKey(topicId, partition))) return errorCodes.KAFKA_STORAGE_ERROR
    const topic = this.image.topicsById.get(topicId)
    if (!topic) return errorCodes.UNKNOWN_TOPIC_ID
    return topic.partitions[partition] === undefined
      ? errorCodes.UNKNOWN_TOPIC_OR_PARTITION
      : errorCodes.NOT_LEADER_OR_FOLLOWER
  }

  /** As the metadata has it, for whoever asked in the wrong place (KIP-951). */
  currentLeader(topicId: TopicId, partition: number): CurrentLeader | undefined {
    const image = this.image.topicsById.get(topicId)?.partitions[partition]
    return image && { leaderId: image.leader, leaderEpoch: image.leaderEpoch }
  }
}

/** KIP-320: who asks with an older epoch must refresh, who asks with a newer one must wait for us. −1 does not ask. */
export function leaderEpochError(partition: Partition, currentLeaderEpoch: LeaderEpoch): number {
  if (currentLeaderEpoch < 0 || currentLeaderEpoch === partition.leaderEpoch) return errorCodes.NONE
  return currentLeaderEpoch < partition.leaderEpoch
    ? errorCodes.FENCED_LEADER_EPOCH
    : errorCodes.UNKNOWN_LEADER_EPOCH
}
