import { api, array, int16, int32, int64, string, struct } from '../schema.ts'

/**
 * DeleteRecords raises the log start offset of partitions; goes to their leaders. v1 throttle
 * semantics · v2 flexible
 */
export const deleteRecords = api({
  key: 21,
  name: 'DeleteRecords',
  versions: '0-2',
  flexible: '2+',
  request: {
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            /** Records before it go; -1 is the high watermark. */
            offset: int64,
          }),
        ),
      }),
    ),
    /** How long to wait for the replicas. */
    timeoutMs: int32,
  },
  response: {
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
            /** The least log start offset of all replicas; -1 with an error. */
            lowWatermark: int64,
            /**
             * OFFSET_OUT_OF_RANGE: above the high watermark · POLICY_VIOLATION: the topic is not of
             * cleanup.policy=delete · NOT_LEADER_OR_FOLLOWER · UNKNOWN_TOPIC_OR_PARTITION ·
             * REQUEST_TIMED_OUT · TOPIC_AUTHORIZATION_FAILED
             */
            errorCode: int16,
          }),
        ),
      }),
    ),
  },
})
