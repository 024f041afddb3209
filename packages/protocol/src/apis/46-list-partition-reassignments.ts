import { api, array, int16, int32, nullable, string, struct } from '../schema.ts'

/** ListPartitionReassignments: partitions that are being moved (KIP-455). */
export const listPartitionReassignments = api({
  key: 46,
  name: 'ListPartitionReassignments',
  versions: '0',
  flexible: '0+',
  request: {
    /** How long to wait for the controller. */
    timeoutMs: int32,
    /** Null: all. */
    topics: nullable(
      array(
        struct({
          name: string,
          partitionIndexes: array(int32),
        }),
      ),
    ),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: int32,
    /** CLUSTER_AUTHORIZATION_FAILED · NOT_CONTROLLER · REQUEST_TIMED_OUT. */
    errorCode: int16,
    errorMessage: nullable(string),
    /** Only what is on the move. */
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            /** Old and new ones together. */
            replicas: array(int32),
            addingReplicas: array(int32),
            removingReplicas: array(int32),
          }),
        ),
      }),
    ),
  },
})
