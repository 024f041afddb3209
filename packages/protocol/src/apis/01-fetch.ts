import {
  api,
  array,
  int16,
  int32,
  int64,
  int8,
  nullable,
  records,
  saturatedInt64,
  since,
  string,
  struct,
  tagged,
  uuid,
  withFallback,
} from '../schema.ts'

/**
 * Fetch reads record batches, for consumers and, on other listeners, for followers. It waits until
 * `minBytes` are there.
 *
 * v5 log start offset · v7 fetch sessions (KIP-227) · v9 leader epoch (KIP-320) · v10 zstd · v11
 * rack, followers serve (KIP-392) · v12 flexible, divergence (KIP-595) · v13 topic ids (KIP-516) ·
 * v15 replica state (KIP-903) · v16 leader hints (KIP-951) · v17 directory id (KIP-853) · v18 high
 * watermark of the follower (KIP-1166)
 */
export const fetch = api({
  key: 1,
  name: 'Fetch',
  versions: '4-18',
  flexible: '12+',
  request: {
    /** Set by replicas of the metadata quorum only. */
    clusterId: tagged(0, '12+', nullable(string)),
    /**
     * -1 a consumer · -2 a debugging tool that may read any replica up to its end · otherwise a
     * follower.
     */
    replicaId: since('0-14', int32, -1),
    /** The follower and its incarnation; takes the place of `replicaId`. */
    replicaState: tagged(
      1,
      '15+',
      struct({
        replicaId: withFallback(int32, -1),
        replicaEpoch: withFallback(int64, -1),
      }),
    ),
    /** How long to wait for `minBytes`. */
    maxWaitMs: int32,
    minBytes: int32,
    /** For the whole answer; the first batch comes even if it is larger (KIP-74). */
    maxBytes: int32,
    /**
     * 0 read_uncommitted, up to the high watermark · 1 read_committed, up to the last stable
     * offset.
     */
    isolationLevel: int8,
    /** 0 with epoch 0 asks for a new session, 0 with epoch -1 wants none. */
    sessionId: since('7+', int32),
    /** Counts up with every request of the session; -1 ends it. */
    sessionEpoch: since('7+', int32, -1),
    /** In a session: only what is new or has changed. */
    topics: array(
      struct({
        topic: since('0-12', string),
        topicId: since('13+', uuid),
        partitions: array(
          struct({
            partition: int32,
            /**
             * -1 unknown. FENCED_LEADER_EPOCH if it is older, UNKNOWN_LEADER_EPOCH if it is newer
             * than the leader has.
             */
            currentLeaderEpoch: since('9+', int32, -1),
            fetchOffset: int64,
            /**
             * Epoch of the record before `fetchOffset`; lets the leader see divergence (KIP-595).
             */
            lastFetchedEpoch: since('12+', int32, -1),
            /** Of the follower; -1 from consumers. */
            logStartOffset: since('5+', int64, -1),
            partitionMaxBytes: int32,
            replicaDirectoryId: tagged(0, '17+', uuid),
            /** Of the follower; if the leader has a later one it answers at once. */
            highWatermark: tagged(1, '18+', saturatedInt64, Number.MAX_SAFE_INTEGER),
          }),
        ),
      }),
    ),
    /** What to drop from the session. */
    forgottenTopicsData: since(
      '7+',
      array(
        struct({
          topic: since('7-12', string),
          topicId: since('13+', uuid),
          partitions: array(int32),
        }),
      ),
    ),
    /** The consumer's, to choose a near replica. */
    rackId: since('11+', string),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: int32,
    /**
     * FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH, FETCH_SESSION_TOPIC_ID_ERROR: begin
     * a new session.
     */
    errorCode: since('7+', int16),
    /** 0: no session. */
    sessionId: since('7+', int32),
    /** In a session: only what has news. */
    responses: array(
      struct({
        topic: since('0-12', string),
        topicId: since('13+', uuid),
        partitions: array(
          struct({
            partitionIndex: int32,
            /**
             * OFFSET_OUT_OF_RANGE: below the log start or above the end · NOT_LEADER_OR_FOLLOWER,
             * UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, INCONSISTENT_TOPIC_ID: refresh metadata
             * · FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH: see the request · OFFSET_NOT_AVAILABLE:
             * the new leader does not know its high watermark yet · TOPIC_AUTHORIZATION_FAILED ·
             * KAFKA_STORAGE_ERROR
             */
            errorCode: int16,
            /** Records below it are on every in-sync replica; -1 with an error. */
            highWatermark: int64,
            /** Below it, every transaction is decided. */
            lastStableOffset: int64,
            logStartOffset: since('5+', int64, -1),
            /** Set if the log of the follower parts from ours: the epoch and where it ends here. */
            divergingEpoch: tagged(
              0,
              '12+',
              struct({
                epoch: withFallback(int32, -1),
                endOffset: withFallback(int64, -1),
              }),
            ),
            /** Set with NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH (KIP-951). */
            currentLeader: tagged(
              1,
              '12+',
              struct({
                leaderId: withFallback(int32, -1),
                leaderEpoch: withFallback(int32, -1),
              }),
            ),
            /** Metadata quorum only: fetch this snapshot instead. */
            snapshotId: tagged(
              2,
              '12+',
              struct({
                endOffset: withFallback(int64, -1),
                epoch: withFallback(int32, -1),
              }),
            ),
            /**
             * For read_committed: whose records to skip, from where on. Null for read_uncommitted.
             */
            abortedTransactions: nullable(
              array(
                struct({
                  producerId: int64,
                  firstOffset: int64,
                }),
              ),
            ),
            /** Fetch from that replica instead; -1 stay. */
            preferredReadReplica: since('11+', int32, -1),
            /**
             * Whole batches; the first may begin before the offset asked for, the last may be cut
             * off.
             */
            records,
          }),
        ),
      }),
    ),
    /** Where the leaders named above are. */
    nodeEndpoints: tagged(
      0,
      '16+',
      array(
        struct({
          nodeId: int32,
          host: string,
          port: int32,
          rack: nullable(string),
        }),
      ),
    ),
  },
})
