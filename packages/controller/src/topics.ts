import { type BrokerId, type TopicId, uuidFromBytes, zeroUuid } from '@trimaran/common'
import type { ControllerRequests, MetadataRecord, Outcome, TopicImage } from '@trimaran/metadata'
import {
  type Cluster,
  type Decision,
  failure,
  recordsPerOperationMax,
  repeated,
  success,
  tooManyRecords,
} from './cluster.ts'
import { collisionKey } from './cluster-index.ts'
import { checkTopicConfigs } from './configs.ts'
import { removalRecordCount, removeTopic } from './deletion.ts'
import { place } from './placement.ts'
import { checkAssignment, newPartitionRecord } from './topic-assignments.ts'
import { topicNameError } from './topic-names.ts'

type CreateTopics = ControllerRequests['createTopics']
type NewTopic = CreateTopics['request']['topics'][number]
type CreatePartitions = ControllerRequests['createPartitions']
type DeleteTopics = ControllerRequests['deleteTopics']

const metadataTopic = '__cluster_metadata'

type Planned =
  | { readonly outcome: Outcome; readonly assignments?: undefined }
  | { readonly outcome: Outcome; readonly assignments: readonly (readonly BrokerId[])[] }

function checkName(cluster: Cluster, name: string, created: ReadonlyMap<string, string>): Outcome {
  if (name === metadataTopic) {
    return failure('INVALID_REQUEST', `Creation of internal topic ${name} is prohibited.`)
  }
  const error = topicNameError(name)
  if (error !== null) return failure('INVALID_TOPIC_EXCEPTION', error)
  if (cluster.image.topicsByName.has(name)) {
    return failure('TOPIC_ALREADY_EXISTS', `Topic '${name}' already exists.`)
  }
  const [other] = cluster.index.colliding(name)
  const collision = other ?? created.get(collisionKey(name))
  if (collision === undefined) return success
  const message = `Topic '${name}' collides with existing topic: ${collision}`
  return failure('INVALID_TOPIC_EXCEPTION', message)
}

function planManual(cluster: Cluster, topic: NewTopic): Planned {
  if (topic.replicationFactor !== -1 || topic.partitionCount !== -1) {
    const what = topic.replicationFactor === -1 ? 'numPartitions' : 'replication factor'
    const message = `A manual partition assignment was specified, but ${what} was not set to -1.`
    return { outcome: failure('INVALID_REQUEST', message) }
  }
  const sorted = topic.assignments.toSorted((a, b) => a.partition - b.partition)
  const replicationFactor = sorted[0]?.brokerIds.length ?? 0
  for (const [at, { partition, brokerIds }] of sorted.entries()) {
    if (partition !== at) {
      const message =
        sorted[at - 1]?.partition === partition
          ? `Found multiple manual partition assignments for partition ${partition}`
          : 'partitions should be a consecutive 0-based integer sequence'
      return { outcome: failure('INVALID_REPLICA_ASSIGNMENT', message) }
    }
    const outcome = checkAssignment(cluster.image, partition, brokerIds, replicationFactor)
    if (outcome.errorCode !== 0) return { outcome }
  }
  return { outcome: success, assignments: sorted.map(assignment => assignment.brokerIds) }
}

function planPlacement(cluster: Cluster, topic: NewTopic, recordsLeft: number): Planned {
  const { config, image, random } = cluster
  const partitionCount =
    topic.partitionCount === -1 ? config.defaultPartitionCount : topic.partitionCount
  const replicationFactor =
    topic.replicationFactor === -1 ? config.defaultReplicationFactor : topic.replicationFactor
  if (partitionCount <= 0) {
    const message = 'Number of partitions was set to an invalid non-positive value.'
    return { outcome: failure('INVALID_PARTITIONS', message) }
  }
  if (replicationFactor <= 0) {
    const message = 'Replication factor was set to an invalid non-positive value.'
    return { outcome: failure('INVALID_REPLICATION_FACTOR', message) }
  }
  // Before anything is made of that size.
  if (partitionCount > recordsLeft) return { outcome: tooManyRecords }
  const placed = place(image, random, { partitionCount, replicationFactor, existing: [] })
  if (placed.ok) return { outcome: success, assignments: placed.assignments }
  const message = `Unable to replicate the partition ${replicationFactor} time(s): ` + placed.error
  return { outcome: failure('INVALID_REPLICATION_FACTOR', message) }
}

function newTopicId(cluster: Cluster): TopicId {
  for (;;) {
    const bytes = cluster.random.bytes(16)
    // A random UUID (RFC 9562, version 4), so that other tools take it for one.
    bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
    bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
    const id = uuidFromBytes(bytes)
    // One that begins with a dash looks like an option to command line tools.
    if (!id.startsWith('-') && !cluster.image.topicsById.has(id)) return id
  }
}

function createTopic(
  cluster: Cluster,
  topic: NewTopic,
  recordsLeft: number,
  created: ReadonlyMap<string, string>,
): {
  readonly records: readonly MetadataRecord[]
  readonly outcome: Outcome
  readonly planned?: Planned
} {
  const name = checkName(cluster, topic.name, created)
  if (name.errorCode !== 0) return { records: [], outcome: name }
  const configs = checkTopicConfigs(cluster, topic.configs)
  if (configs.errorCode !== 0) return { records: [], outcome: configs }
  const planned =
    topic.assignments.length > 0
      ? planManual(cluster, topic)
      : planPlacement(cluster, topic, recordsLeft)
  if (planned.assignments === undefined) return { records: [], outcome: planned.outcome }
  const recordCount = 1 + planned.assignments.length + topic.configs.length
  if (recordCount > recordsLeft) return { records: [], outcome: tooManyRecords }
  const topicId = newTopicId(cluster)
  const records: MetadataRecord[] = [{ kind: 'topic', topicId, name: topic.name }]
  for (const [partition, replicas] of planned.assignments.entries()) {
    records.push(newPartitionRecord(cluster.image, topicId, partition, replicas))
  }
  for (const { name: key, value } of topic.configs) {
    records.push({ kind: 'config', resourceType: 'topic', resourceName: topic.name, key, value })
  }
  return { records, outcome: success, planned }
}

/** All topics of a request in one entry; each succeeds or fails by itself. */
export function createTopics(
  cluster: Cluster,
  { topics, validateOnly }: CreateTopics['request'],
): Decision<CreateTopics['response']> {
  const records: MetadataRecord[] = []
  const answers: CreateTopics['response']['topics'][number][] = []
  const twice = repeated(topics.map(topic => topic.name))
  const answered = new Set<string>()
  const created = new Map<string, string>()
  for (const topic of topics) {
    const failed = {
      name: topic.name,
      topicId: zeroUuid,
      partitionCount: -1,
      replicationFactor: -1,
    }
    if (twice.has(topic.name)) {
      if (answered.has(topic.name)) continue
      answered.add(topic.name)
      answers.push({ ...failure('INVALID_REQUEST', 'Duplicate topic name.'), ...failed })
      continue
    }
    const decided = createTopic(cluster, topic, recordsPerOperationMax - records.length, created)
    const [first] = decided.records
    if (first?.kind !== 'topic') {
      answers.push({ ...decided.outcome, ...failed })
      continue
    }
    created.set(collisionKey(topic.name), topic.name)
    records.push(...decided.records)
    answers.push({
      ...success,
      name: topic.name,
      topicId: validateOnly ? zeroUuid : first.topicId,
      partitionCount: decided.planned?.assignments?.length ?? -1,
      replicationFactor: decided.planned?.assignments?.[0]?.length ?? -1,
    })
  }
  return { records: validateOnly ? [] : records, response: { topics: answers } }
}

type MorePartitions = CreatePartitions['request']['topics'][number]

function planMore(cluster: Cluster, topic: TopicImage, request: MorePartitions): Planned {
  const current = topic.partitions.length
  const additional = request.count - current
  if (additional <= 0) {
    const message =
      additional === 0
        ? `Topic already has ${current} partition(s).`
        : `The topic ${topic.name} currently has ${current} partition(s); ${request.count} would not be an increase.`
    return { outcome: failure('INVALID_PARTITIONS', message) }
  }
  const replicationFactor = topic.partitions[0]?.replicas.length ?? 1
  const { assignments } = request
  if (assignments !== null) {
    if (assignments.length !== additional) {
      const message =
        `Attempted to add ${additional} additional partition(s), but only ${assignments.length} ` +
        'assignment(s) were specified.'
      return { outcome: failure('INVALID_REPLICA_ASSIGNMENT', message) }
    }
    for (const [at, brokerIds] of assignments.entries()) {
      const outcome = checkAssignment(cluster.image, current + at, brokerIds, replicationFactor)
      if (outcome.errorCode !== 0) return { outcome }
    }
    return { outcome: success, assignments }
  }
  if (additional > recordsPerOperationMax) return { outcome: tooManyRecords }
  const existing = topic.partitions.map(partition => partition.replicas)
  const placement = { partitionCount: additional, replicationFactor, existing }
  const placed = place(cluster.image, cluster.random, placement)
  if (placed.ok) return { outcome: success, assignments: placed.assignments }
  const message = `Unable to replicate the partition ${replicationFactor} time(s): ` + placed.error
  return { outcome: failure('INVALID_REPLICATION_FACTOR', message) }
}

export function createPartitions(
  cluster: Cluster,
  { topics, validateOnly }: CreatePartitions['request'],
): Decision<CreatePartitions['response']> {
  const records: MetadataRecord[] = []
  const outcomes = new Map<string, Outcome>()
  const twice = repeated(topics.map(topic => topic.name))
  for (const request of topics) {
    const { name } = request
    const topic = cluster.image.topicsByName.get(name)
    if (twice.has(name)) {
      outcomes.set(name, failure('INVALID_REQUEST', 'Duplicate topic name.'))
    } else if (topic === undefined) {
      const message = `This server does not host the topic '${name}'.`
      outcomes.set(name, failure('UNKNOWN_TOPIC_OR_PARTITION', message))
    } else {
      const { outcome, assignments = [] } = planMore(cluster, topic, request)
      const isTooMuch = records.length + assignments.length > recordsPerOperationMax
      outcomes.set(name, isTooMuch ? tooManyRecords : outcome)
      if (isTooMuch) continue
      for (const [at, replicas] of assignments.entries()) {
        const number = topic.partitions.length + at
        records.push(newPartitionRecord(cluster.image, topic.id, number, replicas))
      }
    }
  }
  const answers = [...outcomes].map(([name, outcome]) => ({ ...outcome, name }))
  return { records: validateOnly ? [] : records, response: { topics: answers } }
}

function findTopic(
  { image }: Cluster,
  { name, topicId }: DeleteTopics['request']['topics'][number],
): TopicImage | Outcome {
  if ((name === null) === (topicId === null)) {
    return failure('INVALID_REQUEST', 'A topic is named by its name or by its id.')
  }
  if (name !== null) {
    const missing = failure(
      'UNKNOWN_TOPIC_OR_PARTITION',
      `This server does not host the topic '${name}'.`,
    )
    return image.topicsByName.get(name) ?? missing
  }
  const missing = failure('UNKNOWN_TOPIC_ID', 'This server does not host this topic ID.')
  return image.topicsById.get(topicId ?? '') ?? missing
}

export function deleteTopics(
  cluster: Cluster,
  { topics }: DeleteTopics['request'],
): Decision<DeleteTopics['response']> {
  const records: MetadataRecord[] = []
  const disabled = failure('TOPIC_DELETION_DISABLED', 'Topic deletion is disabled.')
  const found = topics.map(request => ({ request, topic: findTopic(cluster, request) }))
  const twice = repeated(found.flatMap(({ topic }) => ('id' in topic ? [topic.id] : [])))
  const answers = found.map(({ request, topic }) => {
    const name = request.name ?? ('id' in topic ? topic.name : null)
    const topicId = request.topicId ?? ('id' in topic ? topic.id : zeroUuid)
    const answer = (outcome: Outcome) => ({ ...outcome, name, topicId })
    if (!cluster.config.deleteTopicEnable) return answer(disabled)
    if (!('id' in topic)) return answer(topic)
    if (twice.has(topic.id)) return answer(failure('INVALID_REQUEST', 'Duplicate topic.'))
    if (records.length + removalRecordCount(topic) > recordsPerOperationMax) {
      return answer(tooManyRecords)
    }
    records.push(...removeTopic(cluster, topic))
    return answer(success)
  })
  return { records, response: { topics: answers } }
}
