import { api, array, int16, int32, int64, since, string, struct } from '../schema.ts'

/**
 * OffsetForLeaderEpoch: where an epoch ends in the leader's log, so that a reader finds divergence
 * (KIP-101, KIP-320).
 *
 * v2 current leader epoch · v3 replica id · v4 flexible
 */
export const offsetForLeaderEpoch = api({
  key: 23,
  name: 'OffsetForLeaderEpoch',
  versions: '2-4',
  flexible: '4+',
  request: {
    /** -1 a consumer · -2 from clients that do not say. */
    replicaId: since('3+', int32, -2),
    topics: array(
      struct({
        topic: string,
        partitions: array(
          struct({
            partition: int32,
            /** -1 unknown; checked as in Fetch. */
            currentLeaderEpoch: int32,
            /** The epoch asked for. */
            leaderEpoch: int32,
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
    throttleTimeMs: int32,
    topics: array(
      struct({
        topic: string,
        partitions: array(
          struct({
            /**
             * NOT_LEADER_OR_FOLLOWER · UNKNOWN_TOPIC_OR_PARTITION · FENCED_LEADER_EPOCH ·
             * UNKNOWN_LEADER_EPOCH · TOPIC_AUTHORIZATION_FAILED.
             */
            errorCode: int16,
            partition: int32,
            /** The largest epoch up to the one asked for; -1 none. */
            leaderEpoch: int32,
            /** Where it ends; -1 none. */
            endOffset: int64,
          }),
        ),
      }),
    ),
  },
})
