import { api, array, int16, int32, int8, nullable, since, string, struct } from '../schema.ts'

/**
 * ElectLeaders has the controller elect leaders now. v1 unclean elections (KIP-460) · v2 flexible
 */
export const electLeaders = api({
  key: 43,
  name: 'ElectLeaders',
  versions: '0-2',
  flexible: '2+',
  request: {
    /**
     * 0 the preferred leader · 1 any replica that lives, at the cost of records. v0 is always 0.
     */
    electionType: since('1+', int8),
    /** Null: all partitions. */
    topicPartitions: nullable(
      array(
        struct({
          topic: string,
          partitions: array(int32),
        }),
      ),
    ),
    /** How long to wait for the elections. */
    timeoutMs: int32,
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: int32,
    /** CLUSTER_AUTHORIZATION_FAILED · NOT_CONTROLLER · REQUEST_TIMED_OUT. */
    errorCode: since('1+', int16),
    replicaElectionResults: array(
      struct({
        topic: string,
        partitionResult: array(
          struct({
            partitionId: int32,
            /**
             * ELECTION_NOT_NEEDED: it has that leader · PREFERRED_LEADER_NOT_AVAILABLE ·
             * ELIGIBLE_LEADERS_NOT_AVAILABLE · UNKNOWN_TOPIC_OR_PARTITION
             */
            errorCode: int16,
            errorMessage: nullable(string),
          }),
        ),
      }),
    ),
  },
})
