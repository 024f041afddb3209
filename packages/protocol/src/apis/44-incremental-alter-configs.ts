import { api, array, boolean, int16, int32, int8, nullable, string, struct } from '../schema.ts'

/**
 * IncrementalAlterConfigs changes single configuration keys and leaves the rest (KIP-339). v1
 * flexible
 */
export const incrementalAlterConfigs = api({
  key: 44,
  name: 'IncrementalAlterConfigs',
  versions: '0-1',
  flexible: '1+',
  request: {
    resources: array(
      struct({
        /** 2 topic · 4 broker · 8 broker logger · 16 client metrics · 32 group. */
        resourceType: int8,
        /** For brokers an id, or empty for the default of all. */
        resourceName: string,
        configs: array(
          struct({
            name: string,
            /** 0 set · 1 delete · 2 append to a list · 3 subtract from a list. */
            configOperation: int8,
            value: nullable(string),
          }),
        ),
      }),
    ),
    /** Check everything, change nothing. */
    validateOnly: boolean,
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: int32,
    responses: array(
      struct({
        /**
         * INVALID_CONFIG · INVALID_REQUEST: a resource or key named twice, a type or operation that
         * is not known · UNKNOWN_TOPIC_OR_PARTITION · POLICY_VIOLATION ·
         * TOPIC_AUTHORIZATION_FAILED, CLUSTER_AUTHORIZATION_FAILED
         */
        errorCode: int16,
        errorMessage: nullable(string),
        resourceType: int8,
        resourceName: string,
      }),
    ),
  },
})
