import {
  api,
  array,
  int16,
  int32,
  int64,
  int8,
  nullable,
  records,
  saturatedInt64,
  since,
  string,
  struct,
  tagged,
  uuid,
  withFallback,
} from '../schema.ts'

export const fetch = api({
  key: 1,
  name: 'Fetch',
  versions: '4-18',
  flexible: '12+',
  request: {
    clusterId: tagged(0, '12+', nullable(string)),
    replicaId: since('0-14', int32, -1),
    replicaState: tagged(
      1,
      '15+',
      struct({
        replicaId: withFallback(int32, -1),
        replicaEpoch: withFallback(int64, -1),
      }),
    ),
    maxWaitMs: int32,
    minBytes: int32,
    maxBytes: int32,
    isolationLevel: int8,
    sessionId: since('7+', int32),
    sessionEpoch: since('7+', int32, -1),
    topics: array(
      struct({
        topic: since('0-12', string),
        topicId: since('13+', uuid),
        partitions: array(
          struct({
            partition: int32,
            currentLeaderEpoch: since('9+', int32, -1),
            fetchOffset: int64,
            lastFetchedEpoch: since('12+', int32, -1),
            logStartOffset: since('5+', int64, -1),
            partitionMaxBytes: int32,
            replicaDirectoryId: tagged(0, '17+', uuid),
            highWatermark: tagged(1, '18+', saturatedInt64, Number.MAX_SAFE_INTEGER),
          }),
        ),
      }),
    ),
    forgottenTopicsData: since(
      '7+',
      array(
        struct({
          topic: since('7-12', string),
          topicId: since('13+', uuid),
          partitions: array(int32),
        }),
      ),
    ),
    rackId: since('11+', string),
  },
  response: {
    throttleTimeMs: int32,
    errorCode: since('7+', int16),
    sessionId: since('7+', int32),
    responses: array(
      struct({
        topic: since('0-12', string),
        topicId: since('13+', uuid),
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
            highWatermark: int64,
            lastStableOffset: int64,
            logStartOffset: since('5+', int64, -1),
            divergingEpoch: tagged(
              0,
              '12+',
              struct({
                epoch: withFallback(int32, -1),
                endOffset: withFallback(int64, -1),
              }),
            ),
            currentLeader: tagged(
              1,
              '12+',
              struct({
                leaderId: withFallback(int32, -1),
                leaderEpoch: withFallback(int32, -1),
              }),
            ),
            snapshotId: tagged(
              2,
              '12+',
              struct({
                endOffset: withFallback(int64, -1),
                epoch: withFallback(int32, -1),
              }),
            ),
            abortedTransactions: nullable(
              array(
                struct({
                  producerId: int64,
                  firstOffset: int64,
                }),
              ),
            ),
            preferredReadReplica: since('11+', int32, -1),
            records,
          }),
        ),
      }),
    ),
    nodeEndpoints: tagged(
      0,
      '16+',
      array(
        struct({
          nodeId: int32,
          host: string,
          port: int32,
          rack: nullable(string),
        }),
      ),
    ),
  },
})
