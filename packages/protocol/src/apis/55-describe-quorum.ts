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
  uint16,
  uuid,
} from '../schema.ts'

/** How far a replica of the quorum is. */
const replicaState = struct({
  replicaId: int32,
  replicaDirectoryId: since('2+', uuid),
  /** As last seen by the leader; -1 unknown. */
  logEndOffset: int64,
  /** Unix milliseconds on the leader's clock; -1 unknown. */
  lastFetchTimestamp: since('1+', int64, -1),
  /** When it last had all that the leader had; -1 unknown. */
  lastCaughtUpTimestamp: since('1+', int64, -1),
})

/**
 * DescribeQuorum: leader, voters and observers of the metadata quorum (KIP-595).
 *
 * v1 times of the replicas (KIP-836) · v2 messages, directories, nodes (KIP-853)
 */
export const describeQuorum = api({
  key: 55,
  name: 'DescribeQuorum',
  versions: '0-2',
  flexible: '0+',
  request: {
    /** One topic, `__cluster_metadata`, with its partition 0. */
    topics: array(
      struct({
        topicName: string,
        partitions: array(
          struct({
            partitionIndex: int32,
          }),
        ),
      }),
    ),
  },
  response: {
    /**
     * NOT_LEADER_OR_FOLLOWER: only the leader of the quorum knows · CLUSTER_AUTHORIZATION_FAILED ·
     * INVALID_REQUEST.
     */
    errorCode: int16,
    errorMessage: since('2+', nullable(string)),
    topics: array(
      struct({
        topicName: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            /** UNKNOWN_TOPIC_OR_PARTITION · NOT_LEADER_OR_FOLLOWER. */
            errorCode: int16,
            errorMessage: since('2+', nullable(string)),
            /** -1 none. */
            leaderId: int32,
            leaderEpoch: int32,
            highWatermark: int64,
            currentVoters: array(replicaState),
            observers: array(replicaState),
          }),
        ),
      }),
    ),
    /** Endpoints of the voters. */
    nodes: since(
      '2+',
      array(
        struct({
          nodeId: int32,
          listeners: array(
            struct({
              name: string,
              host: string,
              port: uint16,
            }),
          ),
        }),
      ),
    ),
  },
})
