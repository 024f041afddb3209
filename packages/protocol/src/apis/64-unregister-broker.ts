import { api, int16, int32, nullable, string } from '../schema.ts'

/**
 * UnregisterBroker forgets a broker that is gone for good (KIP-631). Brokers pass it on to the
 * controller.
 */
export const unregisterBroker = api({
  key: 64,
  name: 'UnregisterBroker',
  versions: '0',
  flexible: '0+',
  request: {
    brokerId: int32,
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: int32,
    /**
     * BROKER_ID_NOT_REGISTERED · NOT_CONTROLLER · REQUEST_TIMED_OUT · CLUSTER_AUTHORIZATION_FAILED.
     */
    errorCode: int16,
    errorMessage: nullable(string),
  },
})
