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
  uuid,
} from '../schema.ts'

export const offsetCommit = api({
  key: 8,
  name: 'OffsetCommit',
  versions: '2-10',
  flexible: '8+',
  request: {
    groupId: string,
    generationIdOrMemberEpoch: int32,
    memberId: string,
    groupInstanceId: since('7+', nullable(string)),
    retentionTimeMs: since('2-4', int64, -1),
    topics: array(
      struct({
        name: since('0-9', string),
        topicId: since('10+', uuid),
        partitions: array(
          struct({
            partitionIndex: int32,
            committedOffset: int64,
            committedLeaderEpoch: since('6+', int32, -1),
            committedMetadata: nullable(string),
          }),
        ),
      }),
    ),
  },
  response: {
    throttleTimeMs: since('3+', int32),
    topics: array(
      struct({
        name: since('0-9', string),
        topicId: since('10+', uuid),
        partitions: array(
          struct({
            partitionIndex: int32,
            errorCode: int16,
          }),
        ),
      }),
    ),
  },
})
