import {
  api,
  array,
  boolean,
  bytes,
  int16,
  int32,
  nullable,
  since,
  string,
  struct,
} from '../schema.ts'

/**
 * JoinGroup enters a classic group, or enters it again for its next generation. The answer waits
 * until all members are in.
 *
 * v1 rebalance timeout · v2 throttle · v4 member ids come first (KIP-394) · v5 static members
 * (KIP-345) · v6 flexible · v7 protocol type in the answer (KIP-559) · v8 reason (KIP-800) · v9 the
 * leader may skip the assignment (KIP-814)
 */
export const joinGroup = api({
  key: 11,
  name: 'JoinGroup',
  versions: '0-9',
  flexible: '6+',
  request: {
    groupId: string,
    /**
     * Without a heartbeat for so long, the member is out. INVALID_SESSION_TIMEOUT outside of the
     * bounds of the broker.
     */
    sessionTimeoutMs: int32,
    /** How long to wait for members to join again; before v1 the session timeout. */
    rebalanceTimeoutMs: since('1+', int32, -1),
    /** Empty at first. */
    memberId: string,
    groupInstanceId: since('5+', nullable(string)),
    /** "consumer", "connect", …; all members have the same one. */
    protocolType: string,
    /**
     * What the member can do, best first; at least one must be common to all:
     * INCONSISTENT_GROUP_PROTOCOL.
     */
    protocols: array(
      struct({
        name: string,
        /** Opaque; for consumers a subscription (internal/consumer-protocol.ts). */
        metadata: bytes,
      }),
    ),
    /** Why it joins, for the log. */
    reason: since('8+', nullable(string)),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: since('2+', int32),
    /**
     * MEMBER_ID_REQUIRED (v4): join again with `memberId` · UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID ·
     * GROUP_MAX_SIZE_REACHED · INCONSISTENT_GROUP_PROTOCOL, INVALID_SESSION_TIMEOUT,
     * INVALID_GROUP_ID, GROUP_AUTHORIZATION_FAILED · COORDINATOR_LOAD_IN_PROGRESS,
     * COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR
     */
    errorCode: int16,
    generationId: int32,
    protocolType: since('7+', nullable(string)),
    /** The one chosen; null (empty before v7) with an error. */
    protocolName: nullable(string, '7+'),
    /** Member id of the one that assigns. */
    leader: string,
    /** To the leader: the assignment stands, send none. */
    skipAssignment: since('9+', boolean),
    memberId: string,
    /** For the leader only. */
    members: array(
      struct({
        memberId: string,
        groupInstanceId: since('5+', nullable(string)),
        metadata: bytes,
      }),
    ),
  },
})
