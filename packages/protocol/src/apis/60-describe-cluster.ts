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
 * DescribeCluster: brokers, or controllers, and the cluster id (KIP-700).
 *
 * v1 endpoint type (KIP-919) · v2 fenced brokers (KIP-1073)
 */
export const describeCluster = api({
  key: 60,
  name: 'DescribeCluster',
  versions: '0-2',
  flexible: '0+',
  request: {
    includeClusterAuthorizedOperations: boolean,
    /** 1 brokers · 2 controllers. */
    endpointType: since('1+', int8, 1),
    includeFencedBrokers: since('2+', boolean),
  },
  response: {
    /**
     * How long the client is to wait before its next request; 0 unless a quota is used up
     * (KIP-219).
     */
    throttleTimeMs: int32,
    /**
     * MISMATCHED_ENDPOINT_TYPE: asked at the wrong kind of listener · UNSUPPORTED_ENDPOINT_TYPE:
     * neither 1 nor 2.
     */
    errorCode: int16,
    errorMessage: nullable(string),
    endpointType: since('1+', int8, 1),
    clusterId: string,
    /**
     * A live broker that takes requests for the controller; among controllers, the active one. -1
     * none.
     */
    controllerId: int32,
    brokers: array(
      struct({
        brokerId: int32,
        host: string,
        port: int32,
        rack: nullable(string),
        isFenced: since('2+', boolean),
      }),
    ),
    /** Bits of ACL operations; the least int32 if not asked for. */
    clusterAuthorizedOperations: int32,
  },
})
