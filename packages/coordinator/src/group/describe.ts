import { emptyBytes } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import type { DescribeGroupResponse, ListGroupsRequest, ListGroupsResponse } from '../requests.ts'
import type { ClassicGroup } from './group.ts'
import { metadataFor } from './member.ts'

/** What tools see of a group. */

export function describeGroup(group: ClassicGroup): DescribeGroupResponse {
  // Before it is stable, neither protocol nor assignment is settled.
  const isStable = group.state === 'Stable'
  return {
    errorCode: errorCodes.NONE,
    errorMessage: null,
    groupId: group.groupId,
    groupState: group.state,
    protocolType: group.protocolType ?? '',
    protocolData: isStable ? (group.protocolName ?? '') : '',
    members: [...group.members()].map(member => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: isStable ? metadataFor(member, group.protocolName) : emptyBytes,
      memberAssignment: isStable ? member.assignment : emptyBytes,
    })),
  }
}

export const groupError = (
  groupId: string,
  errorCode: number,
  errorMessage: string | null = null,
): DescribeGroupResponse => ({
  errorCode,
  errorMessage,
  groupId,
  groupState: errorCode === errorCodes.GROUP_ID_NOT_FOUND ? 'Dead' : '',
  protocolType: '',
  protocolData: '',
  members: [],
})

export const classicType = 'classic'

export function listed(group: ClassicGroup): ListGroupsResponse['groups'][number] {
  return {
    groupId: group.groupId,
    protocolType: group.protocolType ?? '',
    groupState: group.state,
    groupType: classicType,
  }
}

/** Compares states and types as people type them. */
export function listFilter(request: ListGroupsRequest): (group: ClassicGroup) => boolean {
  const states = new Set(request.statesFilter.map(state => state.toLowerCase()))
  const types = new Set(request.typesFilter.map(type => type.toLowerCase()))
  return group =>
    (states.size === 0 || states.has(group.state.toLowerCase())) &&
    (types.size === 0 || types.has(classicType))
}
