import { api, array, int16, string } from '../schema.ts'

/**
 * SaslHandshake names the SASL mechanism a connection will authenticate with. v1: SaslAuthenticate
 * requests follow, raw tokens otherwise. It is never flexible.
 */
export const saslHandshake = api({
  key: 17,
  name: 'SaslHandshake',
  versions: '0-1',
  flexible: 'none',
  request: {
    mechanism: string,
  },
  response: {
    /**
     * UNSUPPORTED_SASL_MECHANISM, with what there is · ILLEGAL_SASL_STATE: SASL is not on here, or
     * it is too late.
     */
    errorCode: int16,
    /** What the broker offers. */
    mechanisms: array(string),
  },
})
