import {
  api,
  array,
  boolean,
  int16,
  int32,
  nullable,
  since,
  string,
  struct,
  uuid,
} from '../schema.ts'

/**
 * Metadata: brokers, topics, partitions and their leaders. It is what clients begin with.
 *
 * v1 null asks for all, rack, controller · v2 cluster id · v4 creation can be refused · v5 offline
 * replicas (KIP-112) · v7 leader epoch (KIP-320) · v8 authorized operations (KIP-430) · v9 flexible
 * · v10 topic ids (KIP-516) · v11 no cluster operations any more (KIP-700) · v12 topics asked for
 * by id · v13 error for the whole answer (KIP-1102)
 */
export const metadata = api({
  key: 3,
  name: 'Metadata',
  versions: '0-13',
  flexible: '9+',
  request: {
    /** Null is all topics, empty is none; in v0 empty is all. */
    topics: nullable(
      array(
        struct({
          /** All zeros: the name counts. */
          topicId: since('10+', uuid),
          /** Null if the id is given. */
          name: nullable(string, '10+'),
        }),
      ),
      '1+',
    ),
    /** Works only with auto.create.topics.enable. Before v4 it is as if true. */
    allowAutoTopicCreation: since('4+', boolean, true),
    includeClusterAuthorizedOperations: since('8-10', boolean),
    includeTopicAuthorizedOperations: since('8+', boolean),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: since('3+', int32),
    /** The ones that live and have the listener the request came over. */
    brokers: array(
      struct({
        nodeId: int32,
        host: string,
        port: int32,
        rack: since('1+', nullable(string)),
      }),
    ),
    clusterId: since('2+', nullable(string)),
    /** A live broker that takes requests for the controller; -1 none. */
    controllerId: since('1+', int32, -1),
    topics: array(
      struct({
        /**
         * UNKNOWN_TOPIC_OR_PARTITION: it may just be being created · UNKNOWN_TOPIC_ID ·
         * LEADER_NOT_AVAILABLE · INVALID_TOPIC_EXCEPTION: not a legal name ·
         * TOPIC_AUTHORIZATION_FAILED
         */
        errorCode: int16,
        /** Null if an unknown id was asked for. */
        name: nullable(string, '12+'),
        topicId: since('10+', uuid),
        isInternal: since('1+', boolean),
        partitions: array(
          struct({
            /**
             * LEADER_NOT_AVAILABLE · LISTENER_NOT_FOUND: the leader has no such listener ·
             * REPLICA_NOT_AVAILABLE (v0 only).
             */
            errorCode: int16,
            partitionIndex: int32,
            /** -1 none. */
            leaderId: int32,
            leaderEpoch: since('7+', int32, -1),
            /** In order of preference: the first is the preferred leader. */
            replicaNodes: array(int32),
            /** In-sync replicas. */
            isrNodes: array(int32),
            offlineReplicas: since('5+', array(int32)),
          }),
        ),
        /** Bits of ACL operations; the least int32 if not asked for. */
        topicAuthorizedOperations: since('8+', int32, -2147483648),
      }),
    ),
    /** The same for the cluster. */
    clusterAuthorizedOperations: since('8-10', int32, -2147483648),
    /** REBOOTSTRAP_REQUIRED: this is no longer the cluster the client knew. */
    errorCode: since('13+', int16),
  },
})
