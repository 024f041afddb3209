import type { BrokerEpoch, BrokerId, Clock, LogEvent, Random } from '@trimaran/common'
import type { ReplicationMetrics } from '../metrics.ts'
import type { PartitionEvents } from './partition-events.ts'
import type { PartitionTable } from './partition-table.ts'
import type { TimerQueue } from './timers.ts'
import type { ReplicaConfig, ReplicationBug } from './types.ts'

/** What the parts of replication share. */
export interface ReplicationContext {
  readonly brokerId: BrokerId
  readonly clock: Clock
  readonly random: Random
  readonly timers: TimerQueue
  readonly table: PartitionTable
  readonly config: ReplicaConfig
  readonly logEvent: LogEvent
  readonly metrics: ReplicationMetrics
  readonly events: PartitionEvents
  readonly brokerEpoch: () => BrokerEpoch
  readonly bugs: ReadonlySet<ReplicationBug>
}
