import {
  api,
  array,
  boolean,
  int16,
  int32,
  int64,
  nullable,
  since,
  string,
  struct,
  uuid,
} from '../schema.ts'

/**
 * OffsetFetch reads what a group has committed.
 *
 * v2 null asks for all, error for the group · v3 throttle · v5 leader epoch (KIP-320) · v6 flexible
 * · v7 require stable (KIP-447) · v8 many groups at once (KIP-709) · v9 new groups (KIP-848) · v10
 * topic ids (KIP-848)
 */
export const offsetFetch = api({
  key: 9,
  name: 'OffsetFetch',
  versions: '1-10',
  flexible: '6+',
  request: {
    groupId: since('0-7', string),
    /** Null is every topic the group has offsets of. */
    topics: since(
      '0-7',
      nullable(
        array(
          struct({
            name: string,
            partitionIndexes: array(int32),
          }),
        ),
        '2-7',
      ),
    ),
    groups: since(
      '8+',
      array(
        struct({
          groupId: string,
          /** Null from tools: neither it nor the epoch is checked then. */
          memberId: since('9+', nullable(string)),
          memberEpoch: since('9+', int32, -1),
          /** Null is every topic the group has offsets of. */
          topics: nullable(
            array(
              struct({
                name: since('8-9', string),
                topicId: since('10+', uuid),
                partitionIndexes: array(int32),
              }),
            ),
          ),
        }),
      ),
    ),
    /** UNSTABLE_OFFSET_COMMIT while a transaction may still change the offset. */
    requireStable: since('7+', boolean),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: since('3+', int32),
    topics: since(
      '0-7',
      array(
        struct({
          name: string,
          partitions: array(
            struct({
              partitionIndex: int32,
              /** -1 with error NONE: nothing is committed. */
              committedOffset: int64,
              committedLeaderEpoch: since('5-7', int32, -1),
              metadata: nullable(string),
              /**
               * UNSTABLE_OFFSET_COMMIT · UNKNOWN_TOPIC_OR_PARTITION · TOPIC_AUTHORIZATION_FAILED.
               */
              errorCode: int16,
            }),
          ),
        }),
      ),
    ),
    /** As `groups[].errorCode`. */
    errorCode: since('2-7', int16),
    groups: since(
      '8+',
      array(
        struct({
          groupId: string,
          topics: array(
            struct({
              name: since('8-9', string),
              topicId: since('10+', uuid),
              partitions: array(
                struct({
                  partitionIndex: int32,
                  /** -1 with error NONE: nothing is committed. */
                  committedOffset: int64,
                  committedLeaderEpoch: int32,
                  metadata: nullable(string),
                  /**
                   * UNSTABLE_OFFSET_COMMIT · UNKNOWN_TOPIC_OR_PARTITION · UNKNOWN_TOPIC_ID ·
                   * TOPIC_AUTHORIZATION_FAILED.
                   */
                  errorCode: int16,
                }),
              ),
            }),
          ),
          /**
           * COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR ·
           * UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH (v9) · INVALID_GROUP_ID · GROUP_ID_NOT_FOUND ·
           * GROUP_AUTHORIZATION_FAILED
           */
          errorCode: int16,
        }),
      ),
    ),
  },
})
