import { api, array, boolean, int16, int32, nullable, string, struct } from '../schema.ts'

/**
 * CreatePartitions makes topics wider. Brokers pass it on to the controller.
 *
 * v1 answers before it throttles (KIP-219) · v2 flexible · v3 THROTTLING_QUOTA_EXCEEDED (KIP-599)
 */
export const createPartitions = api({
  key: 37,
  name: 'CreatePartitions',
  versions: '0-3',
  flexible: '2+',
  request: {
    topics: array(
      struct({
        name: string,
        /** The new total. */
        count: int32,
        /** Null: the controller places the replicas. Otherwise one entry per new partition. */
        assignments: nullable(
          array(
            struct({
              brokerIds: array(int32),
            }),
          ),
        ),
      }),
    ),
    /** How long to wait for the controller. */
    timeoutMs: int32,
    /** Check everything, make nothing. */
    validateOnly: boolean,
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: int32,
    results: array(
      struct({
        name: string,
        /**
         * INVALID_PARTITIONS: not more than there are · INVALID_REPLICA_ASSIGNMENT ·
         * UNKNOWN_TOPIC_OR_PARTITION · INVALID_REQUEST: named twice · REASSIGNMENT_IN_PROGRESS ·
         * POLICY_VIOLATION · REQUEST_TIMED_OUT · NOT_CONTROLLER · THROTTLING_QUOTA_EXCEEDED ·
         * TOPIC_AUTHORIZATION_FAILED
         */
        errorCode: int16,
        errorMessage: nullable(string),
      }),
    ),
  },
})
