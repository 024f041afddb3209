import { bean } from '@trimaran/broker'
import type { MetricsRegistry } from '@trimaran/broker'
import type { Controller } from '@trimaran/controller'
import type { RaftDriver } from '@trimaran/raft'

const controllerGauges = [
  ['ActiveControllerCount', 'activeControllerCount'],
  ['ActiveBrokerCount', 'activeBrokerCount'],
  ['FencedBrokerCount', 'fencedBrokerCount'],
  ['GlobalTopicCount', 'globalTopicCount'],
  ['GlobalPartitionCount', 'globalPartitionCount'],
  ['OfflinePartitionsCount', 'offlinePartitionsCount'],
  ['PreferredReplicaImbalanceCount', 'preferredReplicaImbalanceCount'],
  ['TopicsToDeleteCount', 'topicsToDeleteCount'],
  ['ReplicasToDeleteCount', 'replicasToDeleteCount'],
  ['ReplicasIneligibleToDeleteCount', 'replicasIneligibleToDeleteCount'],
  ['PendingAnswerCount', 'pendingAnswerCount'],
] as const

/** The quorum and the controller, read when somebody looks. Every voter has the controller's; only one says 1. */
export function registerNodeGauges(
  registry: MetricsRegistry,
  raft: RaftDriver,
  controller: Controller | null,
): void {
  const quorum = (name: string) => bean('kafka.server', 'raft-metrics', name)
  registry.gauge(quorum('current-leader'), () => raft.status.leaderId ?? -1)
  registry.gauge(quorum('current-epoch'), () => raft.status.epoch)
  registry.gauge(quorum('high-watermark'), () => raft.status.highWatermark)
  registry.gauge(quorum('log-end-offset'), () => raft.status.logEndOffset)
  registry.gauge(quorum('number-of-voters'), () => raft.status.voters.length)
  if (controller === null) return
  for (const [name, count] of controllerGauges) {
    registry.gauge(
      bean('kafka.controller', 'KafkaController', name),
      () => controller.metrics[count],
    )
  }
}
