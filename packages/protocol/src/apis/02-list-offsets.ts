import {
  api,
  array,
  int16,
  int32,
  int64,
  int8,
  saturatedInt64,
  since,
  string,
  struct,
} from '../schema.ts'

export const listOffsets = api({
  key: 2,
  name: 'ListOffsets',
  versions: '1-11',
  flexible: '6+',
  request: {
    replicaId: int32,
    isolationLevel: since('2+', int8),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            currentLeaderEpoch: since('4+', int32, -1),
            timestamp: saturatedInt64,
          }),
        ),
      }),
    ),
    timeoutMs: since('10+', int32),
  },
  response: {
    throttleTimeMs: since('2+', int32),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            timestamp: int64,
            offset: int64,
            leaderEpoch: since('4+', int32, -1),
          }),
        ),
      }),
    ),
  },
})
