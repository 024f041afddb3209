import {
  type ControllerRequests,
  isBrokerActive,
  type MetadataRecord,
  type Outcome,
} from '@trimaran/metadata'
import {
  type Cluster,
  type Decision,
  failure,
  type NamedPartition,
  recordsPerOperationMax,
  success,
  tooManyRecords,
} from './cluster.ts'
import { changePartition, partitionsOf, targetIn } from './partition-changes.ts'

type ElectLeaders = ControllerRequests['electLeaders']
type Kind = ElectLeaders['request']['kind']

function elect(
  cluster: Cluster,
  kind: Kind,
  { topicId, topicName, partition }: NamedPartition,
): { readonly record: MetadataRecord | null; readonly outcome: Outcome } {
  const [preferred] = partition.replicas
  const isNeeded = kind === 'preferred' ? partition.leader !== preferred : partition.leader < 0
  if (!isNeeded) {
    const message = 'Leader election not needed for topic partition.'
    return { record: null, outcome: failure('ELECTION_NOT_NEEDED', message) }
  }
  const target = { ...targetIn(cluster, topicName), preferred: kind === 'preferred' }
  const record = changePartition(topicId, partition, {
    ...target,
    unclean: kind === 'unclean',
  })
  const leader = record?.leader ?? partition.leader
  if (kind === 'preferred' && leader !== preferred) {
    const message = 'The preferred leader was not available.'
    return { record: null, outcome: failure('PREFERRED_LEADER_NOT_AVAILABLE', message) }
  }
  if (leader < 0) {
    const message = 'Eligible topic partition leaders are not available.'
    return { record: null, outcome: failure('ELIGIBLE_LEADERS_NOT_AVAILABLE', message) }
  }
  return { record, outcome: success }
}

/** `ElectLeaders`: for the partitions named, or for all that need it. */
export function electLeaders(
  cluster: Cluster,
  { kind, partitions }: ElectLeaders['request'],
): Decision<ElectLeaders['response']> {
  const records: MetadataRecord[] = []
  const answers: ElectLeaders['response']['partitions'][number][] = []
  const decide = (named: NamedPartition): void => {
    const { record, outcome } = elect(cluster, kind, named)
    if (record !== null) records.push(record)
    answers.push({ ...outcome, topic: named.topicName, partition: named.partition.partition })
  }
  if (partitions === null) {
    const { imbalanced, leaderless } = cluster.index
    for (const named of partitionsOf(cluster, kind === 'preferred' ? imbalanced : leaderless)) {
      if (records.length === recordsPerOperationMax) break
      decide(named)
    }
    return { records, response: { ...success, partitions: answers } }
  }
  const seen = new Set<string>()
  for (const { topic, partition } of partitions) {
    const image = cluster.image.topicsByName.get(topic)
    const found = image?.partitions[partition]
    const key = `${topic}/${partition}`
    if (image === undefined || found === undefined) {
      const message =
        image === undefined
          ? `No such topic as ${topic}`
          : `No such partition as ${topic}-${partition}`
      answers.push({ ...failure('UNKNOWN_TOPIC_OR_PARTITION', message), topic, partition })
    } else if (records.length === recordsPerOperationMax) {
      answers.push({ ...tooManyRecords, topic, partition })
    } else if (!seen.has(key)) {
      seen.add(key)
      decide({ topicId: image.id, topicName: topic, partition: found })
    }
  }
  return { records, response: { ...success, partitions: answers } }
}

/**
 * Leaderships that one round of the background rebalance moves: each makes clients look for the new leader. As in Kafka;
 * what is left follows in the next round.
 */
export const rebalancedPerRoundMax = 1000

/** Gives leadership back to first replicas that can take it. */
export function rebalanceLeaders(cluster: Cluster): MetadataRecord[] {
  const records: MetadataRecord[] = []
  for (const named of partitionsOf(cluster, cluster.index.imbalanced)) {
    const first = named.partition.replicas[0] ?? -1
    // Most are imbalanced because that broker is down: no need to build a change to find out.
    if (!isBrokerActive(cluster.image.brokers.get(first))) continue
    const { record } = elect(cluster, 'preferred', named)
    if (record !== null) records.push(record)
    if (records.length === rebalancedPerRoundMax) break
  }
  return records
}
