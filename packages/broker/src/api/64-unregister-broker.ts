/**
 * UnregisterBroker v0: takes a broker that is gone for good out of the metadata (KIP-631). Forwarded to the controller.
 */
import { apis } from '@trimaran/protocol'
import { forward } from '../forward.ts'
import { handler } from './handler.ts'

export const unregisterBroker = handler(
  apis.unregisterBroker,
  { min: 0, max: 0 },
  async (request, context) => {
    const { brokerId } = request
    const forwarded = await forward(
      context.controller,
      'unregisterBroker',
      { brokerId },
      context.config.requestTimeoutMs,
    )
    const { errorCode, errorMessage } = forwarded.kind === 'failed' ? forwarded : forwarded.response
    return { throttleTimeMs: 0, errorCode, errorMessage }
  },
)
