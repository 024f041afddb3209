import type { Image } from '@trimaran/metadata'
import type { ClusterIndex } from './cluster-index.ts'

/** Named after Kafka's `kafka.controller:type=KafkaController` metrics. */
export interface ControllerMetrics {
  /** 1 on the active controller, 0 elsewhere; the rest is 0 there. */
  readonly activeControllerCount: number
  /** Unfenced brokers, those in controlled shutdown included. */
  readonly activeBrokerCount: number
  readonly fencedBrokerCount: number
  readonly globalTopicCount: number
  readonly globalPartitionCount: number
  /** Partitions without a leader. */
  readonly offlinePartitionsCount: number
  /** Partitions that their first replica does not lead. */
  readonly preferredReplicaImbalanceCount: number
  readonly topicsToDeleteCount: number
  readonly replicasToDeleteCount: number
  readonly replicasIneligibleToDeleteCount: number
  /** Answers that wait for the quorum. */
  readonly pendingAnswerCount: number
}

export const metricsWhenInactive: ControllerMetrics = Object.freeze({
  activeControllerCount: 0,
  activeBrokerCount: 0,
  fencedBrokerCount: 0,
  globalTopicCount: 0,
  globalPartitionCount: 0,
  offlinePartitionsCount: 0,
  preferredReplicaImbalanceCount: 0,
  topicsToDeleteCount: 0,
  replicasToDeleteCount: 0,
  replicasIneligibleToDeleteCount: 0,
  pendingAnswerCount: 0,
})

/** O(brokers + deletions). */
export function metricsOf(
  image: Image,
  index: ClusterIndex,
  pendingAnswerCount: number,
): ControllerMetrics {
  let fencedBrokerCount = 0
  for (const broker of image.brokers.values()) if (broker.fenced) fencedBrokerCount++
  let replicasToDeleteCount = 0
  let replicasIneligibleToDeleteCount = 0
  for (const { partitions, state } of image.deletions.values()) {
    if (state !== 'successful') replicasToDeleteCount += partitions.length
    if (state === 'ineligible') replicasIneligibleToDeleteCount += partitions.length
  }
  return {
    activeControllerCount: 1,
    activeBrokerCount: image.brokers.size - fencedBrokerCount,
    fencedBrokerCount,
    globalTopicCount: image.topicsById.size,
    globalPartitionCount: index.partitionCount,
    offlinePartitionsCount: index.leaderlessCount,
    preferredReplicaImbalanceCount: index.imbalancedCount,
    topicsToDeleteCount: index.deletingTopicCount,
    replicasToDeleteCount,
    replicasIneligibleToDeleteCount,
    pendingAnswerCount,
  }
}
