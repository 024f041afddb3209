import type { BrokerId } from '@trimaran/common'
import type { Changes } from './delta.ts'
import type { Image, LocalChanges, LocalPartition } from './image-types.ts'

/** O(changes): what did not change is not looked at. */
export function localChangesOf(
  brokerId: BrokerId,
  base: Image,
  view: Image,
  changes: Changes,
): LocalChanges {
  const leaders: LocalPartition[] = []
  const followers: LocalPartition[] = []
  const deletes: LocalChanges['deletes'][number][] = []
  for (const [topicId, partitions] of changes.partitions) {
    const before = base.topicsById.get(topicId)
    const after = view.topicsById.get(topicId)
    if (after === undefined) continue
    for (const partition of partitions) {
      const old = before?.partitions[partition]
      const image = after.partitions[partition]
      if (image === undefined) continue
      if (image.replicas.includes(brokerId)) {
        const newLeaderEpoch = old === undefined || old.leaderEpoch !== image.leaderEpoch
        const local = { topicId, topicName: after.name, image, newLeaderEpoch }
        if (image.leader === brokerId) leaders.push(local)
        else followers.push(local)
      } else if (old?.replicas.includes(brokerId) === true) {
        deletes.push({ topicId, topicName: after.name, partition })
      }
    }
  }
  for (const [topicId, topic] of changes.removedTopics) {
    for (const { partition, replicas } of topic.partitions) {
      if (replicas.includes(brokerId)) deletes.push({ topicId, topicName: topic.name, partition })
    }
  }
  const deletions = []
  for (const key of changes.deletions) {
    const deletion = view.deletions.get(key)
    if (deletion?.brokerId === brokerId && deletion.state === 'started') deletions.push(deletion)
  }
  return { leaders, followers, deletes, deletions }
}

export function addTo<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key)
  if (set === undefined) sets.set(key, new Set([value]))
  else set.add(value)
}
