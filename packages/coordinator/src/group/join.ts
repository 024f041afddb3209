import { assert } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import {
  maxInstanceIdLength,
  maxMemberMetadataBytes,
  maxPendingMembers,
  maxProtocolsPerMember,
  maxStoredStringLength,
  newMemberJoinTimeoutMs,
} from '../config.ts'
import type { JoinGroupRequest, JoinGroupResponse } from '../requests.ts'
import type { ClassicGroup } from './group.ts'
import { coordinatorError } from './host.ts'
import type { GroupHost } from './host.ts'
import { memberOf, offersSame, ownProtocols, rebalanceTimeoutOf } from './member.ts'
import type { Member, Reply } from './member.ts'
import {
  armSession,
  generationRecord,
  joinError,
  joinResponse,
  maybeCompleteJoin,
  maybePrepareRebalance,
  membersForLeader,
  onPendingDeadline,
  onSessionDeadline,
  prepareRebalance,
  removeMember,
  syncError,
} from './rebalance.ts'
import { isSubscription } from './subscription.ts'

/** NONE, or why the request cannot be served whatever the group. */
export function joinRequestError(
  request: JoinGroupRequest,
  limits: { readonly minSessionTimeoutMs: number; readonly maxSessionTimeoutMs: number },
): number {
  const { sessionTimeoutMs, protocols } = request
  if (
    sessionTimeoutMs < limits.minSessionTimeoutMs ||
    sessionTimeoutMs > limits.maxSessionTimeoutMs
  ) {
    return errorCodes.INVALID_SESSION_TIMEOUT
  }
  let metadataBytes = 0
  for (const protocol of protocols) metadataBytes += protocol.metadata.length
  if (protocols.length > maxProtocolsPerMember || metadataBytes > maxMemberMetadataBytes) {
    return errorCodes.INVALID_REQUEST
  }
  if (!isStorable(request)) return errorCodes.INVALID_REQUEST
  // Kafka never answers a consumer whose subscription cannot be read.
  const isReadable =
    request.protocolType !== 'consumer' ||
    protocols.every(({ metadata }) => isSubscription(metadata))
  return isReadable ? errorCodes.NONE : errorCodes.INCONSISTENT_GROUP_PROTOCOL
}

/** Whether every name in it fits into the record of the group. */
function isStorable(request: JoinGroupRequest): boolean {
  const { clientId, clientHost, groupInstanceId, protocolType, protocols } = request
  const names = [clientId, clientHost, protocolType, ...protocols.map(protocol => protocol.name)]
  return (
    (groupInstanceId?.length ?? 0) <= maxInstanceIdLength &&
    names.every(name => name.length <= maxStoredStringLength)
  )
}

export function join(
  host: GroupHost,
  group: ClassicGroup,
  request: JoinGroupRequest,
  reply: Reply<JoinGroupResponse>,
): void {
  const { memberId } = request
  if (!hasRoomFor(host, group, memberId)) {
    reply(joinError(errorCodes.GROUP_MAX_SIZE_REACHED, ''))
    turnAway(host, group, memberId)
  } else if (!group.supports(request.protocolType, request.protocols)) {
    reply(joinError(errorCodes.INCONSISTENT_GROUP_PROTOCOL, memberId))
  } else if (memberId === '') {
    joinNew(host, group, request, reply)
  } else if (request.groupInstanceId === null && takePending(host, group, memberId)) {
    addMember(host, group, request, { memberId, reply, learnsMemberId: false })
  } else {
    joinExisting(host, group, request, reply)
  }
}

/** The group is full: who is not in it stays out, and who did not make it into the new generation leaves. */
function turnAway(host: GroupHost, group: ClassicGroup, memberId: string): void {
  const member = group.member(memberId)
  if (member !== undefined) removeMember(host, group, member, 'found the group full')
  else if (takePending(host, group, memberId)) maybeCompleteJoin(host, group)
}

/** Whether the id was given out and not used yet; from now on it is used. */
export function takePending(host: GroupHost, group: ClassicGroup, memberId: string): boolean {
  const timer = group.pendingMembers.get(memberId)
  if (timer === undefined) return false
  host.timers.disarm(timer)
  return group.pendingMembers.delete(memberId)
}

function hasRoomFor(host: GroupHost, group: ClassicGroup, memberId: string): boolean {
  const { maxSize } = host.config
  switch (group.state) {
    case 'Empty':
    case 'Dead':
      return true
    case 'PreparingRebalance': {
      const member = group.member(memberId)
      return (member !== undefined && member.parkedJoin !== null) || group.parkedJoins < maxSize
    }
    case 'CompletingRebalance':
    case 'Stable':
      return group.member(memberId) !== undefined || group.size < maxSize
    default:
      return group.state satisfies never
  }
}

function joinNew(
  host: GroupHost,
  group: ClassicGroup,
  request: JoinGroupRequest,
  reply: Reply<JoinGroupResponse>,
): void {
  const memberId = newMemberId(host, request)
  if (request.groupInstanceId !== null) {
    const oldMemberId = group.staticMemberId(request.groupInstanceId)
    if (oldMemberId === undefined) {
      addMember(host, group, request, { memberId, reply, learnsMemberId: true })
    } else {
      rejoinStatic(host, group, request, { oldMemberId, memberId, reply })
    }
  } else if (request.requireKnownMemberId) {
    if (group.pendingMembers.size >= maxPendingMembers) {
      reply(joinError(errorCodes.GROUP_MAX_SIZE_REACHED, ''))
      return
    }
    const timer = host.timer(group, () => onPendingDeadline(host, group, memberId))
    group.pendingMembers.set(memberId, timer)
    host.timers.arm(timer, request.sessionTimeoutMs)
    reply(joinError(errorCodes.MEMBER_ID_REQUIRED, memberId))
  } else {
    addMember(host, group, request, { memberId, reply, learnsMemberId: true })
  }
}

/** What was generated shows in tools: the instance or the client, and 128 random bits. */
function newMemberId(host: GroupHost, request: JoinGroupRequest): string {
  const bytes = host.random.bytes(16)
  // A version 4 UUID (RFC 9562), as Java's.
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('')
  const uuid = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ]
  return `${request.groupInstanceId ?? request.clientId}-${uuid.join('-')}`
}

function newSession(host: GroupHost, group: ClassicGroup, memberId: string): Member['session'] {
  return host.timer(group, () => onSessionDeadline(host, group, memberId))
}

function addMember(
  host: GroupHost,
  group: ClassicGroup,
  request: JoinGroupRequest,
  joining: {
    readonly memberId: string
    readonly reply: Reply<JoinGroupResponse>
    readonly learnsMemberId: boolean
  },
): void {
  const { memberId, reply, learnsMemberId } = joining
  const member = memberOf(request, memberId, newSession(host, group, memberId))
  member.isNew = true
  member.parkedJoin = { reply, learnsMemberId }
  if (group.size === 0) group.protocolType = request.protocolType
  group.add(member)
  if (group.initialDelayLeftMs !== null) group.joinedDuringDelay = true
  host.timers.arm(member.session, newMemberJoinTimeoutMs)
  const reason = request.reason ?? 'not provided'
  maybePrepareRebalance(host, group, `member ${memberId} joins (client's reason: ${reason})`)
}

function joinExisting(
  host: GroupHost,
  group: ClassicGroup,
  request: JoinGroupRequest,
  reply: Reply<JoinGroupResponse>,
): void {
  const { memberId } = request
  const errorCode = group.checkMember(memberId, request.groupInstanceId)
  if (errorCode !== errorCodes.NONE) {
    reply(joinError(errorCode, memberId))
    return
  }
  const member = group.mustMember(memberId)
  switch (group.state) {
    case 'PreparingRebalance':
      update(group, member, { request, reply })
      maybeCompleteJoin(host, group)
      break
    case 'CompletingRebalance':
      if (offersSame(member, request.protocols)) {
        // The answer got lost on its way.
        reply(joinResponse(group, member))
      } else {
        update(group, member, { request, reply })
        prepareRebalance(host, group, `member ${memberId} changes its metadata`)
      }
      break
    case 'Stable':
      if (group.leaderId === memberId || !offersSame(member, request.protocols)) {
        // A leader that joins again wants a rebalance: it saw a change of the topics.
        update(group, member, { request, reply })
        prepareRebalance(host, group, `member ${memberId} joins again`)
      } else {
        reply(joinResponse(group, member))
      }
      break
    case 'Empty':
    case 'Dead':
      reply(joinError(errorCodes.UNKNOWN_MEMBER_ID, memberId))
      break
    default:
      group.state satisfies never
  }
}

function update(
  group: ClassicGroup,
  member: Member,
  joining: { readonly request: JoinGroupRequest; readonly reply: Reply<JoinGroupResponse> },
): void {
  const { request, reply } = joining
  const earlier = group.takeParkedJoin(member)
  earlier?.reply(joinError(errorCodes.REBALANCE_IN_PROGRESS, member.memberId))
  group.setProtocols(member, ownProtocols(request))
  member.sessionTimeoutMs = request.sessionTimeoutMs
  member.rebalanceTimeoutMs = rebalanceTimeoutOf(request)
  group.parkJoin(member, { reply, learnsMemberId: false })
}

/**
 * A static member that comes back without its id gets a new one in place of the old one (KIP-345). If the group is
 * stable and the newcomer would not change the selected protocol, there is no rebalance: it takes over the assignment.
 */
function rejoinStatic(
  host: GroupHost,
  group: ClassicGroup,
  request: JoinGroupRequest,
  joining: {
    readonly oldMemberId: string
    readonly memberId: string
    readonly reply: Reply<JoinGroupResponse>
  },
): void {
  const { oldMemberId, memberId, reply } = joining
  const successor = memberOf(request, memberId, newSession(host, group, memberId))
  successor.assignment = group.mustMember(oldMemberId).assignment
  if (
    group.state === 'Stable' &&
    group.selectProtocol({ memberId: oldMemberId, by: successor }) === group.protocolName
  ) {
    takeOverAssignment(host, group, { request, oldMemberId, successor, reply })
    return
  }
  assert(group.state !== 'Empty', 'an empty group has no static member')
  fenceAndReplace(host, group, oldMemberId, successor)
  group.parkJoin(successor, { reply, learnsMemberId: true })
  armSession(host, successor)
  // While completing, the leader may be assigning to the old id this very moment.
  maybePrepareRebalance(host, group, `static member ${request.groupInstanceId ?? ''} is replaced`)
}

function takeOverAssignment(
  host: GroupHost,
  group: ClassicGroup,
  joining: {
    readonly request: JoinGroupRequest
    readonly oldMemberId: string
    readonly successor: Member
    readonly reply: Reply<JoinGroupResponse>
  },
): void {
  const { request, oldMemberId, successor, reply } = joining
  const oldLeaderId = group.leaderId ?? ''
  const isLeader = oldLeaderId === oldMemberId
  const members = [...group.members()].map(each =>
    each.memberId === oldMemberId ? successor : each,
  )
  const record = generationRecord(host, group, {
    generation: group.generation,
    protocolName: group.protocolName,
    assignments: new Map(members.map(each => [each.memberId, each.assignment])),
    members,
    leader: isLeader ? successor.memberId : oldLeaderId,
  })
  host.write(group, [record], {
    stalled: errorCode => reply(joinError(errorCode, successor.memberId)),
    settled: errorCode => {
      if (errorCode !== errorCodes.NONE) {
        reply(joinError(coordinatorError(errorCode), successor.memberId))
        return
      }
      fenceAndReplace(host, group, oldMemberId, successor)
      armSession(host, successor)
      const skipAssignment = request.supportsSkippingAssignment && isLeader
      reply({
        ...joinResponse(group, successor),
        // A client that cannot skip must not take itself for the leader: it would assign again.
        leader: request.supportsSkippingAssignment ? (group.leaderId ?? '') : oldLeaderId,
        skipAssignment,
        members: skipAssignment ? membersForLeader(group) : [],
      })
    },
  })
}

function fenceAndReplace(
  host: GroupHost,
  group: ClassicGroup,
  oldMemberId: string,
  successor: Member,
): void {
  const old = group.mustMember(oldMemberId)
  host.timers.disarm(old.session)
  group.takeParkedJoin(old)?.reply(joinError(errorCodes.FENCED_INSTANCE_ID, oldMemberId))
  old.parkedSync?.(syncError(errorCodes.FENCED_INSTANCE_ID))
  old.parkedSync = null
  const wasPendingSync = group.pendingSync.has(oldMemberId)
  group.replace(oldMemberId, successor)
  if (wasPendingSync) group.pendingSync.add(successor.memberId)
  host.logEvent('info', 'static group member replaced', {
    groupId: group.groupId,
    groupInstanceId: successor.groupInstanceId,
    oldMemberId,
    memberId: successor.memberId,
  })
}
