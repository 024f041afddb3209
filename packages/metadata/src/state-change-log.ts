import { assert } from '@trimaran/common'
import type { BrokerId, LeaderEpoch, TopicId } from '@trimaran/common'
import type { BrokerImage, Image, PartitionImage, TopicImage } from './image-types.ts'
import { isLegalPartitionTransition, partitionPath, partitionStateOf } from './partition-states.ts'
import type { PartitionState } from './partition-states.ts'
import { deletionPath, derivedReplicaState, isBrokerActive, replicaPath } from './replica-states.ts'
import type { ReplicaState } from './replica-states.ts'

/** One hop of a state machine, as Kafka's state-change.log tells it. */
export type Transition =
  | {
      readonly kind: 'partition'
      readonly topicId: TopicId
      readonly topicName: string
      readonly partition: number
      readonly from: PartitionState
      readonly to: PartitionState
      readonly leader: BrokerId
      readonly leaderEpoch: LeaderEpoch
      readonly isr: readonly BrokerId[]
    }
  | {
      readonly kind: 'replica'
      readonly topicId: TopicId
      readonly topicName: string
      readonly partition: number
      readonly brokerId: BrokerId
      readonly from: ReplicaState
      readonly to: ReplicaState
    }
  /** Every replica on the broker at once: a broker that comes or goes is one fact, however many partitions it hosts. */
  | {
      readonly kind: 'replicasOfBroker'
      readonly brokerId: BrokerId
      readonly from: 'online' | 'offline'
      readonly to: 'online' | 'offline'
    }

export type TransitionListener = (transition: Transition) => void

type ReplicaName = {
  readonly topicId: TopicId
  readonly topicName: string
  readonly partition: number
  readonly brokerId: BrokerId
}

/** Expands what a record changes into legal hops, told one by one; throws AssertionError when there are none. */
export class StateChangeLog {
  /** Null: the hops are checked, and nobody is told. */
  readonly #tell: TransitionListener | null

  constructor(listener: TransitionListener | null = null) {
    this.#tell = listener
  }

  broker(
    brokerId: BrokerId,
    before: BrokerImage | undefined,
    after: BrokerImage | undefined,
  ): void {
    const from = isBrokerActive(before) ? 'online' : 'offline'
    const to = isBrokerActive(after) ? 'online' : 'offline'
    if (from !== to) this.#tell?.({ kind: 'replicasOfBroker', brokerId, from, to })
  }

  partition(
    topic: TopicImage,
    before: PartitionImage | undefined,
    after: PartitionImage,
    view: Image,
  ): void {
    this.#partitionHops(topic, before, after)
    const gone = before?.replicas.filter(id => !after.replicas.includes(id)) ?? []
    for (const brokerId of [...after.replicas, ...gone]) {
      const broker = view.brokers.get(brokerId)
      const from = derivedReplicaState(before, brokerId, broker)
      const to = derivedReplicaState(after, brokerId, broker)
      const path = replicaPath(from, to)
      if (path.length === 0 || this.#tell === null) continue
      const { partition } = after
      const name = { topicId: topic.id, topicName: topic.name, partition, brokerId }
      this.#replicaHops(name, from, path)
    }
  }

  /** The partitions end; their replicas are offline until their deletion is decided. */
  topicRemoved(topic: TopicImage, view: Image): void {
    for (const partition of topic.partitions) {
      for (const brokerId of partition.replicas) {
        const from = derivedReplicaState(partition, brokerId, view.brokers.get(brokerId))
        const name = {
          topicId: topic.id,
          topicName: topic.name,
          partition: partition.partition,
          brokerId,
        }
        this.#replicaHops(name, from, replicaPath(from, 'offline'))
      }
      let from = partitionStateOf(partition)
      for (const to of partitionPath(from, 'nonExistent')) {
        this.#tellPartition(topic, partition, from, to)
        from = to
      }
    }
  }

  deletion(
    deletion: Omit<ReplicaName, 'partition'> & { readonly partitions: readonly number[] },
    from: ReplicaState,
    to: ReplicaState,
  ): void {
    const path = deletionPath(from, to)
    const { topicId, topicName, brokerId } = deletion
    for (const partition of deletion.partitions) {
      this.#replicaHops({ topicId, topicName, partition, brokerId }, from, path)
    }
  }

  #partitionHops(
    topic: TopicImage,
    before: PartitionImage | undefined,
    after: PartitionImage,
  ): void {
    let from = partitionStateOf(before)
    const target = partitionStateOf(after)
    if (from === target && before?.leaderEpoch !== after.leaderEpoch) {
      assert(isLegalPartitionTransition(from, target), `no election in state ${from}`)
      this.#tellPartition(topic, after, from, target)
    }
    for (const to of partitionPath(from, target)) {
      this.#tellPartition(topic, after, from, to)
      from = to
    }
  }

  #tellPartition(
    topic: TopicImage,
    { partition, leader, leaderEpoch, isr }: PartitionImage,
    from: PartitionState,
    to: PartitionState,
  ): void {
    if (this.#tell === null) return
    const { id: topicId, name: topicName } = topic
    this.#tell({
      kind: 'partition',
      topicId,
      topicName,
      partition,
      from,
      to,
      leader,
      leaderEpoch,
      isr,
    })
  }

  #replicaHops(name: ReplicaName, start: ReplicaState, path: readonly ReplicaState[]): void {
    let from = start
    for (const to of path) {
      this.#tell?.({ kind: 'replica', ...name, from, to })
      from = to
    }
  }
}
