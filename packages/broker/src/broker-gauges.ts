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

const replicaGauges: readonly (readonly [name: string, count: CountOf])[] = [
  ['PartitionCount', 'partitionCount'],
  ['LeaderCount', 'leaderCount'],
  ['OfflineReplicaCount', 'offlineReplicaCount'],
  ['UnderReplicatedPartitions', 'underReplicatedPartitions'],
  ['UnderMinIsrPartitionCount', 'underMinIsrPartitionCount'],
  ['AtMinIsrPartitionCount', 'atMinIsrPartitionCount'],
]
const replicaCounters: readonly (readonly [name: string, count: CountOf])[] = [
  ['IsrShrinksPerSec', 'isrShrinks'],
  ['IsrExpandsPerSec', 'isrExpands'],
  ['FailedIsrUpdatesPerSec', 'failedIsrUpdates'],
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
  for (const [name, count] of replicaGauges) {
    registry.gauge(bean('kafka.server', 'ReplicaManager', name), () => replication()[count])
  }
  for (const [name, count] of replicaCounters) {
    registry.counted(bean('kafka.server', 'ReplicaManager', name), () => replication()[count])
  }
  const purgatory = bean('kafka.server', 'DelayedOperationPurgatory', 'PurgatorySize')
  registry.gauge(purgatory, () => replication().parkedProduces, { delayedOperation: 'Produce' })
  registry.gauge(purgatory, () => replication().parkedFetches, { delayedOperation: 'Fetch' })
  registry.gauge(
    bean('kafka.server', 'FetchSessionCache', 'NumIncrementalFetchSessions'),
    () => replication().fetchSessions,
  )
  registry.gauge(
    bean('kafka.server', 'ReplicaFetcherManager', 'MaxLag'),
    () => replication().maxLag,
  )
  registry.gauge(
    bean('kafka.server', 'KafkaServer', 'BrokerState'),
    () => stateNumbers[read.state()],
  )
  registerGroupGauges(registry, oncePerMoment(clock, read.groups))
}

function registerGroupGauges(registry: MetricsRegistry, groups: () => GroupStatus): void {
  const groupBean = (name: string): ReturnType<typeof bean> =>
    bean('kafka.coordinator.group', 'GroupMetadataManager', name)
  const countIn = (state: (typeof groupStates)[number]): number => groups().groupsByState[state]
  registry.gauge(groupBean('NumGroups'), () =>
    groupStates.reduce((sum, state) => sum + countIn(state), 0),
  )
  for (const state of groupStates) {
    registry.gauge(groupBean(`NumGroups${state}`), () => countIn(state))
  }
  registry.gauge(groupBean('NumPartitions'), () => groups().partitions)
  registry.gauge(groupBean('NumPartitionsLoading'), () => groups().loadingPartitions)
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
