import {
  api,
  array,
  boolean,
  int16,
  int32,
  int64,
  nullable,
  since,
  string,
  struct,
  uuid,
} from '../schema.ts'

export const offsetFetch = api({
  key: 9,
  name: 'OffsetFetch',
  versions: '1-10',
  flexible: '6+',
  request: {
    groupId: since('0-7', string),
    topics: since(
      '0-7',
      nullable(
        array(
          struct({
            name: string,
            partitionIndexes: array(int32),
          }),
        ),
        '2-7',
      ),
    ),
    groups: since(
      '8+',
      array(
        struct({
          groupId: string,
          memberId: since('9+', nullable(string)),
          memberEpoch: since('9+', int32, -1),
          topics: nullable(
            array(
              struct({
                name: since('8-9', string),
                topicId: since('10+', uuid),
                partitionIndexes: array(int32),
              }),
            ),
          ),
        }),
      ),
    ),
    requireStable: since('7+', boolean),
  },
  response: {
    throttleTimeMs: since('3+', int32),
    topics: since(
      '0-7',
      array(
        struct({
          name: string,
          partitions: array(
            struct({
              partitionIndex: int32,
              committedOffset: int64,
              committedLeaderEpoch: since('5-7', int32, -1),
              metadata: nullable(string),
              errorCode: int16,
            }),
          ),
        }),
      ),
    ),
    errorCode: since('2-7', int16),
    groups: since(
      '8+',
      array(
        struct({
          groupId: string,
          topics: array(
            struct({
              name: since('8-9', string),
              topicId: since('10+', uuid),
              partitions: array(
                struct({
                  partitionIndex: int32,
                  committedOffset: int64,
                  committedLeaderEpoch: int32,
                  metadata: nullable(string),
                  errorCode: int16,
                }),
              ),
            }),
          ),
          errorCode: int16,
        }),
      ),
    ),
  },
})
