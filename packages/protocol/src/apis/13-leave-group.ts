import { api, array, int16, int32, nullable, since, string, struct } from '../schema.ts'

/**
 * LeaveGroup takes members out of a group without waiting for their timeouts.
 *
 * v1 throttle · v3 many members, static ones by instance id (KIP-345) · v4 flexible · v5 reason
 * (KIP-800)
 */
export const leaveGroup = api({
  key: 13,
  name: 'LeaveGroup',
  versions: '0-5',
  flexible: '4+',
  request: {
    groupId: string,
    memberId: since('0-2', string),
    members: since(
      '3+',
      array(
        struct({
          /** May be empty if the instance id is given. */
          memberId: string,
          groupInstanceId: nullable(string),
          /** Why, for the log. */
          reason: since('5+', nullable(string)),
        }),
      ),
    ),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: since('1+', int32),
    /**
     * NOT_COORDINATOR and its like, GROUP_AUTHORIZATION_FAILED; before v3 also UNKNOWN_MEMBER_ID.
     */
    errorCode: int16,
    members: since(
      '3+',
      array(
        struct({
          memberId: string,
          groupInstanceId: nullable(string),
          /** UNKNOWN_MEMBER_ID · FENCED_INSTANCE_ID. */
          errorCode: int16,
        }),
      ),
    ),
  },
})
