import { api, int16, int32, nullable, since, string } from '../schema.ts'

/**
 * Heartbeat keeps a member in its classic group and tells it of rebalances.
 *
 * v1 throttle · v3 static members (KIP-345) · v4 flexible
 */
export const heartbeat = api({
  key: 12,
  name: 'Heartbeat',
  versions: '0-4',
  flexible: '4+',
  request: {
    groupId: string,
    generationId: int32,
    memberId: string,
    /** Static membership (KIP-345). */
    groupInstanceId: since('3+', nullable(string)),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: since('1+', int32),
    /**
     * REBALANCE_IN_PROGRESS: join again · UNKNOWN_MEMBER_ID: forget your id · ILLEGAL_GENERATION ·
     * FENCED_INSTANCE_ID · INVALID_GROUP_ID · GROUP_AUTHORIZATION_FAILED ·
     * COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR
     */
    errorCode: int16,
  },
})
