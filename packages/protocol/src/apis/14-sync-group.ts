import { api, array, bytes, int16, int32, nullable, since, string, struct } from '../schema.ts'

/**
 * SyncGroup: the leader hands in the assignment, everybody gets their part. The answer waits for
 * the leader.
 *
 * v1 throttle · v3 static members (KIP-345) · v4 flexible · v5 protocol (KIP-559)
 */
export const syncGroup = api({
  key: 14,
  name: 'SyncGroup',
  versions: '0-5',
  flexible: '4+',
  request: {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: since('3+', nullable(string)),
    /** INCONSISTENT_GROUP_PROTOCOL if it, or the name, is not that of the generation. */
    protocolType: since('5+', nullable(string)),
    protocolName: since('5+', nullable(string)),
    /** From the leader; empty from the others. */
    assignments: array(
      struct({
        memberId: string,
        /** Opaque; for consumers an assignment (internal/consumer-protocol.ts). */
        assignment: bytes,
      }),
    ),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: since('1+', int32),
    /**
     * REBALANCE_IN_PROGRESS: join again · ILLEGAL_GENERATION · UNKNOWN_MEMBER_ID ·
     * FENCED_INSTANCE_ID · INCONSISTENT_GROUP_PROTOCOL · INVALID_GROUP_ID ·
     * GROUP_AUTHORIZATION_FAILED · COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE,
     * NOT_COORDINATOR
     */
    errorCode: int16,
    protocolType: since('5+', nullable(string)),
    protocolName: since('5+', nullable(string)),
    assignment: bytes,
  },
})
