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

export const describeCluster = api({
  key: 60,
  name: 'DescribeCluster',
  versions: '0-2',
  flexible: '0+',
  request: {
    includeClusterAuthorizedOperations: boolean,
    endpointType: since('1+', int8, 1),
    includeFencedBrokers: since('2+', boolean),
  },
  response: {
    throttleTimeMs: int32,
    errorCode: int16,
    errorMessage: nullable(string),
    endpointType: since('1+', int8, 1),
    clusterId: string,
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
    clusterAuthorizedOperations: int32,
  },
})
