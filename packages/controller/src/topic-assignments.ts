import type { BrokerId, TopicId } from '@trimaran/common'
import {
  type Image,
  type MetadataRecord,
  type Outcome,
  type PartitionRecord,
} from '@trimaran/metadata'
import { failure, isActiveIn, success } from './cluster.ts'

/** A partition's replicas as the client wants them, whether they are up or not. */
export function checkReplicas(
  image: Image,
  partition: number,
  brokerIds: readonly BrokerId[],
  replicationFactor: number | null,
): Outcome {
  const invalid = (message: string): Outcome => failure('INVALID_REPLICA_ASSIGNMENT', message)
  if (brokerIds.length === 0) {
    return invalid(
      `The manual partition assignment of partition ${partition} includes an empty replica list.`,
    )
  }
  if (new Set(brokerIds).size !== brokerIds.length) {
    return invalid(
      `The manual partition assignment of partition ${partition} includes a broker more than once.`,
    )
  }
  const unknown = brokerIds.find(id => !image.brokers.has(id))
  if (unknown !== undefined) {
    return invalid(
      `The manual partition assignment includes broker ${unknown}, but no such broker is registered.`,
    )
  }
  if (replicationFactor !== null && brokerIds.length !== replicationFactor) {
    return invalid(
      `The manual partition assignment includes a partition with ${brokerIds.length} replica(s), but ` +
        `this is not consistent with other partitions, which have ${replicationFactor} replica(s).`,
    )
  }
  return success
}

/** For a new partition: somebody has to lead it. */
export function checkAssignment(
  image: Image,
  partition: number,
  brokerIds: readonly BrokerId[],
  replicationFactor: number | null,
): Outcome {
  const outcome = checkReplicas(image, partition, brokerIds, replicationFactor)
  if (outcome.errorCode !== 0 || brokerIds.some(isActiveIn(image))) return outcome
  return failure(
    'INVALID_REPLICA_ASSIGNMENT',
    'All brokers specified in the manual partition assignment for partition ' +
      `${partition} are fenced or in controlled shutdown.`,
  )
}

/** A new partition: everyone who is up is in sync, since there is nothing yet to be behind of. */
export function newPartitionRecord(
  image: Image,
  topicId: TopicId,
  partition: number,
  replicas: readonly BrokerId[],
): PartitionRecord & MetadataRecord {
  const isr = replicas.filter(isActiveIn(image))
  return {
    kind: 'partition',
    topicId,
    partition,
    replicas,
    isr,
    addingReplicas: [],
    removingReplicas: [],
    leader: isr[0] ?? -1,
    leaderEpoch: 0,
    partitionEpoch: 0,
    recovering: false,
  }
}
