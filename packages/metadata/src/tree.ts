import type { Image, PartitionImage } from './image-types.ts'
import { partitionStateOf } from './partition-states.ts'
import { derivedReplicaState } from './replica-states.ts'

const sortedBy = <K, V>(entries: Iterable<[K, V]>): [K, V][] =>
  [...entries].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))

function partitionNode(image: Image, partition: PartitionImage): Record<string, unknown> {
  const { partition: _number, ...facts } = partition
  const replicaStates = partition.replicas.map(id => [
    id,
    derivedReplicaState(partition, id, image.brokers.get(id)),
  ])
  return {
    state: partitionStateOf(partition),
    ...facts,
    replicaStates: Object.fromEntries(replicaStates) as Record<string, string>,
  }
}

/** The image as named nodes, for eyes and JSON: `/brokers/1`, `/topics/orders/partitions/0`. Sorted. */
export function imageTree(image: Image): Record<string, unknown> {
  const topics = sortedBy(image.topicsByName).map(([name, { id, partitions }]) => [
    name,
    {
      id,
      partitions: Object.fromEntries(
        partitions.map(partition => [partition.partition, partitionNode(image, partition)]),
      ),
    },
  ])
  const configs = sortedBy(image.configs).map(([key, overrides]) => [
    key,
    Object.fromEntries(sortedBy(overrides)),
  ])
  return {
    endOffset: image.endOffset,
    brokers: Object.fromEntries(sortedBy(image.brokers)),
    topics: Object.fromEntries(topics),
    configs: Object.fromEntries(configs),
    nextProducerId: image.nextProducerId,
    deletions: Object.fromEntries(sortedBy(image.deletions)),
  }
}
