/**
 * ListPartitionReassignments v0: partitions with replicas being added or removed (KIP-455), read from this broker's
 * metadata. A replica of an earlier target that is to leave again is listed with those that leave. Null topics: all. kafka-topics --describe asks it. A partition that is not being moved, or not there, is
 * not listed.
 */
import type { TopicImage } from '@trimaran/metadata'
import { apis, errorCodes, type ResponseOf } from '@trimaran/protocol'
import { handler } from './handler.ts'

type TopicAnswer = ResponseOf<typeof apis.listPartitionReassignments>['topics'][number]

export const listPartitionReassignments = handler(
  apis.listPartitionReassignments,
  { min: 0, max: 0 },
  (request, context) => {
    const image = context.image()
    const topics: TopicAnswer[] = []
    if (request.topics === null) {
      for (const topic of image.topicsByName.values()) push(topics, topic, () => true)
    } else {
      const asked = new Map<string, Set<number>>()
      for (const { name, partitionIndexes } of request.topics) {
        const partitions = asked.get(name) ?? new Set()
        asked.set(name, partitions)
        for (const partition of partitionIndexes) partitions.add(partition)
      }
      for (const [name, partitions] of asked)
        push(topics, image.topicsByName.get(name), p => partitions.has(p))
    }
    return { throttleTimeMs: 0, errorCode: errorCodes.NONE, errorMessage: null, topics }
  },
)

function push(
  topics: TopicAnswer[],
  topic: TopicImage | undefined,
  isAsked: (partition: number) => boolean,
): void {
  if (topic === undefined) return
  const partitions = topic.partitions
    .filter(p => isAsked(p.partition) && p.addingReplicas.length + p.removingReplicas.length > 0)
    .map(({ partition, replicas, addingReplicas, removingReplicas }) => ({
      partitionIndex: partition,
      replicas,
      addingReplicas: addingReplicas.filter(id => !removingReplicas.includes(id)),
      removingReplicas,
    }))
  if (partitions.length > 0) topics.push({ name: topic.name, partitions })
}
