/**
 * JoinGroup v0–9: enters a classic group, and waits until the next generation begins.
 *
 * - v1 rebalance timeout · v4 MEMBER_ID_REQUIRED first (KIP-394) · v5 static members (KIP-345) · v7 protocol type and a
 *   null protocol with an error (KIP-559) · v8 reason (KIP-800) · v9 skipAssignment (KIP-814).
 * - v0 is served because old librdkafka takes it for the sign of a broker with groups (KAFKA-19444).
 *
 * Not done: groups of the new protocol (KIP-848); their apis are not advertised, so clients use this one.
 */
import { apis } from '@trimaran/protocol'
import { handler } from './handler.ts'

const firstVersionWithRequiredId = 4
const firstVersionWithSkip = 9

export const joinGroup = handler(apis.joinGroup, { min: 0, max: 9 }, async (request, context) => {
  const { apiVersion, clientId } = context.header
  const response = await context.groups.joinGroup({
    groupId: request.groupId,
    memberId: request.memberId,
    groupInstanceId: request.groupInstanceId,
    clientId: clientId ?? '',
    clientHost: clientHost(context.connection.remoteAddress),
    sessionTimeoutMs: request.sessionTimeoutMs,
    rebalanceTimeoutMs: request.rebalanceTimeoutMs,
    protocolType: request.protocolType,
    protocols: request.protocols,
    reason: request.reason,
    requireKnownMemberId: apiVersion >= firstVersionWithRequiredId,
    supportsSkippingAssignment: apiVersion >= firstVersionWithSkip,
  })
  return { throttleTimeMs: 0, ...response }
})

/** Tools show it the way Java prints addresses; IPv4 in IPv6 is IPv4. */
const clientHost = (remoteAddress: string): string => `/${remoteAddress.replace(/^::ffff:/i, '')}`
