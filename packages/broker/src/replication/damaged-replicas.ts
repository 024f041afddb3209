import { type ClusterError, noLeader, partitionKey, type TopicId } from '@trimaran/common'
import type { PartitionImage } from '@trimaran/metadata'
import type { ReplicationContext } from './context.ts'
import { isCounted } from './isr.ts'
import type { LostReplicas } from './lost-replicas.ts'
import type { Partition } from './partition.ts'

/** Whose new copy is damaged too has another problem, that further copies would only make larger. */
const onceInMs = 3_600_000

/**
 * Replicas that have met stored bytes which are not what was stored, while they run. Checksums keep those from being served,
 * and other replicas have them whole: a leader goes on with the rest of its log until another one leads that has all that is
 * committed, a follower on which others count stops fetching and asks to be taken out of the ISR and the ELR. Then the log is
 * set aside and fetched anew. A follower on which nobody counts follows on until somebody does: its leader may be about to take
 * it into the ISR, where an empty log must not be. As long as nobody else is in sync, or eligible and up, this replica is the
 * best there is, and stays. Bounded by the partitions of the broker.
 */
export class DamagedReplicas {
  readonly #context: ReplicationContext
  readonly #lost: LostReplicas
  readonly #unfollow: (partition: Partition) => void
  readonly #damaged = new Map<string, Pick<Partition, 'topicId' | 'partition'>>()
  /** When each began anew. */
  readonly #begunMs = new Map<string, number>()

  constructor(options: {
    readonly context: ReplicationContext
    readonly lost: LostReplicas
    readonly unfollow: (partition: Partition) => void
  }) {
    this.#context = options.context
    this.#lost = options.lost
    this.#unfollow = options.unfollow
  }

  has(topicId: TopicId, partition: number): boolean {
    return this.#damaged.size > 0 && this.#damaged.has(partitionKey(topicId, partition))
  }

  found(partition: Partition, error: ClusterError): void {
    const { topicId, topicName, partition: number } = partition
    const key = partitionKey(topicId, number)
    if (partition.failure || this.#damaged.has(key)) return
    const begunMs = this.#begunMs.get(key) ?? -Infinity
    if (this.#context.clock.monotonicMs() < begunMs + onceInMs) return
    this.#damaged.set(key, { topicId, partition: number })
    this.#context.logEvent('error', 'replica damaged', {
      topic: topicName,
      partition: number,
      role: partition.role,
      isr: partition.isr,
      err: error,
    })
    this.handOver(partition)
  }

  /** Others count on what it has. */
  mustLeave(topicId: TopicId, image: PartitionImage): boolean {
    return this.has(topicId, image.partition) && isCounted(image, this.#context.brokerId)
  }

  /** Whenever somebody else may have come to lead, or to be able to, or has begun to count on it. */
  handOver(partition: Partition): void {
    const { topicId, image } = partition
    if (!this.mustLeave(topicId, image)) return
    this.#unfollow(partition)
    this.#lost.giveUp(topicId, image.partition, { isServing: true })
  }

  /** Somebody who is eligible may be up now. */
  brokersChanged(): void {
    for (const { topicId, partition: number } of this.#damaged.values()) {
      const partition = this.#context.table.get(topicId, number)
      if (partition?.leading) this.handOver(partition)
    }
  }

  /** Whether the log may go: others have been told not to count on it, and do not. */
  mayBeginAnew(partition: Partition, image: PartitionImage): boolean {
    const { brokerId } = this.#context
    if (!this.has(partition.topicId, image.partition) || partition.following) return false
    const isLedElsewhere = image.leader !== brokerId && image.leader !== noLeader
    return isLedElsewhere && !this.mustLeave(partition.topicId, image)
  }

  /** The log was set aside. */
  begun(topicId: TopicId, partition: number): void {
    const key = partitionKey(topicId, partition)
    this.#damaged.delete(key)
    this.#begunMs.set(key, this.#context.clock.monotonicMs())
  }

  /** The replica is gone. */
  forget(topicId: TopicId, partition: number): void {
    const key = partitionKey(topicId, partition)
    this.#damaged.delete(key)
    this.#begunMs.delete(key)
  }
}
