/**
 * Metadata v0–13: which brokers live and where each partition is led. Answered from this broker's image alone.
 *
 * - v0 knows no null: the empty array asks for all topics; from v1 null does, and the empty array asks for none.
 * - v0–3 always allow automatic creation, v4+ say so; `auto.create.topics.enable` must agree. The first answer for a
 *   topic on its way is UNKNOWN_TOPIC_OR_PARTITION, as of a KRaft broker.
 * - v0 leaves brokers that are down out of replicas and ISR (REPLICA_NOT_AVAILABLE); v5+ lists them as offline.
 * - A live leader without the client's listener is LISTENER_NOT_FOUND from v6, LEADER_NOT_AVAILABLE before.
 * - v8–10 cluster and v8+ topic operations (KIP-430) when asked. v10 topic ids, v12 asking by them (KIP-516).
 * - The endpoints are those of the listener the connection came in on. Fenced brokers are not shown. The controller id
 *   is a live broker, which forwards: clients send admin requests there.
 * - A topic named twice is answered once.
 *
 * Not done: REBOOTSTRAP_REQUIRED (v13, KIP-1102) is never answered; a node does not know that it should be left.
 */
import { zeroUuid } from '@trimaran/common'
import type { TopicImage } from '@trimaran/metadata'
import { apis, errorCodes, type RequestOf, type ResponseOf } from '@trimaran/protocol'
import { clusterOperations, notAsked, topicOperations } from '../authorized-operations.ts'
import { PartitionViews, type PartitionView } from '../partition-views.ts'
import { clusterView, internalTopics, topicNameProblem } from '../topics.ts'
import { handler, type HandlerContext } from './handler.ts'

type Request = RequestOf<typeof apis.metadata>
type Response = ResponseOf<typeof apis.metadata>
type TopicAnswer = Response['topics'][number]

export const metadata = handler(apis.metadata, { min: 0, max: 13 }, (request, context) => {
  const { brokers, controllerId } = clusterView(context)
  const withClusterOperations = request.includeClusterAuthorizedOperations
  return {
    throttleTimeMs: 0,
    brokers,
    clusterId: context.clusterId,
    controllerId,
    topics: topicAnswers(request, context),
    clusterAuthorizedOperations: withClusterOperations ? clusterOperations : notAsked,
    errorCode: errorCodes.NONE,
  }
})

function topicAnswers(request: Request, context: HandlerContext): TopicAnswer[] {
  const image = context.image()
  const operations = request.includeTopicAuthorizedOperations ? topicOperations : notAsked
  const views = new PartitionViews(image, context.connection.listenerName)
  const describe = (topic: TopicImage): TopicAnswer =>
    describeTopic(topic, views, operations, context.header.apiVersion)
  const { topics } = request
  if (topics === null || (context.header.apiVersion === 0 && topics.length === 0)) {
    return [...image.topicsByName.values()].map(describe)
  }
  const answers: TopicAnswer[] = []
  const seen = new Set<string>()
  for (const { name, topicId } of topics) {
    const asked = name ?? topicId
    if (seen.has(asked)) continue
    seen.add(asked)
    if (context.header.apiVersion < 12 && (name === null || topicId !== zeroUuid)) {
      answers.push(failed(errorCodes.INVALID_REQUEST, name ?? '', topicId))
      continue
    }
    const topic = name === null ? image.topicsById.get(topicId) : image.topicsByName.get(name)
    if (topic !== undefined) answers.push(describe(topic))
    else if (name === null) answers.push(failed(errorCodes.UNKNOWN_TOPIC_ID, null, topicId))
    else answers.push(failed(missing(name, request, context), name, zeroUuid))
  }
  return answers
}

function missing(name: string, request: Request, context: HandlerContext): number {
  const mayCreate = context.config.autoCreateTopicsEnable && request.allowAutoTopicCreation
  if (mayCreate) return context.topicCreator.requested(name)
  return topicNameProblem(name) === null
    ? errorCodes.UNKNOWN_TOPIC_OR_PARTITION
    : errorCodes.INVALID_TOPIC_EXCEPTION
}

const failed = (errorCode: number, name: string | null, topicId: string): TopicAnswer => ({
  errorCode,
  name,
  topicId,
  isInternal: name !== null && internalTopics.has(name),
  partitions: [],
  topicAuthorizedOperations: notAsked,
})

function describeTopic(
  topic: TopicImage,
  views: PartitionViews,
  operations: number,
  apiVersion: number,
): TopicAnswer {
  return {
    errorCode: errorCodes.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: internalTopics.has(topic.name),
    partitions: topic.partitions.map(partition => forVersion(views.of(partition), apiVersion)),
    topicAuthorizedOperations: operations,
  }
}

function forVersion(answer: PartitionView, apiVersion: number): PartitionView {
  if (apiVersion === 0) return withoutOffline(answer)
  return apiVersion < 6 && answer.errorCode === errorCodes.LISTENER_NOT_FOUND
    ? { ...answer, errorCode: errorCodes.LEADER_NOT_AVAILABLE }
    : answer
}

/** Clients of v0 take every broker of the answer for a live one. */
function withoutOffline(answer: PartitionView): PartitionView {
  const offline = new Set(answer.offlineReplicas)
  if (offline.size === 0) return answer
  const online = (id: number): boolean => !offline.has(id)
  return {
    ...answer,
    errorCode:
      answer.errorCode === errorCodes.NONE ? errorCodes.REPLICA_NOT_AVAILABLE : answer.errorCode,
    replicaNodes: answer.replicaNodes.filter(online),
    isrNodes: answer.isrNodes.filter(online),
  }
}
