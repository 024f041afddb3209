import { errorCodes } from '@trimaran/protocol'
import type {
  HeartbeatRequest,
  LeaveGroupRequest,
  LeaveGroupResponse,
  SyncGroupRequest,
  SyncGroupResponse,
} from '../requests.ts'
import type { ClassicGroup } from './group.ts'
import { coordinatorError } from './host.ts'
import type { GroupHost } from './host.ts'
import { takePending } from './join.ts'
import type { Member, Reply } from './member.ts'
import {
  afterRemoval,
  armSession,
  drop,
  failSyncs,
  generationRecord,
  maybeCompleteJoin,
  prepareRebalance,
  syncError,
} from './rebalance.ts'

/** What follows a join: SyncGroup, Heartbeat, LeaveGroup. */

export function sync(
  host: GroupHost,
  group: ClassicGroup,
  request: SyncGroupRequest,
  reply: Reply<SyncGroupResponse>,
): void {
  const errorCode = syncRequestError(group, request)
  if (errorCode !== errorCodes.NONE) {
    reply(syncError(errorCode))
    return
  }
  const member = group.mustMember(request.memberId)
  switch (group.state) {
    case 'Empty':
    case 'Dead':
      reply(syncError(errorCodes.UNKNOWN_MEMBER_ID))
      break
    case 'PreparingRebalance':
      reply(syncError(errorCodes.REBALANCE_IN_PROGRESS))
      break
    case 'CompletingRebalance':
      // A retry of the same member: the earlier answer would go to a connection that it has left.
      member.parkedSync?.(syncError(errorCodes.REBALANCE_IN_PROGRESS))
      member.parkedSync = reply
      group.pendingSync.delete(member.memberId)
      if (group.leaderId === member.memberId) storeAssignments(host, group, request)
      break
    case 'Stable':
      group.pendingSync.delete(member.memberId)
      armSession(host, member)
      reply(syncResponse(group, member))
      break
    default:
      group.state satisfies never
  }
}

function syncRequestError(group: ClassicGroup, request: SyncGroupRequest): number {
  const errorCode = group.checkGeneration(request)
  if (errorCode !== errorCodes.NONE) return errorCode
  // KIP-559: both must be what the group agreed on, where the client says them.
  const otherType = request.protocolType !== null && request.protocolType !== group.protocolType
  const otherName = request.protocolName !== null && request.protocolName !== group.protocolName
  return otherType || otherName ? errorCodes.INCONSISTENT_GROUP_PROTOCOL : errorCodes.NONE
}

/** Nobody hears of an assignment before it is stored: it must not be taken back by a failure of the coordinator. */
function storeAssignments(host: GroupHost, group: ClassicGroup, request: SyncGroupRequest): void {
  const assignments = new Map<string, Uint8Array>()
  for (const { memberId, assignment } of request.assignments) {
    // What the leader says of those who are not here is nobody's business.
    if (group.member(memberId) !== undefined) assignments.set(memberId, assignment.slice())
  }
  const { generation, protocolName } = group
  const record = generationRecord(host, group, { generation, protocolName, assignments })
  host.write(group, [record], {
    settled: writeError => {
      if (writeError !== errorCodes.NONE) {
        failSyncs(host, group, coordinatorError(writeError))
        prepareRebalance(host, group, 'assignment could not be stored')
        return
      }
      group.transitionTo('Stable')
      for (const member of group.members()) {
        member.assignment = assignments.get(member.memberId) ?? member.assignment
        const reply = member.parkedSync
        member.parkedSync = null
        if (reply === null) continue
        armSession(host, member)
        reply(syncResponse(group, member))
      }
      host.logEvent('info', 'group is stable', { groupId: group.groupId, generationId: generation })
    },
  })
}

const syncResponse = (group: ClassicGroup, member: Member): SyncGroupResponse => ({
  errorCode: errorCodes.NONE,
  protocolType: group.protocolType,
  protocolName: group.protocolName,
  assignment: member.assignment,
})

export function heartbeat(host: GroupHost, group: ClassicGroup, request: HeartbeatRequest): number {
  const errorCode = group.checkGeneration(request)
  if (errorCode !== errorCodes.NONE) return errorCode
  switch (group.state) {
    case 'Empty':
    case 'Dead':
      return errorCodes.UNKNOWN_MEMBER_ID
    case 'PreparingRebalance':
      armSession(host, group.mustMember(request.memberId))
      return errorCodes.REBALANCE_IN_PROGRESS
    case 'CompletingRebalance':
    case 'Stable':
      armSession(host, group.mustMember(request.memberId))
      return errorCodes.NONE
    default:
      return group.state satisfies never
  }
}

/** Several at once since v3: they leave together, and there is one rebalance for all. */
export function leave(
  host: GroupHost,
  group: ClassicGroup,
  request: LeaveGroupRequest,
  reply: Reply<LeaveGroupResponse>,
): void {
  let someoneLeft = false
  const members = request.members.map(({ memberId, groupInstanceId, reason }) => {
    const leaving = findLeaving(group, memberId, groupInstanceId)
    if (typeof leaving !== 'number') {
      drop(host, group, leaving, `left (client's reason: ${reason ?? 'not provided'})`)
      someoneLeft = true
      return { memberId, groupInstanceId, errorCode: errorCodes.NONE as number }
    }
    const errorCode = takePending(host, group, memberId) ? errorCodes.NONE : leaving
    return { memberId, groupInstanceId, errorCode }
  })
  if (someoneLeft) afterRemoval(host, group, 'left')
  else maybeCompleteJoin(host, group)
  host.afterWrite(group, errorCode =>
    reply({ errorCode, members: errorCode === errorCodes.NONE ? members : [] }),
  )
}

/** The member, or the error code that says why it cannot leave. */
function findLeaving(
  group: ClassicGroup,
  memberId: string,
  groupInstanceId: string | null,
): Member | number {
  if (memberId === '') {
    const current = groupInstanceId === null ? undefined : group.staticMemberId(groupInstanceId)
    return current === undefined ? errorCodes.UNKNOWN_MEMBER_ID : group.mustMember(current)
  }
  const errorCode = group.checkMember(memberId, groupInstanceId)
  return errorCode === errorCodes.NONE ? group.mustMember(memberId) : errorCode
}
