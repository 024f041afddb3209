import {
  api,
  array,
  boolean,
  int16,
  int32,
  int8,
  nullable,
  since,
  string,
  struct,
  tagged,
  uuid,
} from '../schema.ts'

/**
 * CreateTopics. Brokers pass it on to the controller.
 *
 * v2 throttle · v4 defaults for partitions and replication factor (KIP-464) · v5 flexible, the
 * answer tells what was made (KIP-525) · v6 THROTTLING_QUOTA_EXCEEDED (KIP-599) · v7 topic id
 */
export const createTopics = api({
  key: 19,
  name: 'CreateTopics',
  versions: '2-7',
  flexible: '5+',
  request: {
    topics: array(
      struct({
        name: string,
        /** -1: num.partitions of the broker, or that of the assignments. */
        numPartitions: int32,
        /** -1: default.replication.factor of the broker, or that of the assignments. */
        replicationFactor: int16,
        /** Empty: the controller places the replicas. Otherwise all partitions from 0 on. */
        assignments: array(
          struct({
            partitionIndex: int32,
            /** The first one is the preferred leader. */
            brokerIds: array(int32),
          }),
        ),
        configs: array(
          struct({
            name: string,
            value: nullable(string),
          }),
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
    topics: array(
      struct({
        name: string,
        topicId: since('7+', uuid),
        /**
         * TOPIC_ALREADY_EXISTS · INVALID_TOPIC_EXCEPTION: the name · INVALID_PARTITIONS ·
         * INVALID_REPLICATION_FACTOR · INVALID_REPLICA_ASSIGNMENT · INVALID_CONFIG ·
         * INVALID_REQUEST: named twice · POLICY_VIOLATION · REQUEST_TIMED_OUT · NOT_CONTROLLER ·
         * THROTTLING_QUOTA_EXCEEDED · TOPIC_AUTHORIZATION_FAILED, CLUSTER_AUTHORIZATION_FAILED
         */
        errorCode: int16,
        errorMessage: nullable(string),
        /** TOPIC_AUTHORIZATION_FAILED: the configuration may not be seen, and is null. */
        topicConfigErrorCode: tagged(0, '5+', int16),
        numPartitions: since('5+', int32, -1),
        replicationFactor: since('5+', int16, -1),
        configs: since(
          '5+',
          nullable(
            array(
              struct({
                name: string,
                value: nullable(string),
                readOnly: boolean,
                /**
                 * 1 topic · 2 dynamic broker · 3 dynamic default broker · 4 static broker · 5
                 * default.
                 */
                configSource: int8,
                isSensitive: boolean,
              }),
            ),
          ),
        ),
      }),
    ),
  },
})
