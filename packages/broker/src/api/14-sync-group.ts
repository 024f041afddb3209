/**
 * SyncGroup v0–5: the leader hands in the assignment of a generation, everyone gets its part of it, once it is stored.
 *
 * v3 static members (KIP-345) · v5 protocol type and name, which must be there and be those of the group (KIP-559).
 */
import { emptyBytes } from '@trimaran/common'
import { apis, errorCodes } from '@trimaran/protocol'
import { handler } from './handler.ts'

const firstVersionWithProtocol = 5

export const syncGroup = handler(apis.syncGroup, { min: 0, max: 5 }, async (request, context) => {
  const { protocolType, protocolName } = request
  const mustName = context.header.apiVersion >= firstVersionWithProtocol
  if (mustName && (protocolType === null || protocolName === null)) {
    return {
      throttleTimeMs: 0,
      errorCode: errorCodes.INCONSISTENT_GROUP_PROTOCOL,
      assignment: emptyBytes,
    }
  }
  return { throttleTimeMs: 0, ...(await context.groups.syncGroup(request)) }
})
