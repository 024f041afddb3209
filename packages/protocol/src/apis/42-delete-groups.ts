import { api, array, int16, int32, string, struct } from '../schema.ts'

/**
 * DeleteGroups removes groups without members, and their offsets (KIP-229). v1 answers before it throttles (KIP-219) ·
 * v2 flexible
 */
export const deleteGroups = api({
  key: 42,
  name: 'DeleteGroups',
  versions: '0-2',
  flexible: '2+',
  request: {
    groupsNames: array(string),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: int32,
    results: array(
      struct({
        groupId: string,
        /**
         * NON_EMPTY_GROUP · GROUP_ID_NOT_FOUND · INVALID_GROUP_ID · GROUP_AUTHORIZATION_FAILED ·
         * COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR
         */
        errorCode: int16,
      }),
    ),
  },
})
