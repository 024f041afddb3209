/**
 * OffsetForLeaderEpoch v2–4: where a leader epoch ends, so that a consumer finds out whether what it read is still the
 * log (KIP-320). Answered by the leader; −1/−1 when the epoch is not known.
 *
 * Not done: nothing moves by a replica id; followers of this cluster learn of divergence in their fetches.
 */
import { apis, errorCodes, type ResponseOf } from '@trimaran/protocol'
import { partitionOf } from '../topics.ts'
import { handler } from './handler.ts'

type PartitionAnswer = ResponseOf<
  typeof apis.offsetForLeaderEpoch
>['topics'][number]['partitions'][number]

export const offsetForLeaderEpoch = handler(
  apis.offsetForLeaderEpoch,
  { min: 2, max: 4 },
  (request, context) => {
    const image = context.image()
    const topics = request.topics.map(({ topic: name, partitions }) => {
      const topic = image.topicsByName.get(name)
      return {
        topic: name,
        partitions: partitions.map(
          ({ partition, currentLeaderEpoch, leaderEpoch }): PartitionAnswer => {
            if (topic === undefined || partitionOf(topic, partition) === undefined) {
              return {
                partition,
                errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
                leaderEpoch: -1,
                endOffset: -1,
              }
            }
            const asked = { topicId: topic.id, partition, currentLeaderEpoch, leaderEpoch }
            return { partition, ...context.replicas.offsetForLeaderEpoch(asked) }
          },
        ),
      }
    })
    return { throttleTimeMs: 0, topics }
  },
)
