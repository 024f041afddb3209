import type { Clock } from '@trimaran/common'
import type { GroupCoordinator } from '@trimaran/coordinator'
import type { LifecycleState } from './lifecycle.ts'
import { bean, type MetricsRegistry } from './metrics.ts'
import type { ReplicationStatus } from './replication/types.ts'

/** As Kafka's BrokerState numbers them. */
const stateNumbers: Readonly<Record<LifecycleState, number>> = {
  notRunning: 0,
  starting: 1,
  recovery: 2,
  running: 3,
  pendingControlledShutdown: 6,
  shuttingDown: 7,
}

type CountOf = keyof ReplicationStatus
type GroupStatus = ReturnType<GroupCoordinator['status']>

const groupStates = [
  'PreparingRebalance',
  'CompletingRebalance',
  'Stable',
  'Dead',
  'Empty',
] as const satisfies readonly (keyof GroupStatus['groupsByState'])[]

const replicaGauges: readonly (readonly [name: string, count: CountOf, help: string])[] = [
  ['PartitionCount', 'partitionCount', 'Replicas on this broker'],
  ['LeaderCount', 'leaderCount', 'Partitions led here'],
  ['OfflineReplicaCount', 'offlineReplicaCount', 'Replicas whose log failed or is damaged'],
  [
    'UnderReplicatedPartitions',
    'underReplicatedPartitions',
    'Led here with fewer in sync than assigned',
  ],
  ['UnderMinIsrPartitionCount', 'underMinIsrPartitionCount', 'Led here, below min.insync.replicas'],
  ['AtMinIsrPartitionCount', 'atMinIsrPartitionCount', 'Led here, exactly at min.insync.replicas'],
]
const replicaCounters: readonly (readonly [name: string, count: CountOf, help: string])[] = [
  ['IsrShrinksPerSec', 'isrShrinks', 'Replicas that fell out of sync'],
  ['IsrExpandsPerSec', 'isrExpands', 'Replicas that came in sync'],
  ['FailedIsrUpdatesPerSec', 'failedIsrUpdates', 'ISR changes that the controller refused'],
]

/** What a broker is rather than what it did: read when somebody looks. */
export function registerBrokerGauges(
  registry: MetricsRegistry,
  clock: Clock,
  read: {
    readonly state: () => LifecycleState
    readonly replication: () => ReplicationStatus
    readonly groups: () => GroupStatus
  },
): void {
  const replication = oncePerMoment(clock, read.replication)
  for (const [name, count, help] of replicaGauges) {
    registry.gauge(bean('kafka.server', 'ReplicaManager', name, help), () => replication()[count])
  }
  for (const [name, count, help] of replicaCounters) {
    registry.counted(bean('kafka.server', 'ReplicaManager', name, help), () => replication()[count])
  }
  const purgatory = bean(
    'kafka.server',
    'DelayedOperationPurgatory',
    'PurgatorySize',
    'Requests that wait',
  )
  registry.gauge(purgatory, () => replication().parkedProduces, { delayedOperation: 'Produce' })
  registry.gauge(purgatory, () => replication().parkedFetches, { delayedOperation: 'Fetch' })
  registry.gauge(
    bean(
      'kafka.server',
      'FetchSessionCache',
      'NumIncrementalFetchSessions',
      'Followers that fetch from this broker',
    ),
    () => replication().fetchSessions,
  )
  registry.gauge(
    bean(
      'kafka.server',
      'ReplicaFetcherManager',
      'MaxLag',
      'Records that the slowest replica here is behind its leader',
    ),
    () => replication().maxLag,
  )
  registry.gauge(
    bean(
      'kafka.server',
      'KafkaServer',
      'BrokerState',
      '1 starting, 2 recovery, 3 running, 6 handing over, 7 shutting down',
    ),
    () => stateNumbers[read.state()],
  )
  registerGroupGauges(registry, oncePerMoment(clock, read.groups))
}

function registerGroupGauges(registry: MetricsRegistry, groups: () => GroupStatus): void {
  const groupBean = (name: string, help: string): ReturnType<typeof bean> =>
    bean('kafka.coordinator.group', 'GroupMetadataManager', name, help)
  const countIn = (state: (typeof groupStates)[number]): number => groups().groupsByState[state]
  registry.gauge(groupBean('NumGroups', 'Groups coordinated here'), () =>
    groupStates.reduce((sum, state) => sum + countIn(state), 0),
  )
  for (const state of groupStates) {
    registry.gauge(groupBean(`NumGroups${state}`, `Of these, in state ${state}`), () =>
      countIn(state),
    )
  }
  registry.gauge(
    groupBean('NumPartitions', 'Partitions of __consumer_offsets led here'),
    () => groups().partitions,
  )
  registry.gauge(
    groupBean('NumPartitionsLoading', 'Of these, still being read'),
    () => groups().loadingPartitions,
  )
}

/** A look reads a dozen numbers of one walk over the partitions. */
function oncePerMoment<T>(clock: Clock, read: () => T): () => T {
  let readAtMs = Number.NEGATIVE_INFINITY
  let value: T
  return () => {
    const nowMs = clock.monotonicMs()
    if (nowMs - readAtMs > 10) {
      value = read()
      readAtMs = nowMs
    }
    return value
  }
}
