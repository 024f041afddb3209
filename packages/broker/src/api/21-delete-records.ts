/**
 * DeleteRecords v0–2: moves the log start forward; offset −1 means the high watermark (KIP-107). Answered by the leader
 * when the live replicas have followed; a partition named twice is INVALID_REQUEST.
 *
 * Internal topics refuse it with INVALID_TOPIC_EXCEPTION: their records are the coordinators' memory.
 */
import { apis, errorCodes, type RequestOf, type ResponseOf } from '@trimaran/protocol'
import { internalTopics, partitionOf } from '../topics.ts'
import { duplicatesOf } from './duplicates.ts'
import { handler, type HandlerContext } from './handler.ts'

type PartitionRequest = RequestOf<typeof apis.deleteRecords>['topics'][number]['partitions'][number]
type PartitionAnswer = ResponseOf<typeof apis.deleteRecords>['topics'][number]['partitions'][number]

const maxTimeoutMs = 5 * 60_000

export const deleteRecords = handler(
  apis.deleteRecords,
  { min: 0, max: 2 },
  async (request, context) => {
    const timeoutMs = Math.min(Math.max(request.timeoutMs, 0), maxTimeoutMs)
    const duplicates = duplicatesOf(
      request.topics.flatMap(({ name, partitions }) =>
        partitions.map(p => `${name}-${p.partitionIndex}`),
      ),
    )
    const topics = await Promise.all(
      request.topics.map(async ({ name, partitions }) => ({
        name,
        partitions: await Promise.all(
          partitions.map(async partition =>
            duplicates.has(`${name}-${partition.partitionIndex}`)
              ? failed(partition, errorCodes.INVALID_REQUEST)
              : await deleteBelow(name, partition, timeoutMs, context),
          ),
        ),
      })),
    )
    return { throttleTimeMs: 0, topics }
  },
)

async function deleteBelow(
  topicName: string,
  partition: PartitionRequest,
  timeoutMs: number,
  context: HandlerContext,
): Promise<PartitionAnswer> {
  const { partitionIndex, offset } = partition
  const topic = context.image().topicsByName.get(topicName)
  if (topic === undefined || partitionOf(topic, partitionIndex) === undefined) {
    return failed(partition, errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
  }
  if (internalTopics.has(topicName)) return failed(partition, errorCodes.INVALID_TOPIC_EXCEPTION)
  const result = await context.replicas.deleteRecords({
    topicId: topic.id,
    partition: partitionIndex,
    offset,
    timeoutMs,
  })
  return { partitionIndex, lowWatermark: result.lowWatermark, errorCode: result.errorCode }
}

const failed = ({ partitionIndex }: PartitionRequest, errorCode: number): PartitionAnswer => ({
  partitionIndex,
  lowWatermark: -1,
  errorCode,
})
