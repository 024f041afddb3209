import type { ClassicGroup } from './group.ts'
import type { GroupHost } from './host.ts'
import { memberFromRecord } from './member.ts'
import { armSession, onSessionDeadline, prepareRebalance } from './rebalance.ts'
import type { GroupMetadata } from './records.ts'

/**
 * A group with members after the load of its coordinator. With assignments it is stable and its members go on with
 * their heartbeats. Without, the last coordinator died between the beginning of the generation and its assignment: the
 * members are asked to join again.
 */
export function restoreGroup(host: GroupHost, group: ClassicGroup, metadata: GroupMetadata): void {
  group.protocolType = metadata.protocolType || null
  for (const record of metadata.members) {
    const { memberId } = record
    const session = host.timer(group, () => onSessionDeadline(host, group, memberId))
    const member = memberFromRecord(record, metadata.protocolName, session)
    group.add(member)
    armSession(host, member)
  }
  const leader = metadata.leader === null ? undefined : group.member(metadata.leader)
  if (leader !== undefined) group.leaderId = leader.memberId
  if (metadata.members.some(member => member.assignment.length > 0)) {
    group.restore('Stable')
    if (group.size > host.config.maxSize)
      prepareRebalance(host, group, 'group is over its maximal size')
  } else {
    group.restore('PreparingRebalance')
    host.timers.arm(group.joinTimer, group.rebalanceTimeoutMs)
  }
}
