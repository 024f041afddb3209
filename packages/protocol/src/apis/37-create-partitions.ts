import { api, array, boolean, int16, int32, nullable, string, struct } from '../schema.ts'

export const createPartitions = api({
  key: 37,
  name: 'CreatePartitions',
  versions: '0-3',
  flexible: '2+',
  request: {
    topics: array(
      struct({
        name: string,
        count: int32,
        assignments: nullable(
          array(
            struct({
              brokerIds: array(int32),
            }),
          ),
        ),
      }),
    ),
    timeoutMs: int32,
    validateOnly: boolean,
  },
  response: {
    throttleTimeMs: int32,
    results: array(
      struct({
        name: string,
        errorCode: int16,
        errorMessage: nullable(string),
      }),
    ),
  },
})
