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
 * DescribeGroups: state and members of classic groups.
 *
 * v1 throttle · v3 authorized operations (KIP-430) · v4 static members (KIP-345) · v5 flexible · v6
 * an unknown group is an error, with a message (KIP-1043)
 */
export const describeGroups = api({
  key: 15,
  name: 'DescribeGroups',
  versions: '0-6',
  flexible: '5+',
  request: {
    groups: array(string),
    includeAuthorizedOperations: since('3+', boolean),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: since('1+', int32),
    groups: array(
      struct({
        /**
         * GROUP_ID_NOT_FOUND (v6; before, an unknown group is in state "Dead") · INVALID_GROUP_ID ·
         * GROUP_AUTHORIZATION_FAILED · COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE,
         * NOT_COORDINATOR
         */
        errorCode: int16,
        errorMessage: since('6+', nullable(string)),
        groupId: string,
        /** PreparingRebalance, CompletingRebalance, Stable, Empty or Dead. */
        groupState: string,
        protocolType: string,
        /** Name of the protocol in use; empty if the group is not stable. */
        protocolData: string,
        members: array(
          struct({
            memberId: string,
            groupInstanceId: since('4+', nullable(string)),
            clientId: string,
            clientHost: string,
            /** Its metadata for the protocol in use; for consumers a subscription. */
            memberMetadata: bytes,
            /** For consumers an assignment. */
            memberAssignment: bytes,
          }),
        ),
        /** Bits of ACL operations; the least int32 if not asked for. */
        authorizedOperations: since('3+', int32, -2147483648),
      }),
    ),
  },
})
