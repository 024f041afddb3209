/**
 * DescribeTopicPartitions v0: partitions of topics in pages (KIP-966), for clusters whose metadata do not fit an answer.
 *
 * - No topic named: all of them. Topics come sorted by name; the cursor is where the next page begins. At most
 *   `max.request.partition.size.limit` partitions a page.
 * - A cursor at a topic that is not among the named ones, or at a negative partition, is INVALID_REQUEST.
 *
 * The last member of an ISR stays in it, unless it gives way to one that is eligible: then it is in the last known ELR.
 */
import { zeroUuid } from '@trimaran/common'
import type { Image, PartitionImage, TopicImage } from '@trimaran/metadata'
import { apis, errorCodes, type RequestOf, type ResponseOf } from '@trimaran/protocol'
import { notAsked, topicOperations } from '../authorized-operations.ts'
import { PartitionViews } from '../partition-views.ts'
import { internalTopics, topicNameProblem } from '../topics.ts'
import { handler, type HandlerContext } from './handler.ts'

type Request = RequestOf<typeof apis.describeTopicPartitions>
type Response = ResponseOf<typeof apis.describeTopicPartitions>
type TopicAnswer = Response['topics'][number]

export const describeTopicPartitions = handler(
  apis.describeTopicPartitions,
  { min: 0, max: 0 },
  (request, context) => {
    const image = context.image()
    const { cursor } = request
    const named = new Set(request.topics.map(topic => topic.name))
    const cursorFits = cursor === null || named.size === 0 || named.has(cursor.topicName)
    if (!cursorFits || (cursor !== null && cursor.partitionIndex < 0)) {
      const topics = [...named].map(name => failed(name, errorCodes.INVALID_REQUEST))
      return { throttleTimeMs: 0, topics, nextCursor: null }
    }
    const from = cursor?.topicName ?? ''
    const names = [...(named.size === 0 ? image.topicsByName.keys() : named)]
      .filter(name => name >= from)
      .sort()
    return page(names, request, image, context)
  },
)

function page(
  names: readonly string[],
  { cursor, responsePartitionLimit }: Request,
  image: Image,
  context: HandlerContext,
): Response {
  let left = Math.max(
    1,
    Math.min(responsePartitionLimit, context.config.maxRequestPartitionSizeLimit),
  )
  const views = new PartitionViews(image, context.connection.listenerName)
  const topics: TopicAnswer[] = []
  for (const name of names) {
    if (left === 0)
      return { throttleTimeMs: 0, topics, nextCursor: { topicName: name, partitionIndex: 0 } }
    const topic = image.topicsByName.get(name)
    if (topic === undefined) {
      const code =
        topicNameProblem(name) === null
          ? errorCodes.UNKNOWN_TOPIC_OR_PARTITION
          : errorCodes.INVALID_TOPIC_EXCEPTION
      topics.push(failed(name, code))
      continue
    }
    const first = name === cursor?.topicName ? cursor.partitionIndex : 0
    const end = Math.min(topic.partitions.length, first + left)
    topics.push(describe(topic, topic.partitions.slice(first, end), views))
    left -= Math.max(0, end - first)
    if (end < topic.partitions.length) {
      return { throttleTimeMs: 0, topics, nextCursor: { topicName: name, partitionIndex: end } }
    }
  }
  return { throttleTimeMs: 0, topics, nextCursor: null }
}

const failed = (name: string, errorCode: number): TopicAnswer => ({
  errorCode,
  name,
  topicId: zeroUuid,
  isInternal: internalTopics.has(name),
  partitions: [],
  topicAuthorizedOperations: notAsked,
})

function describe(
  topic: TopicImage,
  partitions: readonly PartitionImage[],
  views: PartitionViews,
): TopicAnswer {
  return {
    errorCode: errorCodes.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: internalTopics.has(topic.name),
    partitions: partitions.map(partition => ({
      ...views.of(partition),
      eligibleLeaderReplicas: partition.elr ?? [],
      lastKnownElr: partition.lastKnownElr ?? [],
    })),
    topicAuthorizedOperations: topicOperations,
  }
}
