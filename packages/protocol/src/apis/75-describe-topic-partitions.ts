import { api, array, boolean, int16, int32, nullable, string, struct, uuid } from '../schema.ts'

/** DescribeTopicPartitions: topics page by page, with their eligible leader replicas (KIP-966). */
export const describeTopicPartitions = api({
  key: 75,
  name: 'DescribeTopicPartitions',
  versions: '0',
  flexible: '0+',
  request: {
    /** Empty: all, in order of their names. */
    topics: array(
      struct({
        name: string,
      }),
    ),
    /** Partitions in one answer; the broker may have a lower limit. */
    responsePartitionLimit: int32,
    /** Begin here; null at the beginning. */
    cursor: nullable(
      struct({
        topicName: string,
        partitionIndex: int32,
      }),
    ),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: int32,
    topics: array(
      struct({
        /** UNKNOWN_TOPIC_OR_PARTITION · INVALID_TOPIC_EXCEPTION · TOPIC_AUTHORIZATION_FAILED. */
        errorCode: int16,
        name: nullable(string),
        topicId: uuid,
        isInternal: boolean,
        partitions: array(
          struct({
            /** LEADER_NOT_AVAILABLE · LISTENER_NOT_FOUND. */
            errorCode: int16,
            partitionIndex: int32,
            /** -1 none. */
            leaderId: int32,
            leaderEpoch: int32,
            /** In order of preference. */
            replicaNodes: array(int32),
            isrNodes: array(int32),
            /** Out of sync, but sure to have every committed record; null if not known. */
            eligibleLeaderReplicas: nullable(array(int32)),
            /** The last ones that were eligible, when none is left; null if not known. */
            lastKnownElr: nullable(array(int32)),
            offlineReplicas: array(int32),
          }),
        ),
        /** Bits of ACL operations; the least int32 if not asked for. */
        topicAuthorizedOperations: int32,
      }),
    ),
    /** Where the next page begins; null at the end. */
    nextCursor: nullable(
      struct({
        topicName: string,
        partitionIndex: int32,
      }),
    ),
  },
})
