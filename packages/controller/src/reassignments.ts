import type { BrokerId } from '@trimaran/common'
import type {
  ControllerRequests,
  MetadataRecord,
  Outcome,
  PartitionChangeRecord,
  PartitionImage,
} from '@trimaran/metadata'
import {
  type Cluster,
  type Decision,
  failure,
  isActiveIn,
  type NamedPartition,
  recordsPerOperationMax,
  repeated,
  success,
  tooManyRecords,
} from './cluster.ts'
import { changePartition, type PartitionTarget, targetIn } from './partition-changes.ts'
import { isReassigning, originalReplicas, towards } from './replica-assignment.ts'
import { checkReplicas } from './topic-assignments.ts'

type Alter = ControllerRequests['alterPartitionReassignments']
type Item = Alter['request']['partitions'][number]

interface Decided {
  readonly record: PartitionChangeRecord | null
  readonly outcome: Outcome
}

const refused = (outcome: Outcome): Decided => ({ record: null, outcome })

/** The size that the assignment has when what is under way is done. */
const replicationFactorOf = ({ replicas, removingReplicas }: PartitionImage): number =>
  replicas.filter(id => !removingReplicas.includes(id)).length

function begin(
  cluster: Cluster,
  { topicId, topicName, partition }: NamedPartition,
  replicas: readonly BrokerId[],
  mayChangeFactor: boolean,
): Decided {
  const valid = checkReplicas(cluster.image, partition.partition, replicas, null)
  if (valid.errorCode !== 0) return refused(valid)
  const factor = replicationFactorOf(partition)
  if (!mayChangeFactor && replicas.length !== factor) {
    const message = `The replication factor is changed from ${factor} to ${replicas.length}`
    return refused(failure('INVALID_REPLICATION_FACTOR', message))
  }
  const rules = targetIn(cluster, topicName)
  const target: PartitionTarget = cluster.bugs.has('reassignsUnsynced')
    ? {
        ...rules,
        assignment: { replicas, addingReplicas: [], removingReplicas: [] },
        isr: replicas,
      }
    : { ...rules, assignment: towards(partition, replicas) }
  return { record: changePartition(topicId, partition, target), outcome: success }
}

/**
 * Back to where it came from. When all who are in sync were being added, an eligible leader replica among the original ones
 * has everything that is committed; without one, going back is an unclean election.
 */
function cancel(cluster: Cluster, { topicId, topicName, partition }: NamedPartition): Decided {
  if (!isReassigning(partition)) {
    const message = 'No partition reassignment is in progress.'
    return refused(failure('NO_REASSIGNMENT_IN_PROGRESS', message))
  }
  const replicas = originalReplicas(partition)
  const isr = partition.isr.filter(id => replicas.includes(id))
  const target: PartitionTarget = {
    ...targetIn(cluster, topicName),
    assignment: { replicas, addingReplicas: [], removingReplicas: [] },
    isr,
  }
  if (isr.length > 0)
    return { record: changePartition(topicId, partition, target), outcome: success }
  const isActive = isActiveIn(cluster.image)
  const eligible = replicas.filter(id => partition.elr?.includes(id) === true)
  const heir = eligible.find(isActive) ?? eligible[0]
  if (heir !== undefined) {
    const record = changePartition(topicId, partition, { ...target, isr: [heir] })
    return { record, outcome: success }
  }
  const name = `${topicName}:${partition.partition}`
  if (!target.unclean || !replicas.some(isActive)) {
    const why = target.unclean
      ? 'none of its original replicas is alive.'
      : 'it would require an unclean leader election.'
    const message = `Unable to revert partition assignment for ${name} because ${why}`
    return refused(failure('INVALID_REPLICA_ASSIGNMENT', message))
  }
  return { record: changePartition(topicId, partition, target), outcome: success }
}

function decide(cluster: Cluster, item: Item, mayChangeFactor: boolean): Decided {
  const topic = cluster.image.topicsByName.get(item.topic)
  const partition = topic?.partitions[item.partition]
  if (topic === undefined || partition === undefined) {
    const message =
      topic === undefined
        ? `Unable to find a topic named ${item.topic}.`
        : `Unable to find partition ${item.topic}:${item.partition}.`
    return refused(failure('UNKNOWN_TOPIC_OR_PARTITION', message))
  }
  const named = { topicId: topic.id, topicName: topic.name, partition }
  return item.replicas === null
    ? cancel(cluster, named)
    : begin(cluster, named, item.replicas, mayChangeFactor)
}

const keyOf = ({ topic, partition }: Item): string => `${topic}/${partition}`

/**
 * `AlterPartitionReassignments` (KIP-455): each partition by itself. Where the ISR is what the target needs already, it is
 * done at once; else it is done by the change that makes it so (`changePartition`).
 */
export function alterPartitionReassignments(
  cluster: Cluster,
  { allowReplicationFactorChange, partitions }: Alter['request'],
): Decision<Alter['response']> {
  const records: MetadataRecord[] = []
  const twice = repeated(partitions.map(keyOf))
  const answers = partitions.map(item => {
    const { topic, partition } = item
    const answer = (outcome: Outcome) => ({ ...outcome, topic, partition })
    if (twice.has(keyOf(item))) {
      return answer(failure('INVALID_REQUEST', `${topic}-${partition} is named more than once.`))
    }
    if (records.length === recordsPerOperationMax) return answer(tooManyRecords)
    const { record, outcome } = decide(cluster, item, allowReplicationFactorChange)
    if (record !== null) records.push(record)
    return answer(outcome)
  })
  return { records, response: { ...success, partitions: answers } }
}
