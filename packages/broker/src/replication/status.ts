import type { PartitionTable } from './partition-table.ts'
import type { ReplicationStatus } from './types.ts'

/** O(partitions), so for scrapes, not for requests. */
export function statusOf(
  table: PartitionTable,
  counted: Omit<
    ReplicationStatus,
    | 'partitionCount'
    | 'leaderCount'
    | 'offlineReplicaCount'
    | 'underReplicatedPartitions'
    | 'underMinIsrPartitionCount'
    | 'atMinIsrPartitionCount'
    | 'maxLag'
  >,
): ReplicationStatus {
  let leaderCount = 0
  let offlineReplicaCount = table.damaged.size
  let underReplicatedPartitions = 0
  let underMinIsrPartitionCount = 0
  let atMinIsrPartitionCount = 0
  let maxLag = 0
  for (const { leading, following, failure } of table) {
    if (failure) offlineReplicaCount++
    if (following) maxLag = Math.max(maxLag, following.lag)
    if (!leading) continue
    leaderCount++
    const inSync = leading.isrState.isr.size
    if (leading.isUnderReplicated) underReplicatedPartitions++
    if (inSync < leading.effectiveMinIsr) underMinIsrPartitionCount++
    if (inSync === leading.effectiveMinIsr) atMinIsrPartitionCount++
  }
  return {
    ...counted,
    partitionCount: table.size,
    leaderCount,
    offlineReplicaCount,
    underReplicatedPartitions,
    underMinIsrPartitionCount,
    atMinIsrPartitionCount,
    maxLag,
  }
}
