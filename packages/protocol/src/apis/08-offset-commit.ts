import {
  api,
  array,
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
 * OffsetCommit stores how far a group has read.
 *
 * v3 throttle · v5 no retention time any more (KIP-211) · v6 leader epoch (KIP-320) · v7 static
 * members (KIP-345) · v8 flexible · v9 new groups (KIP-848) · v10 topic ids (KIP-848)
 */
export const offsetCommit = api({
  key: 8,
  name: 'OffsetCommit',
  versions: '2-10',
  flexible: '8+',
  request: {
    groupId: string,
    /**
     * Generation of a classic group, member epoch of a new one; -1 with an empty member id: a
     * simple consumer or a tool.
     */
    generationIdOrMemberEpoch: int32,
    memberId: string,
    /** Static membership. */
    groupInstanceId: since('7+', nullable(string)),
    /** -1: offsets.retention.minutes decides. */
    retentionTimeMs: since('2-4', int64, -1),
    topics: array(
      struct({
        name: since('0-9', string),
        topicId: since('10+', uuid),
        partitions: array(
          struct({
            partitionIndex: int32,
            /** The next offset to read. */
            committedOffset: int64,
            /** Epoch of the record before it; -1 unknown. */
            committedLeaderEpoch: since('6+', int32, -1),
            /**
             * Whatever the client wants; OFFSET_METADATA_TOO_LARGE above offset.metadata.max.bytes.
             */
            committedMetadata: nullable(string),
          }),
        ),
      }),
    ),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: since('3+', int32),
    topics: array(
      struct({
        name: since('0-9', string),
        topicId: since('10+', uuid),
        partitions: array(
          struct({
            partitionIndex: int32,
            /**
             * COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR: find the
             * coordinator again · ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID,
             * REBALANCE_IN_PROGRESS: the member is out · STALE_MEMBER_EPOCH (v9) ·
             * GROUP_ID_NOT_FOUND (v9) · INVALID_GROUP_ID · OFFSET_METADATA_TOO_LARGE ·
             * UNKNOWN_TOPIC_OR_PARTITION · UNKNOWN_TOPIC_ID · GROUP_AUTHORIZATION_FAILED,
             * TOPIC_AUTHORIZATION_FAILED
             */
            errorCode: int16,
          }),
        ),
      }),
    ),
  },
})
