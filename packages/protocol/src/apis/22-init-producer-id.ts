import { api, boolean, int16, int32, int64, nullable, since, string } from '../schema.ts'

/**
 * InitProducerId gives a producer its id and epoch; for a transactional id it also ends what an
 * earlier producer left.
 *
 * v2 flexible · v3 epoch bump (KIP-360) · v4 PRODUCER_FENCED · v5 TRANSACTION_ABORTABLE (KIP-890)
 */
export const initProducerId = api({
  key: 22,
  name: 'InitProducerId',
  versions: '0-6',
  flexible: '2+',
  request: {
    /** Null: only idempotent; any broker answers. */
    transactionalId: nullable(string),
    /** INVALID_TRANSACTION_TIMEOUT above transaction.max.timeout.ms or below 1. */
    transactionTimeoutMs: int32,
    /** -1, or the id whose epoch is to be bumped. */
    producerId: since('3+', int64, -1),
    /** INVALID_PRODUCER_EPOCH or PRODUCER_FENCED if it is not the last one. */
    producerEpoch: since('3+', int16, -1),
    enable2Pc: since('6+', boolean),
    keepPreparedTxn: since('6+', boolean),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: int32,
    /**
     * NOT_COORDINATOR, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE ·
     * CONCURRENT_TRANSACTIONS: try again · INVALID_TRANSACTION_TIMEOUT · INVALID_PRODUCER_EPOCH,
     * PRODUCER_FENCED · INVALID_REQUEST: empty transactional id ·
     * TRANSACTIONAL_ID_AUTHORIZATION_FAILED, CLUSTER_AUTHORIZATION_FAILED
     */
    errorCode: int16,
    /** -1 with an error. */
    producerId: int64,
    producerEpoch: int16,
    ongoingTxnProducerId: since('6+', int64, -1),
    ongoingTxnProducerEpoch: since('6+', int16, -1),
  },
})
