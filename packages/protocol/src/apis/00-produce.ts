import {
  api,
  array,
  int16,
  int32,
  int64,
  nullable,
  records,
  since,
  string,
  struct,
  tagged,
  uuid,
  withFallback,
} from '../schema.ts'

/**
 * Produce appends one record batch per partition. The answer comes when `acks` replicas have it;
 * with acks = 0 there is none.
 *
 * v3 batches of format 2 (earlier versions ended with Kafka 4) · v5 log start offset · v7 zstd
 * (KIP-110) · v8 record errors (KIP-467) · v9 flexible · v10 leader hints (KIP-951) · v12
 * transactions verified implicitly (KIP-890) · v13 topic ids (KIP-516)
 */
export const produce = api({
  key: 0,
  name: 'Produce',
  versions: '3-13',
  flexible: '9+',
  request: {
    /**
     * Null unless the batches are transactional. TRANSACTIONAL_ID_AUTHORIZATION_FAILED if they are
     * and it is missing or not allowed.
     */
    transactionalId: nullable(string),
    /**
     * -1 all in-sync replicas, 1 the leader, 0 nobody and no answer; anything else is
     * INVALID_REQUIRED_ACKS.
     */
    acks: int16,
    /** How long to wait for the replicas before REQUEST_TIMED_OUT. */
    timeoutMs: int32,
    topicData: array(
      struct({
        name: since('0-12', string),
        topicId: since('13+', uuid),
        partitionData: array(
          struct({
            index: int32,
            /** Exactly one batch of format 2. */
            records,
          }),
        ),
      }),
    ),
  },
  response: {
    responses: array(
      struct({
        name: since('0-12', string),
        topicId: since('13+', uuid),
        partitionResponses: array(
          struct({
            index: int32,
            /**
             * NOT_LEADER_OR_FOLLOWER, UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID: refresh
             * metadata · CORRUPT_MESSAGE: checksum · INVALID_RECORD, INVALID_TIMESTAMP,
             * UNSUPPORTED_COMPRESSION_TYPE: see `recordErrors` and `errorMessage` ·
             * MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE: split the batch · NOT_ENOUGH_REPLICAS:
             * nothing appended · NOT_ENOUGH_REPLICAS_AFTER_APPEND, REQUEST_TIMED_OUT: appended, may
             * yet be lost · OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH: the producer is
             * behind · KAFKA_STORAGE_ERROR: the disk failed
             */
            errorCode: int16,
            /**
             * Offset of the first record; of the first copy if the batch was a duplicate. -1 with
             * an error.
             */
            baseOffset: int64,
            /** -1 unless the topic has message.timestamp.type=LogAppendTime. */
            logAppendTimeMs: int64,
            logStartOffset: since('5+', int64, -1),
            /** Which records made the batch fail as a whole (KIP-467). */
            recordErrors: since(
              '8+',
              array(
                struct({
                  /** Index in the batch, not an offset. */
                  batchIndex: int32,
                  batchIndexErrorMessage: nullable(string),
                }),
              ),
            ),
            errorMessage: since('8+', nullable(string)),
            /**
             * Set with NOT_LEADER_OR_FOLLOWER, so that the client need not ask for metadata
             * (KIP-951).
             */
            currentLeader: tagged(
              0,
              '10+',
              struct({
                leaderId: withFallback(int32, -1),
                leaderEpoch: withFallback(int32, -1),
              }),
            ),
          }),
        ),
      }),
    ),
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: int32,
    /** Where the leaders named above are. */
    nodeEndpoints: tagged(
      0,
      '10+',
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
