/**
 * Fetch v4–18: records of many partitions, whole batches as they were stored, served in the order of the request.
 *
 * - Waits until minBytes are there, or for maxWaitMs; maxBytes is capped by `fetch.max.bytes`, and by 4 MiB: an answer is
 *   read at once, and held until its client takes it. The first batch of the first partition with data is always whole
 *   (KIP-74). The order of the request is the order of service: clients rotate it for fairness.
 * - v9+ leader epochs are checked (KIP-320), v12+ divergence is told (KIP-595), v12+ who leads now, v16+ its endpoint too
 *   (KIP-951). v13+ names topics by id (KIP-516). Consumers of v11+ may read from followers (KIP-392), as measured.
 * - Sessions (KIP-227): the answer's session id is always 0, "none was made", which every client takes; a fetch in a
 *   session that it believes in is answered FETCH_SESSION_ID_NOT_FOUND.
 * - Followers of this cluster fetch on the nodes' own channel: a replica id ≥ 0 here moves nothing and gets
 *   TOPIC_AUTHORIZATION_FAILED. −2 (kafka-replica-verification) may read from any replica.
 *
 * Not done: PreferredReadReplica (no replica.selector.class); a debugging consumer reads to the high watermark only.
 */
import { emptyBytes } from '@trimaran/common'
import { apis, errorCodes, type RequestOf, type ResponseOf } from '@trimaran/protocol'
import type { FetchPartition, FetchResult } from '../replication/types.ts'
import { LeaderHints, partitionOf } from '../topics.ts'
import { handler, type HandlerContext } from './handler.ts'

type Request = RequestOf<typeof apis.fetch>
type TopicRequest = Request['topics'][number]
type Response = ResponseOf<typeof apis.fetch>
type PartitionAnswer = Response['responses'][number]['partitions'][number]

/** Longer waits end here: connections without a word for ten minutes are closed. */
const maxWaitMs = 5 * 60_000
/**
 * Of records in one answer, whatever is asked for. Reading 55 MiB (`fetch.max.bytes`) takes the only thread for 200 ms,
 * 4 MiB for 15; the next fetch goes on where this one ended, two hundred times a second at 800 MB/s.
 */
const answerMaxBytes = 4 * 1024 * 1024

interface Slot {
  readonly partitionIndex: number
  readonly topicName: string | null
  readonly outcome:
    | { readonly kind: 'reads'; readonly at: number }
    | { readonly kind: 'refused'; readonly errorCode: number }
}
interface Plan {
  readonly reads: FetchPartition[]
  readonly topics: { readonly request: TopicRequest; readonly slots: readonly Slot[] }[]
}

export const fetch = handler(apis.fetch, { min: 4, max: 18 }, async (request, context) => {
  if (request.sessionEpoch > 0) {
    return {
      throttleTimeMs: 0,
      errorCode: errorCodes.FETCH_SESSION_ID_NOT_FOUND,
      sessionId: 0,
      responses: [],
    }
  }
  const plan = planReads(request, context)
  const maxBytes = Math.min(
    Math.max(request.maxBytes, 0),
    context.config.fetchMaxBytes,
    answerMaxBytes,
  )
  const results = await context.replicas.fetch(
    {
      maxWaitMs: Math.min(Math.max(request.maxWaitMs, 0), maxWaitMs),
      minBytes: Math.min(Math.max(request.minBytes, 0), maxBytes),
      maxBytes,
      isolation: request.isolationLevel === 1 ? 'readCommitted' : 'readUncommitted',
      allowFollower: context.header.apiVersion >= 11,
      partitions: plan.reads,
    },
    context.connection,
  )
  return answer(plan, results, context)
})

function planReads(request: Request, context: HandlerContext): Plan {
  const image = context.image()
  const { apiVersion } = context.header
  const replicaId = apiVersion >= 15 ? request.replicaState.replicaId : request.replicaId
  const reads: FetchPartition[] = []
  const topics = request.topics.map(topicRequest => {
    const byId = apiVersion >= 13
    const topic = byId
      ? image.topicsById.get(topicRequest.topicId)
      : image.topicsByName.get(topicRequest.topic)
    const unknown = byId ? errorCodes.UNKNOWN_TOPIC_ID : errorCodes.UNKNOWN_TOPIC_OR_PARTITION
    const slots = topicRequest.partitions.map((asked): Slot => {
      const slot = { partitionIndex: asked.partition, topicName: topic?.name ?? null }
      const refused = (errorCode: number): Slot => ({
        ...slot,
        outcome: { kind: 'refused', errorCode },
      })
      if (replicaId >= 0) return refused(errorCodes.TOPIC_AUTHORIZATION_FAILED)
      if (topic === undefined) return refused(unknown)
      if (partitionOf(topic, asked.partition) === undefined)
        return refused(errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
      reads.push({
        topicId: topic.id,
        partition: asked.partition,
        fetchOffset: asked.fetchOffset,
        currentLeaderEpoch: asked.currentLeaderEpoch,
        lastFetchedEpoch: asked.lastFetchedEpoch,
        maxBytes: Math.max(asked.partitionMaxBytes, 0),
      })
      return { ...slot, outcome: { kind: 'reads', at: reads.length - 1 } }
    })
    return { request: topicRequest, slots }
  })
  return { reads, topics }
}

function answer(plan: Plan, results: readonly FetchResult[], context: HandlerContext): Response {
  const hints = new LeaderHints(context.image(), context.connection.listenerName)
  let sizeBytes = 0
  for (const { records } of results) sizeBytes += records.length
  context.metrics.consumerFetchBytes.record(sizeBytes)
  const responses = plan.topics.map(({ request, slots }) => ({
    topic: request.topic,
    topicId: request.topicId,
    partitions: slots.map(slot => {
      const partition =
        slot.outcome.kind === 'refused'
          ? failed(slot.partitionIndex, slot.outcome.errorCode)
          : describe(
              plan.reads[slot.outcome.at] as FetchPartition,
              results[slot.outcome.at] as FetchResult,
              hints,
            )
      count(slot.topicName, partition, context)
      return partition
    }),
  }))
  return {
    throttleTimeMs: 0,
    errorCode: errorCodes.NONE,
    sessionId: 0,
    responses,
    nodeEndpoints: hints.nodes,
  }
}

const failed = (partitionIndex: number, errorCode: number): PartitionAnswer => ({
  partitionIndex,
  errorCode,
  highWatermark: -1,
  lastStableOffset: -1,
  logStartOffset: -1,
  abortedTransactions: null,
  preferredReadReplica: -1,
  records: emptyBytes,
})

function describe(read: FetchPartition, result: FetchResult, hints: LeaderHints): PartitionAnswer {
  const partition: PartitionAnswer = {
    partitionIndex: read.partition,
    errorCode: result.errorCode,
    highWatermark: result.highWatermark,
    lastStableOffset: result.lastStableOffset,
    logStartOffset: result.logStartOffset,
    abortedTransactions: result.abortedTransactions,
    preferredReadReplica: -1,
    records: result.records,
  }
  if (result.diverging !== null) return { ...partition, divergingEpoch: result.diverging }
  const movedAway =
    result.errorCode === errorCodes.NOT_LEADER_OR_FOLLOWER ||
    result.errorCode === errorCodes.FENCED_LEADER_EPOCH
  const leader = movedAway
    ? (result.currentLeader ?? hints.leaderOf(read.topicId, read.partition))
    : undefined
  if (leader === undefined) return partition
  hints.add(leader)
  return { ...partition, currentLeader: leader }
}

function count(
  topicName: string | null,
  partition: PartitionAnswer,
  { metrics }: HandlerContext,
): void {
  const ofTopic = topicName === null ? undefined : metrics.ofTopic(topicName)
  for (const topic of ofTopic === undefined ? [metrics.allTopics] : [metrics.allTopics, ofTopic]) {
    topic.fetchRequests.add()
    topic.bytesOut.add(partition.records?.length ?? 0)
    if (partition.errorCode !== errorCodes.NONE) topic.failedFetchRequests.add()
  }
}
