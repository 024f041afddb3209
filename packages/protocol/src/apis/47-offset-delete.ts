import { api, array, int16, int32, string, struct } from '../schema.ts'

/** OffsetDelete removes committed offsets of a group (KIP-496). It is not flexible. */
export const offsetDelete = api({
  key: 47,
  name: 'OffsetDelete',
  versions: '0',
  flexible: 'none',
  request: {
    groupId: string,
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
          }),
        ),
      }),
    ),
  },
  response: {
    /**
     * GROUP_ID_NOT_FOUND · NON_EMPTY_GROUP: its members are no consumers · INVALID_GROUP_ID ·
     * GROUP_AUTHORIZATION_FAILED · COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE,
     * NOT_COORDINATOR
     */
    errorCode: int16,
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: int32,
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            /**
             * GROUP_SUBSCRIBED_TO_TOPIC · UNKNOWN_TOPIC_OR_PARTITION · TOPIC_AUTHORIZATION_FAILED.
             */
            errorCode: int16,
          }),
        ),
      }),
    ),
  },
})
