/**
 * SaslHandshake v0–1: the beginning of an authentication that no listener here asks for, so ILLEGAL_SASL_STATE, and the
 * connection stays open, as measured on a plaintext listener of Kafka.
 *
 * Not done: SASL mechanisms.
 */
import { apis, errorCodes } from '@trimaran/protocol'
import { handler } from './handler.ts'

export const saslHandshake = handler(apis.saslHandshake, { min: 0, max: 1 }, () => ({
  errorCode: errorCodes.ILLEGAL_SASL_STATE,
  mechanisms: [],
}))
