/**
 * LeaveGroup v0–5: members leave a classic group. v3 several at once, and static ones by their instance (KIP-345) ·
 * v5 reason (KIP-800). Before v3 the outcome of the one member is that of the request.
 */
import { apis, errorCodes } from '@trimaran/protocol'
import { handler } from './handler.ts'

const firstVersionWithMembers = 3

export const leaveGroup = handler(apis.leaveGroup, { min: 0, max: 5 }, async (request, context) => {
  const isBatched = context.header.apiVersion >= firstVersionWithMembers
  const { errorCode, members } = await context.groups.leaveGroup({
    groupId: request.groupId,
    members: isBatched
      ? request.members
      : [{ memberId: request.memberId, groupInstanceId: null, reason: null }],
  })
  if (isBatched) return { throttleTimeMs: 0, errorCode, members }
  return { throttleTimeMs: 0, errorCode: errorCode || (members[0]?.errorCode ?? errorCodes.NONE) }
})
