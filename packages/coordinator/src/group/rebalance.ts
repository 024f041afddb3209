import { emptyBytes } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import type { JoinGroupResponse, SyncGroupResponse } from '../requests.ts'
import type { ClassicGroup } from './group.ts'
import { coordinatorError } from './host.ts'
import type { GroupHost } from './host.ts'
import { metadataFor, recordOf } from './member.ts'
import type { Member } from './member.ts'
import type { GroupRecord } from './records.ts'

/**
 * The life of a generation: PreparingRebalance → CompletingRebalance → Stable, or → Empty.
 *
 * A generation begins with a record that has its number, its members and no assignments yet, and is announced to the
 * members only once that is committed. So a coordinator that takes over never gives the same number to a second
 * generation, and finds out that the members have to join again. (Kafka writes the record with the assignments alone.)
 */

/** How soon the end of an empty group is written again after the log refused it. */
const emptyGroupRetryMs = 1000

export function maybePrepareRebalance(host: GroupHost, group: ClassicGroup, reason: string): void {
  if (group.state === 'PreparingRebalance') maybeCompleteJoin(host, group)
  else prepareRebalance(host, group, reason)
}

export function prepareRebalance(host: GroupHost, group: ClassicGroup, reason: string): void {
  if (group.state === 'CompletingRebalance')
    failSyncs(host, group, errorCodes.REBALANCE_IN_PROGRESS)
  host.timers.disarm(group.syncTimer)
  group.pendingSync.clear()
  const isInitial = group.state === 'Empty'
  group.transitionTo('PreparingRebalance')
  host.logEvent('info', 'group rebalance begins', {
    groupId: group.groupId,
    generationId: group.generation,
    members: group.size,
    reason,
  })
  if (isInitial && host.config.initialRebalanceDelayMs > 0) {
    const delayMs = host.config.initialRebalanceDelayMs
    group.initialDelayLeftMs = Math.max(group.rebalanceTimeoutMs - delayMs, 0)
    group.joinedDuringDelay = false
    host.timers.arm(group.joinTimer, delayMs)
  } else {
    host.timers.arm(group.joinTimer, group.rebalanceTimeoutMs)
    maybeCompleteJoin(host, group)
  }
}

export function maybeCompleteJoin(host: GroupHost, group: ClassicGroup): void {
  if (group.state !== 'PreparingRebalance' || group.initialDelayLeftMs !== null) return
  if (group.everyoneJoined) completeJoin(host, group)
}

/** The deadline of PreparingRebalance. While an empty group fills, it moves as long as members keep coming. */
export function onJoinDeadline(host: GroupHost, group: ClassicGroup): void {
  if (group.state !== 'PreparingRebalance') return
  const leftMs = group.initialDelayLeftMs
  if (leftMs !== null && leftMs > 0 && group.joinedDuringDelay) {
    const delayMs = Math.min(host.config.initialRebalanceDelayMs, leftMs)
    group.joinedDuringDelay = false
    group.initialDelayLeftMs = leftMs - delayMs
    host.timers.arm(group.joinTimer, delayMs)
  } else {
    completeJoin(host, group)
  }
}

function completeJoin(host: GroupHost, group: ClassicGroup): void {
  host.timers.disarm(group.joinTimer)
  group.initialDelayLeftMs = null
  for (const member of group.members()) {
    if (member.parkedJoin === null && member.groupInstanceId === null) {
      drop(host, group, member, 'did not join in time')
    }
  }
  if (group.size === 0) {
    becomeEmpty(host, group)
  } else if (electJoinedLeader(group)) {
    beginGeneration(host, group)
  } else {
    // Only static members that did not come back are left: their sessions decide.
    host.timers.arm(group.joinTimer, group.rebalanceTimeoutMs)
  }
}

/** The leader must be someone who is there to compute an assignment. False: nobody is. */
function electJoinedLeader(group: ClassicGroup): boolean {
  const leader = group.leaderId === null ? undefined : group.member(group.leaderId)
  if (leader !== undefined && leader.parkedJoin !== null) return true
  for (const member of group.members()) {
    if (member.parkedJoin === null) continue
    group.leaderId = member.memberId
    return true
  }
  return false
}

function becomeEmpty(host: GroupHost, group: ClassicGroup): void {
  const record = generationRecord(host, group, {
    generation: group.generation + 1,
    protocolName: null,
  })
  host.write(group, [record], {
    settled: errorCode => {
      if (errorCode !== errorCodes.NONE) {
        host.timers.arm(group.joinTimer, emptyGroupRetryMs)
        return
      }
      group.transitionTo('Empty')
      group.leaderId = null
      host.logEvent('info', 'group is empty', {
        groupId: group.groupId,
        generationId: group.generation,
      })
    },
  })
}

function beginGeneration(host: GroupHost, group: ClassicGroup): void {
  const generation = group.generation + 1
  const record = generationRecord(host, group, { generation, protocolName: group.selectProtocol() })
  host.write(group, [record], {
    settled: errorCode => {
      if (errorCode !== errorCodes.NONE) {
        failJoins(host, group, coordinatorError(errorCode))
        host.timers.arm(group.joinTimer, Math.max(group.rebalanceTimeoutMs, emptyGroupRetryMs))
        return
      }
      group.transitionTo('CompletingRebalance')
      for (const member of group.members()) member.assignment = emptyBytes
      for (const member of group.members()) {
        group.pendingSync.add(member.memberId)
        const join = group.takeParkedJoin(member)
        // A static member that has not come back keeps the deadline it has.
        if (join !== null || member.isNew) armSession(host, member)
        member.isNew = false
        join?.reply(joinResponse(group, member))
      }
      host.timers.arm(group.syncTimer, group.rebalanceTimeoutMs)
      host.logEvent('info', 'group generation begins', {
        groupId: group.groupId,
        generationId: group.generation,
        members: group.size,
        protocol: group.protocolName,
      })
    },
  })
}

/** The group as it is to be stored, with assignments or without. */
export function generationRecord(
  host: GroupHost,
  group: ClassicGroup,
  next: {
    readonly generation: number
    readonly protocolName: string | null
    readonly assignments?: ReadonlyMap<string, Uint8Array>
    readonly members?: readonly Member[]
    readonly leader?: string | null
  },
): GroupRecord {
  const { generation, protocolName, assignments } = next
  const members = next.members ?? [...group.members()]
  return {
    kind: 'group',
    groupId: group.groupId,
    value: {
      protocolType: group.protocolType ?? '',
      generation,
      protocolName,
      leader: members.length === 0 ? null : (next.leader ?? group.leaderId),
      currentStateTimestampMs: host.wallMs(),
      members: members.map(member =>
        recordOf(member, protocolName, assignments?.get(member.memberId) ?? emptyBytes),
      ),
    },
  }
}

/** What a member of the current generation is told; the leader learns of everyone. */
export function joinResponse(group: ClassicGroup, member: Member): JoinGroupResponse {
  const isLeader = group.leaderId === member.memberId
  return {
    errorCode: errorCodes.NONE,
    generationId: group.generation,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    leader: group.leaderId ?? '',
    skipAssignment: false,
    memberId: member.memberId,
    members: isLeader ? membersForLeader(group) : [],
  }
}

export const membersForLeader = (group: ClassicGroup): JoinGroupResponse['members'] =>
  [...group.members()].map(member => ({
    memberId: member.memberId,
    groupInstanceId: member.groupInstanceId,
    metadata: metadataFor(member, group.protocolName),
  }))

export const joinError = (errorCode: number, memberId: string): JoinGroupResponse => ({
  errorCode,
  generationId: -1,
  protocolType: null,
  protocolName: null,
  leader: '',
  skipAssignment: false,
  memberId,
  members: [],
})

export const syncError = (errorCode: number): SyncGroupResponse => ({
  errorCode,
  protocolType: null,
  protocolName: null,
  assignment: emptyBytes,
})

export function armSession(host: GroupHost, member: Member): void {
  host.timers.arm(member.session, member.sessionTimeoutMs)
}

/** Answers whoever is parked in a JoinGroup, and drops those who could never find back to their id. */
export function failJoins(host: GroupHost, group: ClassicGroup, errorCode: number): void {
  for (const member of group.members()) {
    const join = group.takeParkedJoin(member)
    if (join === null) continue
    if (join.learnsMemberId && member.isNew) drop(host, group, member, 'was never told its id')
    else armSession(host, member)
    join.reply(joinError(errorCode, member.memberId))
  }
}

/** Answers whoever is parked in a SyncGroup. */
export function failSyncs(host: GroupHost, group: ClassicGroup, errorCode: number): void {
  for (const member of group.members()) {
    const reply = member.parkedSync
    member.parkedSync = null
    if (reply === null) continue
    armSession(host, member)
    reply(syncError(errorCode))
  }
}

/** Takes a member out, with all that waits for it, and nothing more: the caller knows what the group does next. */
export function drop(host: GroupHost, group: ClassicGroup, member: Member, reason: string): void {
  host.timers.disarm(member.session)
  // It may still be there, only late: it shall try again under a new id.
  group.takeParkedJoin(member)?.reply(joinError(errorCodes.UNKNOWN_MEMBER_ID, ''))
  member.parkedSync?.(syncError(errorCodes.UNKNOWN_MEMBER_ID))
  member.parkedSync = null
  group.remove(member.memberId)
  host.logEvent('info', 'group member removed', {
    groupId: group.groupId,
    memberId: member.memberId,
    groupInstanceId: member.groupInstanceId,
    reason,
  })
}

/** Takes a member out and lets the others go on. */
export function removeMember(
  host: GroupHost,
  group: ClassicGroup,
  member: Member,
  reason: string,
): void {
  drop(host, group, member, reason)
  afterRemoval(host, group, reason)
}

export function afterRemoval(host: GroupHost, group: ClassicGroup, reason: string): void {
  switch (group.state) {
    case 'Stable':
    case 'CompletingRebalance':
      prepareRebalance(host, group, `member ${reason}`)
      break
    case 'PreparingRebalance':
      maybeCompleteJoin(host, group)
      break
    case 'Empty':
    case 'Dead':
      break
    default:
      group.state satisfies never
  }
}

export function onSessionDeadline(host: GroupHost, group: ClassicGroup, memberId: string): void {
  const member = group.member(memberId)
  if (member === undefined) return
  // Who is parked with us is alive as far as we can see; only a first join has a deadline of its own.
  const isParked = member.parkedJoin !== null || member.parkedSync !== null
  if (isParked && !member.isNew) return
  removeMember(host, group, member, 'session expired')
}

export function onPendingDeadline(host: GroupHost, group: ClassicGroup, memberId: string): void {
  if (!group.pendingMembers.delete(memberId)) return
  maybeCompleteJoin(host, group)
}

/** Members that joined the generation and never asked for their part are taken for gone. */
export function onSyncDeadline(host: GroupHost, group: ClassicGroup): void {
  if (group.state !== 'CompletingRebalance' && group.state !== 'Stable') return
  if (group.pendingSync.size === 0) return
  for (const memberId of group.pendingSync) {
    drop(host, group, group.mustMember(memberId), 'did not sync in time')
  }
  prepareRebalance(host, group, 'members did not sync in time')
}
