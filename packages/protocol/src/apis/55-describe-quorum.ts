import {
  api,
  array,
  int16,
  int32,
  int64,
  nullable,
  since,
  string,
  struct,
  uint16,
  uuid,
} from '../schema.ts'

const replicaState = struct({
  replicaId: int32,
  replicaDirectoryId: since('2+', uuid),
  logEndOffset: int64,
  lastFetchTimestamp: since('1+', int64, -1),
  lastCaughtUpTimestamp: since('1+', int64, -1),
})

export const describeQuorum = api({
  key: 55,
  name: 'DescribeQuorum',
  versions: '0-2',
  flexible: '0+',
  request: {
    topics: array(
      struct({
        topicName: string,
        partitions: array(
          struct({
            partitionIndex: int32,
          }),
        ),
      }),
    ),
  },
  response: {
    errorCode: int16,
    errorMessage: since('2+', nullable(string)),
    topics: array(
      struct({
        topicName: string,
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            errorMessage: since('2+', nullable(string)),
            leaderId: int32,
            leaderEpoch: int32,
            highWatermark: int64,
            currentVoters: array(replicaState),
            observers: array(replicaState),
          }),
        ),
      }),
    ),
    nodes: since(
      '2+',
      array(
        struct({
          nodeId: int32,
          listeners: array(
            struct({
              name: string,
              host: string,
              port: uint16,
            }),
          ),
        }),
      ),
    ),
  },
})
