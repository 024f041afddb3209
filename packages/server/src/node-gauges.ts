import { bean } from '@trimaran/broker'
import type { MetricsRegistry } from '@trimaran/broker'
import type { Controller } from '@trimaran/controller'
import type { RaftDriver } from '@trimaran/raft'

const controllerGauges = [
  ['ActiveControllerCount', 'activeControllerCount', '1 on the active controller'],
  ['ActiveBrokerCount', 'activeBrokerCount', 'Brokers that are not fenced'],
  ['FencedBrokerCount', 'fencedBrokerCount', 'Brokers that are fenced'],
  ['GlobalTopicCount', 'globalTopicCount', 'Topics of the cluster'],
  ['GlobalPartitionCount', 'globalPartitionCount', 'Partitions of the cluster'],
  ['OfflinePartitionsCount', 'offlinePartitionsCount', 'Partitions without a leader'],
  [
    'PreferredReplicaImbalanceCount',
    'preferredReplicaImbalanceCount',
    'Partitions that their first replica does not lead',
  ],
  ['TopicsToDeleteCount', 'topicsToDeleteCount', 'Topics being deleted'],
  ['ReplicasToDeleteCount', 'replicasToDeleteCount', 'Replicas being deleted'],
  [
    'ReplicasIneligibleToDeleteCount',
    'replicasIneligibleToDeleteCount',
    'Of these, on brokers that cannot be reached',
  ],
  ['PendingAnswerCount', 'pendingAnswerCount', 'Answers that wait for the quorum'],
] as const

/** The quorum and the controller, read when somebody looks. Every voter has the controller's; only one says 1. */
export function registerNodeGauges(
  registry: MetricsRegistry,
  raft: RaftDriver,
  controller: Controller | null,
): void {
  const quorum = (name: string, help: string) => bean('kafka.server', 'raft-metrics', name, help)
  registry.gauge(
    quorum('current-leader', 'Node that leads the quorum; -1: none known'),
    () => raft.status.leaderId ?? -1,
  )
  registry.gauge(quorum('current-epoch', 'Epoch of the quorum'), () => raft.status.epoch)
  registry.gauge(
    quorum('high-watermark', 'End of what the quorum has committed'),
    () => raft.status.highWatermark,
  )
  registry.gauge(
    quorum('log-end-offset', 'End of the quorum log here'),
    () => raft.status.logEndOffset,
  )
  registry.gauge(
    quorum('number-of-voters', 'Voters of the quorum'),
    () => raft.status.voters.length,
  )
  if (controller === null) return
  for (const [name, count, help] of controllerGauges) {
    registry.gauge(
      bean('kafka.controller', 'KafkaController', name, help),
      () => controller.metrics[count],
    )
  }
}
