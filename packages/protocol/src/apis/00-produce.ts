import {
  api,
  array,
  int16,
  int32,
  int64,
  nullable,
  records,
  since,
  string,
  struct,
  tagged,
  uuid,
  withFallback,
} from '../schema.ts'

export const produce = api({
  key: 0,
  name: 'Produce',
  versions: '3-13',
  flexible: '9+',
  request: {
    transactionalId: nullable(string),
    acks: int16,
    timeoutMs: int32,
    topicData: array(
      struct({
        name: since('0-12', string),
        topicId: since('13+', uuid),
        partitionData: array(
          struct({
            index: int32,
            records,
          }),
        ),
      }),
    ),
  },
  response: {
    responses: array(
      struct({
        name: since('0-12', string),
        topicId: since('13+', uuid),
        partitionResponses: array(
          struct({
            index: int32,
            errorCode: int16,
            baseOffset: int64,
            logAppendTimeMs: int64,
            logStartOffset: since('5+', int64, -1),
            recordErrors: since(
              '8+',
              array(
                struct({
                  batchIndex: int32,
                  batchIndexErrorMessage: nullable(string),
                }),
              ),
            ),
            errorMessage: since('8+', nullable(string)),
            currentLeader: tagged(
              0,
              '10+',
              struct({
                leaderId: withFallback(int32, -1),
                leaderEpoch: withFallback(int32, -1),
              }),
            ),
          }),
        ),
      }),
    ),
    throttleTimeMs: int32,
    nodeEndpoints: tagged(
      0,
      '10+',
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
