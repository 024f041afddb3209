import { assert } from '@trimaran/common'
import type { BrokerId, TopicId } from '@trimaran/common'
import type { BrokerImage, Image, PartitionImage, ReplicaDeletionImage } from './image-types.ts'
import { isLegal, legalPaths, type TransitionTable } from './transitions.ts'

/**
 * What a replica (one broker's copy of one partition) can be. The first three follow from the partition and the broker;
 * the deletion states are records of their own, since the topic they belong to is gone.
 */
export type ReplicaState =
  | 'nonExistent'
  /** Assigned, and the partition has no in-sync replica yet. */
  | 'new'
  /** On a broker that is registered, unfenced and not shutting down. */
  | 'online'
  | 'offline'
  | 'deletionStarted'
  | 'deletionSuccessful'
  /** Its broker is away; deletion starts again when it returns. */
  | 'deletionIneligible'

/** The 14 legal transitions of Kafka's ReplicaStateMachine (kafka.controller, up to 3.x). */
export const replicaTransitions: TransitionTable<ReplicaState> = Object.freeze({
  new: Object.freeze(['nonExistent'] as const),
  online: Object.freeze(['new', 'online', 'offline', 'deletionIneligible'] as const),
  offline: Object.freeze(['new', 'online', 'offline', 'deletionIneligible'] as const),
  deletionStarted: Object.freeze(['offline'] as const),
  deletionSuccessful: Object.freeze(['deletionStarted'] as const),
  deletionIneligible: Object.freeze(['offline', 'deletionStarted'] as const),
  nonExistent: Object.freeze(['deletionSuccessful'] as const),
})

export const isLegalReplicaTransition = (from: ReplicaState, to: ReplicaState): boolean =>
  isLegal(replicaTransitions, from, to)

/**
 * The hops between two states that records imply; throws AssertionError when there is no legal way. A replica that a
 * reassignment takes away walks the deletion states at once, as in Kafka, without its broker's acknowledgement.
 */
export const replicaPath: (from: ReplicaState, to: ReplicaState) => readonly ReplicaState[] =
  legalPaths(replicaTransitions, 'nonExistent')

export const deletionKey = (topicId: TopicId, brokerId: BrokerId): string =>
  `${topicId}/${brokerId}`

export function replicaStateOfDeletion(deletion: ReplicaDeletionImage): ReplicaState {
  switch (deletion.state) {
    case 'started':
      return 'deletionStarted'
    case 'ineligible':
      return 'deletionIneligible'
    case 'successful':
      return 'deletionSuccessful'
  }
}

/** Whether replicas on the broker are online: it may lead and be in sync. */
export const isBrokerActive = (broker: BrokerImage | undefined): boolean =>
  broker !== undefined && !broker.fenced && !broker.inControlledShutdown

export function derivedReplicaState(
  partition: PartitionImage | undefined,
  brokerId: BrokerId,
  broker: BrokerImage | undefined,
): ReplicaState {
  if (partition === undefined || !partition.replicas.includes(brokerId)) return 'nonExistent'
  if (partition.isr.length === 0) return 'new'
  return isBrokerActive(broker) ? 'online' : 'offline'
}

/** Of one replica in the picture; `nonExistent` for what was never there. */
export function replicaStateOf(
  image: Image,
  topicId: TopicId,
  partition: number,
  brokerId: BrokerId,
): ReplicaState {
  const deletion = image.deletions.get(deletionKey(topicId, brokerId))
  if (deletion !== undefined && deletion.partitions.includes(partition)) {
    return replicaStateOfDeletion(deletion)
  }
  const found = image.topicsById.get(topicId)?.partitions[partition]
  return derivedReplicaState(found, brokerId, image.brokers.get(brokerId))
}

/**
 * Of a deletion's own states. They are told by the brokers one by one, so none but `offline` (the returning broker's
 * instant) is passed through unsaid.
 */
export function deletionPath(from: ReplicaState, to: ReplicaState): readonly ReplicaState[] {
  const path = replicaPath(from, to)
  const unsaid = path.slice(0, -1)
  assert(
    path.length > 0 && unsaid.every(state => state === 'offline'),
    `illegal transition from ${from} to ${to}`,
  )
  return path
}
