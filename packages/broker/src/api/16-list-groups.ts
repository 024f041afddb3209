/**
 * ListGroups v0–5: the groups that this broker coordinates; tools ask all brokers. v4 filter by state (KIP-518) · v5 by
 * type (KIP-848): all groups here are classic. COORDINATOR_LOAD_IN_PROGRESS while any partition is being loaded: a list
 * that lacks groups would look complete.
 */
import { apis } from '@trimaran/protocol'
import { handler } from './handler.ts'

export const listGroups = handler(apis.listGroups, { min: 0, max: 5 }, (request, context) => ({
  throttleTimeMs: 0,
  ...context.groups.listGroups(request),
}))
