import type { BrokerId, TopicId } from '@trimaran/common'
import {
  type ControllerRequests,
  deletionKey,
  isBrokerActive,
  type MetadataRecord,
  type Outcome,
  type ReplicaDeletionImage,
  type ReplicaDeletionRecord,
  type TopicImage,
} from '@trimaran/metadata'
import { checkBrokerEpoch, type Cluster, type Decision, success } from './cluster.ts'

/**
 * A topic is gone for clients as soon as it is removed. Its replicas live on until their brokers have said that they are
 * deleted: started → successful, all of them → gone. A broker that is away is ineligible and starts when it returns.
 */

const inState = (
  deletion: Omit<ReplicaDeletionImage, 'state'>,
  state: ReplicaDeletionRecord['state'],
): ReplicaDeletionRecord => ({
  kind: 'replicaDeletion',
  topicId: deletion.topicId,
  topicName: deletion.topicName,
  brokerId: deletion.brokerId,
  partitions: deletion.partitions,
  state,
})

export const removalRecordCount = (topic: TopicImage): number =>
  1 + new Set(topic.partitions.flatMap(partition => partition.replicas)).size * 3

/** Removes the topic and decides about each broker's replicas of it. */
export function removeTopic(cluster: Cluster, topic: TopicImage): MetadataRecord[] {
  const partitionsByBroker = new Map<BrokerId, number[]>()
  for (const { partition, replicas } of topic.partitions) {
    for (const brokerId of replicas) {
      const partitions = partitionsByBroker.get(brokerId)
      if (partitions === undefined) partitionsByBroker.set(brokerId, [partition])
      else partitions.push(partition)
    }
  }
  const states = new Map<BrokerId, 'started' | 'ineligible' | 'successful'>()
  const records: MetadataRecord[] = [{ kind: 'removeTopic', topicId: topic.id }]
  for (const [brokerId, partitions] of partitionsByBroker) {
    const deletion = { topicId: topic.id, topicName: topic.name, brokerId, partitions }
    const broker = cluster.image.brokers.get(brokerId)
    const isAway = broker !== undefined && !isBrokerActive(broker)
    records.push(inState(deletion, isAway ? 'ineligible' : 'started'))
    // An unregistered broker's disk is not the cluster's any more.
    if (broker === undefined) records.push(inState(deletion, 'successful'))
    states.set(brokerId, broker === undefined ? 'successful' : isAway ? 'ineligible' : 'started')
  }
  if ([...states.values()].some(state => state !== 'successful')) return records
  for (const [brokerId, partitions] of partitionsByBroker) {
    const deletion = { topicId: topic.id, topicName: topic.name, brokerId, partitions }
    records.push(inState(deletion, 'nonExistent'))
  }
  return records
}

function deletionOf(
  { image }: Cluster,
  topicId: TopicId,
  brokerId: BrokerId,
): ReplicaDeletionImage | undefined {
  return image.deletions.get(deletionKey(topicId, brokerId))
}

/** One broker's replicas of the topic are deleted; with the last of them the topic is forgotten. */
function succeed(cluster: Cluster, deletion: ReplicaDeletionImage): MetadataRecord[] {
  const { topicId } = deletion
  const records: MetadataRecord[] = []
  if (deletion.state === 'ineligible') records.push(inState(deletion, 'started'))
  if (deletion.state !== 'successful') records.push(inState(deletion, 'successful'))
  const all: ReplicaDeletionImage[] = []
  for (const brokerId of cluster.index.deletionsOfTopic(topicId)) {
    const other = deletionOf(cluster, topicId, brokerId)
    if (other === undefined) continue
    if (brokerId !== deletion.brokerId && other.state !== 'successful') return records
    all.push(other)
  }
  return [...records, ...all.map(each => inState(each, 'nonExistent'))]
}

/** What a broker says it has deleted. Saying it again, or of a topic long forgotten, is fine. */
export function replicasDeleted(
  cluster: Cluster,
  request: ControllerRequests['replicasDeleted']['request'],
): Decision<Outcome> {
  const epoch = checkBrokerEpoch(cluster.image, request.brokerId, request.brokerEpoch)
  if (epoch.errorCode !== 0) return { records: [], response: epoch }
  const records = [...new Set(request.topicIds)].flatMap(topicId => {
    const deletion = deletionOf(cluster, topicId, request.brokerId)
    // An ineligible one starts again when its broker is back, and is told again.
    return deletion?.state === 'started' ? succeed(cluster, deletion) : []
  })
  return { records, response: success }
}

function deletionsOn(cluster: Cluster, brokerId: BrokerId): ReplicaDeletionImage[] {
  const deletions: ReplicaDeletionImage[] = []
  for (const topicId of cluster.index.deletionsOfBroker(brokerId)) {
    const deletion = deletionOf(cluster, topicId, brokerId)
    if (deletion !== undefined) deletions.push(deletion)
  }
  return deletions
}

export const suspendDeletions = (cluster: Cluster, brokerId: BrokerId): MetadataRecord[] =>
  deletionsOn(cluster, brokerId)
    .filter(deletion => deletion.state === 'started')
    .map(deletion => inState(deletion, 'ineligible'))

export const resumeDeletions = (cluster: Cluster, brokerId: BrokerId): MetadataRecord[] =>
  deletionsOn(cluster, brokerId)
    .filter(deletion => deletion.state === 'ineligible')
    .map(deletion => inState(deletion, 'started'))

/** The broker leaves the cluster for good, and its disk with it. */
export const abandonDeletions = (cluster: Cluster, brokerId: BrokerId): MetadataRecord[] =>
  deletionsOn(cluster, brokerId).flatMap(deletion =>
    deletion.state === 'successful' ? [] : succeed(cluster, deletion),
  )
