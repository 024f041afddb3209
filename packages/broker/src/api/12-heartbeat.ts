/**
 * Heartbeat v0–4: a member is alive, and learns of rebalances by REBALANCE_IN_PROGRESS. v3 static members (KIP-345).
 *
 * While its group is being loaded a member is told that all is well, as with Kafka: it could do nothing about it.
 */
import { apis } from '@trimaran/protocol'
import { handler } from './handler.ts'

export const heartbeat = handler(apis.heartbeat, { min: 0, max: 4 }, async (request, context) => {
  const { errorCode } = await context.groups.heartbeat(request)
  return { throttleTimeMs: 0, errorCode }
})
