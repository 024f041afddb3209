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
  tagged,
  uuid,
} from '../schema.ts'

export const createTopics = api({
  key: 19,
  name: 'CreateTopics',
  versions: '2-7',
  flexible: '5+',
  request: {
    topics: array(
      struct({
        name: string,
        numPartitions: int32,
        replicationFactor: int16,
        assignments: array(
          struct({
            partitionIndex: int32,
            brokerIds: array(int32),
          }),
        ),
        configs: array(
          struct({
            name: string,
            value: nullable(string),
          }),
        ),
      }),
    ),
    timeoutMs: int32,
    validateOnly: boolean,
  },
  response: {
    throttleTimeMs: int32,
    topics: array(
      struct({
        name: string,
        topicId: since('7+', uuid),
        errorCode: int16,
        errorMessage: nullable(string),
        topicConfigErrorCode: tagged(0, '5+', int16),
        numPartitions: since('5+', int32, -1),
        replicationFactor: since('5+', int16, -1),
        configs: since(
          '5+',
          nullable(
            array(
              struct({
                name: string,
                value: nullable(string),
                readOnly: boolean,
                configSource: int8,
                isSensitive: boolean,
              }),
            ),
          ),
        ),
      }),
    ),
  },
})
