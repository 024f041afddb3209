import { api, array, boolean, int16, int32, int8, nullable, string, struct } from '../schema.ts'

/**
 * AlterConfigs replaces the whole dynamic configuration of a resource: what is not named goes back
 * to its default. IncrementalAlterConfigs (44) is the better one (KIP-339). v1 answers before it throttles (KIP-219) ·
 * v2 flexible
 */
export const alterConfigs = api({
  key: 33,
  name: 'AlterConfigs',
  versions: '0-2',
  flexible: '2+',
  request: {
    resources: array(
      struct({
        /** 2 topic · 4 broker · 8 broker logger · 16 client metrics · 32 group. */
        resourceType: int8,
        resourceName: string,
        configs: array(
          struct({
            name: string,
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
         * INVALID_CONFIG · INVALID_REQUEST: a resource named twice, a type that is not known ·
         * UNKNOWN_TOPIC_OR_PARTITION · POLICY_VIOLATION · TOPIC_AUTHORIZATION_FAILED,
         * CLUSTER_AUTHORIZATION_FAILED
         */
        errorCode: int16,
        errorMessage: nullable(string),
        resourceType: int8,
        resourceName: string,
      }),
    ),
  },
})
