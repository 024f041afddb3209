/**
 * InitProducerId v0–5: an id of its own for an idempotent producer, epoch 0 (KIP-98). Producers ask for it by default
 * since Kafka 3.0. Ids come from blocks that the controller has committed to this broker (KIP-730).
 *
 * - v3+ may send its former id and epoch (KIP-360): without a transactional id a fresh id is given all the same.
 * - While no block is at hand: COORDINATOR_LOAD_IN_PROGRESS, and the client asks again.
 *
 * Not done: transactions. A transactional id is answered UNSUPPORTED_VERSION, which producers report at once; an empty
 * one is INVALID_REQUEST, as with Kafka.
 */
import { apis, errorCodes, type ResponseOf } from '@trimaran/protocol'
import { handler } from './handler.ts'

type Response = ResponseOf<typeof apis.initProducerId>

export const initProducerId = handler(
  apis.initProducerId,
  { min: 0, max: 5 },
  async (request, context) => {
    const { transactionalId } = request
    if (transactionalId === '') return failed(errorCodes.INVALID_REQUEST)
    if (transactionalId !== null) {
      const { clientId } = context.header
      context.logEvent('warn', 'transactional producer refused', { transactionalId, clientId })
      return failed(errorCodes.UNSUPPORTED_VERSION)
    }
    const next = await context.producerIds.next()
    return next.kind === 'assigned'
      ? {
          throttleTimeMs: 0,
          errorCode: errorCodes.NONE,
          producerId: next.producerId,
          producerEpoch: 0,
        }
      : failed(next.errorCode)
  },
)

const failed = (errorCode: number): Response => ({
  throttleTimeMs: 0,
  errorCode,
  producerId: -1,
  producerEpoch: -1,
})
