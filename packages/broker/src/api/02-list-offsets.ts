/**
 * ListOffsets v1–11: offsets by time. Answered by the partition's leader.
 *
 * - −1 latest (high watermark, or last stable offset for read_committed; v2+), −2 earliest, v7+ −3 the record with the
 *   largest timestamp (KIP-734), v8+ −4 earliest on local disk (KIP-405), v9+ −5 latest in tiered storage (KIP-1005),
 *   v11+ −6 earliest still to be uploaded (KIP-1023). On an older version such a number is UNSUPPORTED_VERSION.
 * - Any other timestamp: the first record at or after it; none → offset −1 without an error.
 * - v4+ leader epochs are checked (KIP-320). A new leader whose high watermark is still below its epoch's start answers
 *   OFFSET_NOT_AVAILABLE for latest (KIP-207).
 * - A partition asked for twice is INVALID_REQUEST.
 *
 * Not done: tiered storage, so −5 and −6 find nothing (offset −1), as in a Kafka without it.
 */
import { apis, errorCodes, type RequestOf, type ResponseOf } from '@trimaran/protocol'
import { partitionOf } from '../topics.ts'
import { duplicatesOf } from './duplicates.ts'
import { handler, type HandlerContext } from './handler.ts'

type Request = RequestOf<typeof apis.listOffsets>
type PartitionRequest = Request['topics'][number]['partitions'][number]
type PartitionAnswer = ResponseOf<typeof apis.listOffsets>['topics'][number]['partitions'][number]

/** First request version that knows each special timestamp. */
const sinceVersion: ReadonlyMap<number, number> = new Map([
  [-1, 1],
  [-2, 1],
  [-3, 7],
  [-4, 8],
  [-5, 9],
  [-6, 11],
])
const earliestPendingUpload = -6
const latestTiered = -5

export const listOffsets = handler(apis.listOffsets, { min: 1, max: 11 }, (request, context) => {
  const duplicates = duplicatesOf(
    request.topics.flatMap(({ name, partitions }) =>
      partitions.map(p => `${name}-${p.partitionIndex}`),
    ),
  )
  const topics = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(partition =>
      duplicates.has(`${name}-${partition.partitionIndex}`)
        ? failed(partition.partitionIndex, errorCodes.INVALID_REQUEST)
        : lookUp(name, partition, request, context),
    ),
  }))
  return { throttleTimeMs: 0, topics }
})

function lookUp(
  topicName: string,
  { partitionIndex, timestamp, currentLeaderEpoch }: PartitionRequest,
  request: Request,
  context: HandlerContext,
): PartitionAnswer {
  const topic = context.image().topicsByName.get(topicName)
  if (topic === undefined || partitionOf(topic, partitionIndex) === undefined) {
    return failed(partitionIndex, errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
  }
  if (
    timestamp < 0 &&
    context.header.apiVersion < (sinceVersion.get(timestamp) ?? Number.POSITIVE_INFINITY)
  ) {
    return failed(partitionIndex, errorCodes.UNSUPPORTED_VERSION)
  }
  const found = context.replicas.listOffset({
    topicId: topic.id,
    partition: partitionIndex,
    timestamp: timestamp === earliestPendingUpload ? latestTiered : timestamp,
    isolation: request.isolationLevel === 1 ? 'readCommitted' : 'readUncommitted',
    currentLeaderEpoch,
  })
  return {
    partitionIndex,
    errorCode: found.errorCode,
    timestamp: found.timestampMs,
    offset: found.offset,
    leaderEpoch: found.leaderEpoch,
  }
}

const failed = (partitionIndex: number, errorCode: number): PartitionAnswer => ({
  partitionIndex,
  errorCode,
  timestamp: -1,
  offset: -1,
  leaderEpoch: -1,
})
