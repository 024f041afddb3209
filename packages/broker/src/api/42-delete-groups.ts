/**
 * DeleteGroups v0–2: ends groups that have no members, with all their offsets. NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND.
 * A name that is given twice is taken once.
 */
import { apis } from '@trimaran/protocol'
import { handler } from './handler.ts'

export const deleteGroups = handler(
  apis.deleteGroups,
  { min: 0, max: 2 },
  async (request, context) => {
    const groupIds = [...new Set(request.groupsNames)]
    const results = await Promise.all(
      groupIds.map(async groupId => ({ groupId, ...(await context.groups.deleteGroup(groupId)) })),
    )
    return { throttleTimeMs: 0, results }
  },
)
