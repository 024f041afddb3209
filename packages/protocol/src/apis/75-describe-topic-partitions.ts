import { api, array, boolean, int16, int32, nullable, string, struct, uuid } from '../schema.ts'

export const describeTopicPartitions = api({
  key: 75,
  name: 'DescribeTopicPartitions',
  versions: '0',
  flexible: '0+',
  request: {
    topics: array(
      struct({
        name: string,
      }),
    ),
    responsePartitionLimit: int32,
    cursor: nullable(
      struct({
        topicName: string,
        partitionIndex: int32,
      }),
    ),
  },
  response: {
    throttleTimeMs: int32,
    topics: array(
      struct({
        errorCode: int16,
        name: nullable(string),
        topicId: uuid,
        isInternal: boolean,
        partitions: array(
          struct({
            errorCode: int16,
            partitionIndex: int32,
            leaderId: int32,
            leaderEpoch: int32,
            replicaNodes: array(int32),
            isrNodes: array(int32),
            eligibleLeaderReplicas: nullable(array(int32)),
            lastKnownElr: nullable(array(int32)),
            offlineReplicas: array(int32),
          }),
        ),
        topicAuthorizedOperations: int32,
      }),
    ),
    nextCursor: nullable(
      struct({
        topicName: string,
        partitionIndex: int32,
      }),
    ),
  },
})
