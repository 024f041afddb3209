import {
  api,
  array,
  boolean,
  int16,
  int32,
  int8,
  nullable,
  since,
  string,
  struct,
} from '../schema.ts'

/**
 * DescribeConfigs: configuration of topics, brokers, loggers, groups. That of a broker is answered
 * by that broker.
 *
 * v1 source and synonyms (KIP-226) · v3 type and documentation (KIP-569) · v4 flexible
 */
export const describeConfigs = api({
  key: 32,
  name: 'DescribeConfigs',
  versions: '1-4',
  flexible: '4+',
  request: {
    resources: array(
      struct({
        /** 2 topic · 4 broker · 8 broker logger · 16 client metrics · 32 group. */
        resourceType: int8,
        resourceName: string,
        /** Null: all. */
        configurationKeys: nullable(array(string)),
      }),
    ),
    includeSynonyms: boolean,
    includeDocumentation: since('3+', boolean),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: int32,
    results: array(
      struct({
        /**
         * UNKNOWN_TOPIC_OR_PARTITION · INVALID_TOPIC_EXCEPTION · INVALID_REQUEST: no such broker,
         * or a type that is not known · TOPIC_AUTHORIZATION_FAILED, CLUSTER_AUTHORIZATION_FAILED
         */
        errorCode: int16,
        errorMessage: nullable(string),
        resourceType: int8,
        resourceName: string,
        configs: array(
          struct({
            name: string,
            /** Null if sensitive or not set. */
            value: nullable(string),
            readOnly: boolean,
            /**
             * 1 topic · 2 dynamic broker · 3 dynamic default broker · 4 static broker · 5 default ·
             * 6 dynamic logger · 7 client metrics · 8 group; -1 unknown
             */
            configSource: int8,
            isSensitive: boolean,
            /** Where the value comes from and what it hides, first the one that counts. */
            synonyms: array(
              struct({
                name: string,
                value: nullable(string),
                source: int8,
              }),
            ),
            /**
             * 0 unknown · 1 boolean · 2 string · 3 int · 4 short · 5 long · 6 double · 7 list · 8
             * class · 9 password.
             */
            configType: since('3+', int8),
            documentation: since('3+', nullable(string)),
          }),
        ),
      }),
    ),
  },
})
