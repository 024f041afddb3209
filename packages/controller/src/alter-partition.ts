import type { BrokerId } from '@trimaran/common'
import {
  type ControllerRequests,
  errorCodes,
  isBrokerActive,
  type MetadataRecord,
  partitionOf,
  type PartitionImage,
} from '@trimaran/metadata'
import { checkBrokerEpoch, type Cluster, type Decision, isActiveIn, success } from './cluster.ts'
import { changePartition, type PartitionTarget, targetIn } from './partition-changes.ts'

type AlterPartition = ControllerRequests['alterPartition']
type Item = AlterPartition['request']['partitions'][number]
type Answer = AlterPartition['response']['partitions'][number]

/** A member the leader does not know the epoch of: an old leader that does not tell it (KIP-903). */
const unknownEpoch = -1

/**
 * Whether the leader's wish fits what is true now. Stale wishes lose by epochs, never by timing; one from the future
 * means that this controller is the stale one.
 */
function check(
  cluster: Cluster,
  brokerId: BrokerId,
  item: Item,
  partition: PartitionImage,
): keyof typeof errorCodes {
  if (item.leaderEpoch > partition.leaderEpoch || item.partitionEpoch > partition.partitionEpoch) {
    return 'NOT_CONTROLLER'
  }
  if (item.leaderEpoch < partition.leaderEpoch) return 'FENCED_LEADER_EPOCH'
  const gives = givesUp(brokerId, item)
  if (brokerId !== partition.leader && !(gives && partition.replicas.includes(brokerId))) {
    return 'INVALID_REQUEST'
  }
  if (item.partitionEpoch < partition.partitionEpoch) return 'INVALID_UPDATE_VERSION'
  const isr = item.newIsr.map(member => member.brokerId)
  const isPartOfReplicas = isr.every(
    (id, at) => partition.replicas.includes(id) && isr.indexOf(id) === at,
  )
  if (!isPartOfReplicas) return 'INVALID_REQUEST'
  if (gives) {
    return isr.every(id => partition.isr.includes(id)) ? 'NONE' : 'INVALID_REQUEST'
  }
  // Until a leader that was elected uncleanly has recovered, it is alone; and it does not begin to recover by itself.
  if (item.recovering && (isr.length > 1 || !partition.recovering)) return 'INVALID_REQUEST'
  return item.newIsr.every(member => isEligible(cluster, member)) ? 'NONE' : 'INELIGIBLE_REPLICA'
}

/**
 * A replica whose log of the partition failed or is damaged asks for an ISR without itself. Its records may be gone, so it is
 * out of the ISR and of the ELR as after an unclean stop; it may be the leader, and where nobody else may lead, there is none.
 */
const givesUp = (brokerId: BrokerId, { newIsr }: Item): boolean =>
  newIsr.every(member => member.brokerId !== brokerId)

/** Fenced or stopping brokers stay out (KIP-841), and so do former incarnations of a broker (KIP-903). */
function isEligible({ image, bugs }: Cluster, member: Item['newIsr'][number]): boolean {
  const broker = image.brokers.get(member.brokerId)
  if (!bugs.has('B08') && !isBrokerActive(broker)) return false
  if (member.brokerEpoch === unknownEpoch) return true
  return member.brokerEpoch === broker?.epoch
}

function decideItem(
  cluster: Cluster,
  brokerId: BrokerId,
  item: Item,
): { readonly record: MetadataRecord | null; readonly answer: Answer } {
  const name = { topicId: item.topicId, partition: item.partition }
  const failed = (error: keyof typeof errorCodes) => ({
    record: null,
    answer: {
      ...name,
      errorCode: errorCodes[error],
      leader: -1,
      leaderEpoch: -1,
      isr: [],
      partitionEpoch: -1,
    },
  })
  const topic = cluster.image.topicsById.get(item.topicId)
  if (topic === undefined) return failed('UNKNOWN_TOPIC_ID')
  const partition = partitionOf(cluster.image, item.topicId, item.partition)
  if (partition === undefined) return failed('UNKNOWN_TOPIC_OR_PARTITION')
  const error = check(cluster, brokerId, item, partition)
  if (error !== 'NONE') return failed(error)
  const isActive = isActiveIn(cluster.image)
  const withoutLeader: PartitionTarget = {
    ...targetIn(cluster, topic.name, id => id !== brokerId && isActive(id)),
    gaveUp: brokerId,
  }
  const asAsked: PartitionTarget = {
    ...targetIn(cluster, topic.name),
    // B08 switches off the check that this repeats.
    ...(cluster.bugs.has('B08') ? { isActive: () => true } : {}),
    isr: item.newIsr.map(member => member.brokerId),
    recovering: item.recovering,
  }
  const target = givesUp(brokerId, item) ? withoutLeader : asAsked
  const record = changePartition(item.topicId, partition, target)
  const leader = record?.leader ?? partition.leader
  // Who does not give up does not ask to be replaced: it was moved away by the reassignment that its own request has completed.
  const isMoved = leader !== brokerId && !givesUp(brokerId, item)
  const answer = {
    ...name,
    errorCode: isMoved ? errorCodes.NEW_LEADER_ELECTED : errorCodes.NONE,
    leader,
    leaderEpoch: partition.leaderEpoch + (record?.leader === undefined ? 0 : 1),
    isr: record?.isr ?? partition.isr,
    partitionEpoch: partition.partitionEpoch + (record === null ? 0 : 1),
  }
  return { record, answer }
}

/** A leader asks for other ISRs, or a replica for one without itself. Each partition is decided by itself; all that is granted is one entry. */
export function alterPartition(
  cluster: Cluster,
  request: AlterPartition['request'],
): Decision<AlterPartition['response']> {
  const epoch = checkBrokerEpoch(cluster.image, request.brokerId, request.brokerEpoch)
  if (epoch.errorCode !== 0) return { records: [], response: { ...epoch, partitions: [] } }
  const records: MetadataRecord[] = []
  const partitions: Answer[] = []
  const seen = new Set<string>()
  for (const item of request.partitions) {
    const key = `${item.topicId}/${item.partition}`
    const { record, answer } = decideItem(cluster, request.brokerId, item)
    const isRepeated = seen.has(key)
    seen.add(key)
    if (record !== null && !isRepeated) records.push(record)
    partitions.push(isRepeated ? { ...answer, errorCode: errorCodes.INVALID_REQUEST } : answer)
  }
  return { records, response: { ...success, partitions } }
}
