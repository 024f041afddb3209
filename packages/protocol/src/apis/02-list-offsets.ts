import {
  api,
  array,
  int16,
  int32,
  int64,
  int8,
  saturatedInt64,
  since,
  string,
  struct,
} from '../schema.ts'

/**
 * ListOffsets finds offsets by time, or the ends of the log.
 *
 * v1 one offset, not several · v2 isolation level (KIP-98) · v4 leader epoch (KIP-320) · v6
 * flexible · v7 latest by time (KIP-734) · v8 earliest local (KIP-405) · v9 latest tiered
 * (KIP-1005) · v10 timeout (KIP-1075) · v11 earliest pending upload (KIP-1023)
 */
export const listOffsets = api({
  key: 2,
  name: 'ListOffsets',
  versions: '1-11',
  flexible: '6+',
  request: {
    /** -1 a consumer, otherwise a follower. */
    replicaId: int32,
    /** 0: "latest" is the high watermark · 1: it is the last stable offset. */
    isolationLevel: since('2+', int8),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            /** -1 unknown; checked as in Fetch. */
            currentLeaderEpoch: since('4+', int32, -1),
            /**
             * The first record at or after this time, or one of: -1 latest · -2 earliest · -3 the
             * record with the greatest timestamp · -4 earliest local · -5 latest tiered · -6
             * earliest pending upload. UNSUPPORTED_VERSION if the version has no such one.
             */
            timestamp: saturatedInt64,
          }),
        ),
      }),
    ),
    /** How long tiered storage may take. */
    timeoutMs: since('10+', int32),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: since('2+', int32),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            /**
             * NOT_LEADER_OR_FOLLOWER, UNKNOWN_TOPIC_OR_PARTITION, FENCED_LEADER_EPOCH,
             * UNKNOWN_LEADER_EPOCH, OFFSET_NOT_AVAILABLE, LEADER_NOT_AVAILABLE,
             * UNSUPPORTED_FOR_MESSAGE_FORMAT, TOPIC_AUTHORIZATION_FAILED, KAFKA_STORAGE_ERROR
             */
            errorCode: int16,
            /** Of the record found; -1 for the ends of the log. */
            timestamp: int64,
            /** -1: no record is that late. */
            offset: int64,
            /** Of the record found; -1 unknown. */
            leaderEpoch: since('4+', int32, -1),
          }),
        ),
      }),
    ),
  },
})
