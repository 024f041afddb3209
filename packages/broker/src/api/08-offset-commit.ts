/**
 * OffsetCommit v2–10: a group notes how far it has read.
 *
 * - v2–4 may carry a retention of their own · v6 leader epoch (KIP-320) · v7 static members (KIP-345)
 * - v9 GROUP_ID_NOT_FOUND · v10 topic ids (KIP-848): UNKNOWN_TOPIC_ID for those that are not there.
 * - Topics and partitions that do not exist fail alone: UNKNOWN_TOPIC_OR_PARTITION.
 * - Any offset is taken, negative ones too, as with Kafka.
 *
 * Commits of one connection reach the log in the order of the requests.
 */
import type { TopicErrors } from '@trimaran/coordinator'
import { apis, errorCodes, type RequestOf } from '@trimaran/protocol'
import { handler, type HandlerContext } from './handler.ts'

type RequestTopic = RequestOf<typeof apis.offsetCommit>['topics'][number]

const firstVersionWithGroupIdNotFound = 9
const firstVersionWithTopicIds = 10

export const offsetCommit = handler(
  apis.offsetCommit,
  { min: 2, max: 10 },
  async (request, context) => {
    const { apiVersion } = context.header
    const image = context.image()
    const requested = request.topics.map(topic => {
      const found =
        apiVersion >= firstVersionWithTopicIds
          ? image.topicsById.get(topic.topicId)
          : image.topicsByName.get(topic.name)
      const partitionCount = found?.partitions.length ?? 0
      const isThere = (index: number) => index >= 0 && index < partitionCount
      return { topic, name: found?.name ?? topic.name, isKnown: found !== undefined, isThere }
    })
    const committed = await context.groups.commitOffsets({
      groupId: request.groupId,
      generationId: request.generationIdOrMemberEpoch,
      memberId: request.memberId,
      groupInstanceId: request.groupInstanceId,
      retentionTimeMs: request.retentionTimeMs,
      knowsGroupIdNotFound: apiVersion >= firstVersionWithGroupIdNotFound,
      topics: requested.map(({ topic, name, isThere }) => ({
        name,
        partitions: topic.partitions
          .filter(partition => isThere(partition.partitionIndex))
          .map(partition => ({
            partition: partition.partitionIndex,
            offset: partition.committedOffset,
            leaderEpoch: partition.committedLeaderEpoch,
            metadata: partition.committedMetadata,
          })),
      })),
    })
    return {
      throttleTimeMs: 0,
      topics: requested.map(({ topic, isKnown, isThere }, at) =>
        answer(topic, {
          committed: committed.topics[at],
          missing: isKnown ? errorCodes.UNKNOWN_TOPIC_OR_PARTITION : unknownTopic(context),
          isThere,
        }),
      ),
    }
  },
)

const unknownTopic = (context: HandlerContext): number =>
  context.header.apiVersion >= firstVersionWithTopicIds
    ? errorCodes.UNKNOWN_TOPIC_ID
    : errorCodes.UNKNOWN_TOPIC_OR_PARTITION

function answer(
  topic: RequestTopic,
  outcome: {
    readonly committed: TopicErrors | undefined
    readonly missing: number
    readonly isThere: (partition: number) => boolean
  },
) {
  const results = outcome.committed?.partitions.values()
  return {
    name: topic.name,
    topicId: topic.topicId,
    partitions: topic.partitions.map(({ partitionIndex }) => ({
      partitionIndex,
      errorCode: outcome.isThere(partitionIndex)
        ? (results?.next().value?.errorCode ?? errorCodes.UNKNOWN_SERVER_ERROR)
        : outcome.missing,
    })),
  }
}
