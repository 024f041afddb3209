import { assert, noLeader } from '@trimaran/common'
import type { BrokerId } from '@trimaran/common'
import type { Image, PartitionImage } from './image-types.ts'
import type { PartitionChangeRecord, PartitionRecord } from './records.ts'
import { isBrokerActive } from './replica-states.ts'
import { sharedIds } from './shared.ts'

/** Without members it is absent: most partitions have neither. */
const eligibleFields = (
  elr: readonly BrokerId[] = [],
  lastKnownElr: readonly BrokerId[] = [],
): Pick<PartitionImage, 'elr' | 'lastKnownElr'> => ({
  ...(elr.length === 0 ? {} : { elr }),
  ...(lastKnownElr.length === 0 ? {} : { lastKnownElr }),
})

export function newPartition(record: PartitionRecord): PartitionImage {
  return {
    partition: record.partition,
    replicas: sharedIds(record.replicas),
    isr: sharedIds(record.isr),
    addingReplicas: sharedIds(record.addingReplicas),
    removingReplicas: sharedIds(record.removingReplicas),
    leader: record.leader,
    leaderEpoch: record.leaderEpoch,
    partitionEpoch: record.partitionEpoch,
    recovering: record.recovering,
    ...eligibleFields(record.elr, record.lastKnownElr),
  }
}

/** A leader in the record is an election, and raises the leader epoch even when it names the same broker. */
export function changedPartition(
  before: PartitionImage,
  record: PartitionChangeRecord,
): PartitionImage {
  return {
    partition: before.partition,
    replicas: sharedIds(record.replicas ?? before.replicas, before.replicas),
    isr: sharedIds(record.isr ?? before.isr, before.isr),
    addingReplicas: sharedIds(
      record.addingReplicas ?? before.addingReplicas,
      before.addingReplicas,
    ),
    removingReplicas: sharedIds(
      record.removingReplicas ?? before.removingReplicas,
      before.removingReplicas,
    ),
    leader: record.leader ?? before.leader,
    leaderEpoch: record.leader === undefined ? before.leaderEpoch : before.leaderEpoch + 1,
    partitionEpoch: before.partitionEpoch + 1,
    recovering: record.recovering ?? before.recovering,
    ...eligibleFields(record.elr ?? before.elr, record.lastKnownElr ?? before.lastKnownElr),
  }
}

const isSubset = (part: readonly BrokerId[], whole: readonly BrokerId[]): boolean =>
  part.every((id, at) => whole.includes(id) && part.indexOf(id) === at)

/** What holds after every record of a partition (KIP-841, KIP-966). */
export function checkPartition(topicName: string, partition: PartitionImage, view: Image): void {
  const { replicas, isr, leader, elr = [], lastKnownElr = [] } = partition
  // Said only when it does not hold: there are ten thousand of these when a broker dies.
  const rule = (holds: boolean, before: string, after: string): void => {
    if (!holds) assert(false, `${before}${topicName}-${partition.partition}${after}`)
  }
  const isActive = (id: BrokerId): boolean => isBrokerActive(view.brokers.get(id))
  rule(replicas.length > 0, '', ' has replicas')
  rule(isSubset(replicas, replicas), '', ' has each replica once')
  rule(isSubset(isr, replicas), 'the ISR of ', ' is part of its replicas')
  rule(isSubset(elr, replicas), 'the ELR of ', ' is part of its replicas')
  rule(!elr.some(id => isr.includes(id)), 'the ELR of ', ' is disjoint from its ISR')
  rule(isSubset(lastKnownElr, replicas), 'the last known ELR of ', ' is part of its replicas')
  rule(isSubset(partition.addingReplicas, replicas), '', ' adds replicas it has')
  rule(isSubset(partition.removingReplicas, replicas), '', ' removes replicas it has')
  rule(partition.removingReplicas.length < replicas.length, '', ' keeps a replica')
  if (leader === noLeader) return
  rule(isr.includes(leader), 'the leader of ', ' is in its ISR')
  rule(isr.every(isActive), 'the ISR of ', ' is unfenced and not shutting down')
}
