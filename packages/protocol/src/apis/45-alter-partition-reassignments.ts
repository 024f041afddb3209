import { api, array, boolean, int16, int32, nullable, since, string, struct } from '../schema.ts'

/**
 * AlterPartitionReassignments moves partitions to other replicas, or stops a move (KIP-455). v1 the
 * replication factor can be held (KIP-860)
 */
export const alterPartitionReassignments = api({
  key: 45,
  name: 'AlterPartitionReassignments',
  versions: '0-1',
  flexible: '0+',
  request: {
    /** How long to wait for the controller. */
    timeoutMs: int32,
    /** False: INVALID_REPLICATION_FACTOR for an assignment of another size. */
    allowReplicationFactorChange: since('1+', boolean, true),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            /** In order of preference; null stops the move under way. */
            replicas: nullable(array(int32)),
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
    allowReplicationFactorChange: since('1+', boolean, true),
    /** CLUSTER_AUTHORIZATION_FAILED · NOT_CONTROLLER · REQUEST_TIMED_OUT. */
    errorCode: int16,
    errorMessage: nullable(string),
    responses: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            /**
             * INVALID_REPLICA_ASSIGNMENT · INVALID_REPLICATION_FACTOR ·
             * NO_REASSIGNMENT_IN_PROGRESS: there is nothing to stop · UNKNOWN_TOPIC_OR_PARTITION
             */
            errorCode: int16,
            errorMessage: nullable(string),
          }),
        ),
      }),
    ),
  },
})
