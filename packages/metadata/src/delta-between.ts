import { Delta } from './delta.ts'
import type { Image, ImageMap, TopicImage } from './image-types.ts'

function changedKeys<K, V>(
  from: ImageMap<K, V>,
  to: ImageMap<K, V>,
  isSame: (a: V, b: V) => boolean,
): Set<K> {
  const changed = new Set<K>()
  for (const [key, value] of to) {
    const before = from.get(key)
    if (before === undefined || (before !== value && !isSame(before, value))) changed.add(key)
  }
  for (const key of from.keys()) if (!to.has(key)) changed.add(key)
  return changed
}

function isSameText(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  if (a.size !== b.size) return false
  for (const [key, value] of a) if (b.get(key) !== value) return false
  return true
}

/** A partition's epoch grows with every change, so equal epochs are equal partitions. */
function changedPartitions(before: TopicImage | undefined, after: TopicImage): Set<number> {
  const changed = new Set<number>()
  if (before === after) return changed
  for (const { partition, partitionEpoch } of after.partitions) {
    if (before?.partitions[partition]?.partitionEpoch !== partitionEpoch) changed.add(partition)
  }
  return changed
}

/** From one image to another that was not built from it, as after loading a snapshot: what is missing was removed. */
export function deltaBetween(from: Image, to: Image): Delta {
  const topics = new Set<string>()
  const partitions = new Map<string, Set<number>>()
  const removedTopics = new Map<string, TopicImage>()
  for (const [id, topic] of to.topicsById) {
    const before = from.topicsById.get(id)
    const changed = changedPartitions(before, topic)
    if (before !== undefined && changed.size === 0) continue
    topics.add(id)
    partitions.set(id, changed)
  }
  for (const [id, topic] of from.topicsById) {
    if (!to.topicsById.has(id)) removedTopics.set(id, topic)
  }
  return Delta.of(from, to, {
    topics,
    partitions,
    removedTopics,
    brokers: changedKeys(
      from.brokers,
      to.brokers,
      (a, b) =>
        a.epoch === b.epoch &&
        a.fenced === b.fenced &&
        a.inControlledShutdown === b.inControlledShutdown,
    ),
    configs: changedKeys(from.configs, to.configs, isSameText),
    deletions: changedKeys(from.deletions, to.deletions, (a, b) => a.state === b.state),
  })
}
