/**
 * DescribeGroups v0–6: state, protocol, members and assignments of classic groups that this broker coordinates.
 *
 * v3 authorized operations (KIP-430) · v4 static members · v6 GROUP_ID_NOT_FOUND with a message (KIP-1043); before, a
 * group that is not there is one in state Dead.
 */
import { apis, errorCodes } from '@trimaran/protocol'
import { groupOperations, notAsked } from '../authorized-operations.ts'
import { handler } from './handler.ts'

const firstVersionWithNotFound = 6

export const describeGroups = handler(
  apis.describeGroups,
  { min: 0, max: 6 },
  (request, context) => {
    const hidesNotFound = context.header.apiVersion < firstVersionWithNotFound
    return {
      throttleTimeMs: 0,
      groups: request.groups.map(groupId => {
        const described = context.groups.describeGroup(groupId)
        const isMissing = described.errorCode === errorCodes.GROUP_ID_NOT_FOUND
        const isServed = described.errorCode === errorCodes.NONE || isMissing
        return {
          ...described,
          errorCode: isMissing && hidesNotFound ? errorCodes.NONE : described.errorCode,
          authorizedOperations:
            request.includeAuthorizedOperations && isServed ? groupOperations : notAsked,
        }
      }),
    }
  },
)
