import {
  brokerConfigDef,
  type ConfigDef,
  configKey,
  type ControllerRequests,
  Delta,
  type MetadataRecord,
  noConfigs,
  type Outcome,
  parseConfigValue,
  topicConfigs,
} from '@trimaran/metadata'
import {
  type Cluster,
  type Decision,
  failure,
  type NamedPartition,
  recordsPerOperationMax,
  repeated,
  success,
  tooManyRecords,
} from './cluster.ts'
import { changePartition, electionsFor, partitionsOf, targetIn } from './partition-changes.ts'

type AlterConfigs = ControllerRequests['alterConfigs']
type Resource = AlterConfigs['request']['resources'][number]
type Change = Resource['changes'][number]

const minInsync = 'min.insync.replicas'
const unclean = 'unclean.leader.election.enable'

/** A topic's overrides as a whole: each value by itself, and those that depend on each other. */
export function checkTopicConfigs(
  cluster: Cluster,
  configs: readonly { readonly name: string; readonly value: string | null }[],
): Outcome {
  for (const { name, value } of configs) {
    const def = topicConfigs.get(name)
    if (def === undefined) return failure('INVALID_CONFIG', `Unknown topic config name: ${name}`)
    if (value === null) {
      return failure('INVALID_CONFIG', `Null value not supported for topic configs: ${name}`)
    }
    const parsed = parseConfigValue(def, value)
    if (!parsed.ok) return failure('INVALID_CONFIG', parsed.error)
  }
  const values = new Map(configs.map(({ name, value }) => [name, value ?? '']))
  return checkTogether(cluster, values)
}

function checkTogether(cluster: Cluster, overrides: ReadonlyMap<string, string>): Outcome {
  const numberOf = (name: string): number => {
    const def = topicConfigs.get(name) as ConfigDef
    const [synonym] = def.brokerSynonyms
    const inherited = cluster.config.staticBrokerConfig.get(synonym ?? '')
    return Number(overrides.get(name) ?? inherited ?? def.defaultValue)
  }
  const min = numberOf('min.compaction.lag.ms')
  const max = numberOf('max.compaction.lag.ms')
  if (min > max) {
    const message = `conflict topic config setting min.compaction.lag.ms (${min}) > max.compaction.lag.ms (${max})`
    return failure('INVALID_CONFIG', message)
  }
  if (overrides.get('remote.storage.enable')?.trim().toLowerCase() === 'true') {
    return failure('INVALID_CONFIG', 'Tiered storage is not supported.')
  }
  return success
}

function checkResource({ image }: Cluster, resource: Resource): Outcome {
  const { resourceType, resourceName } = resource
  if (resourceType === 'topic') {
    if (image.topicsByName.has(resourceName)) return success
    const message = `The topic '${resourceName}' does not exist.`
    return failure('UNKNOWN_TOPIC_OR_PARTITION', message)
  }
  if (resourceName === '') return success
  if (!/^\d{1,10}$/.test(resourceName)) {
    return failure('INVALID_REQUEST', `Invalid broker name ${resourceName}`)
  }
  if (image.brokers.has(Number(resourceName))) return success
  return failure('BROKER_ID_NOT_REGISTERED', `No broker with id ${resourceName} found.`)
}

type Changed =
  | { readonly ok: true; readonly value: string | null }
  | { readonly ok: false; readonly outcome: Outcome }

/** What the key is to be afterwards; null: not set. Lists grow and shrink from what is in force here. */
function changedValue(
  def: ConfigDef | undefined,
  change: Change,
  current: string | undefined,
): Changed {
  const { name, operation, value } = change
  if (operation === 'delete') return { ok: true, value: null }
  if (value === null) {
    return {
      ok: false,
      outcome: failure('INVALID_REQUEST', `Null value not supported for : ${name}`),
    }
  }
  if (operation === 'set') return { ok: true, value }
  if (def?.type !== 'list') {
    const message = `Can't ${operation.toUpperCase()} to key ${name} because its type is not LIST.`
    return { ok: false, outcome: failure('INVALID_CONFIG', message) }
  }
  const split = (text: string): string[] =>
    text
      .split(',')
      .map(item => item.trim())
      .filter(item => item !== '')
  const before = split(current ?? def.defaultValue ?? '')
  const items = split(value)
  const after =
    operation === 'append'
      ? [...before, ...items.filter(item => !before.includes(item))]
      : before.filter(item => !items.includes(item))
  return { ok: true, value: after.join(',') }
}

/** Brokers take keys of plugins, which nobody here knows; but what only a restart can change is refused. */
function checkBrokerKey(resource: Resource, name: string, value: string | null): Outcome {
  const def = brokerConfigDef(name)
  const isDefault = resource.resourceName === ''
  if (name === minInsync) {
    // One value for all, or the eligible leader replicas would mean something else on each (KIP-966).
    if (!isDefault) {
      const message = `Broker-level ${minInsync} cannot be altered while ELR is enabled.`
      return failure('INVALID_CONFIG', message)
    }
    if (value === null) {
      const message = `Cluster-level ${minInsync} cannot be removed while ELR is enabled.`
      return failure('INVALID_CONFIG', message)
    }
  }
  if (def === undefined) return success
  const refuse = (why: string): Outcome =>
    failure(
      'INVALID_REQUEST',
      `Invalid config value for resource ConfigResource(type=BROKER, name='${resource.resourceName}'): ${why}`,
    )
  if (def.dynamic === 'readOnly')
    return refuse(`Cannot update these configs dynamically: Set(${name})`)
  if (isDefault && def.dynamic === 'perBroker' && !name.startsWith('listener.name.')) {
    return refuse(`Cannot update these per-broker configs at default level: Set(${name})`)
  }
  if (value === null) return success
  const parsed = parseConfigValue(def, value)
  return parsed.ok ? success : refuse(parsed.error)
}

interface ResourceDecision {
  readonly records: readonly MetadataRecord[]
  readonly outcome: Outcome
}

function alterResource(cluster: Cluster, resource: Resource): ResourceDecision {
  const refused = (outcome: Outcome): ResourceDecision => ({ records: [], outcome })
  const exists = checkResource(cluster, resource)
  if (exists.errorCode !== 0) return refused(exists)
  const { resourceType, resourceName } = resource
  if (new Set(resource.changes.map(change => change.name)).size !== resource.changes.length) {
    return refused(failure('INVALID_REQUEST', 'Error due to duplicate config keys'))
  }
  const before = cluster.image.configs.get(configKey(resourceType, resourceName)) ?? noConfigs
  const after = new Map(before)
  const records: MetadataRecord[] = []
  for (const change of resource.changes) {
    const { name } = change
    const isTopic = resourceType === 'topic'
    const def = isTopic ? topicConfigs.get(name) : brokerConfigDef(name)
    const changed = changedValue(def, change, before.get(name))
    if (!changed.ok) return refused(changed.outcome)
    const { value } = changed
    const allowed = isTopic ? success : checkBrokerKey(resource, name, value)
    if (allowed.errorCode !== 0) return refused(allowed)
    if (value === null) after.delete(name)
    else after.set(name, value)
    if (value !== (before.get(name) ?? null)) {
      records.push({ kind: 'config', resourceType, resourceName, key: name, value })
    }
  }
  if (resourceType === 'broker') return { records, outcome: success }
  const outcome = checkTopicConfigs(
    cluster,
    [...after].map(([name, value]) => ({ name, value })),
  )
  return outcome.errorCode === 0 ? { records, outcome } : refused(outcome)
}

/** Partitions for which one of the changed keys may matter. */
function* concernedBy(
  cluster: Cluster,
  key: string,
  records: readonly MetadataRecord[],
): IterableIterator<NamedPartition> {
  const ofKey = records.filter(record => record.kind === 'config' && record.key === key)
  const candidates = key === unclean ? cluster.index.leaderless : cluster.index.withElr
  for (const record of ofKey) {
    if (record.kind !== 'config') continue
    if (record.resourceType === 'broker') {
      yield* partitionsOf(cluster, candidates)
      return
    }
    const topic = cluster.image.topicsByName.get(record.resourceName)
    const numbers = topic === undefined ? undefined : candidates.get(topic.id)
    if (topic !== undefined && numbers !== undefined) {
      yield* partitionsOf(cluster, new Map([[topic.id, numbers]]))
    }
  }
}

/**
 * The changes and what follows from them at once. An ISR that is large enough from now on ends the eligibility of
 * replicas outside it, and does so first, since the high watermark may then move on without them. A topic that now allows
 * unclean elections gets its leaders last.
 */
function withConsequences(cluster: Cluster, configs: readonly MetadataRecord[]): MetadataRecord[] {
  const after = new Delta(cluster.image)
  for (const record of configs) after.replay(record)
  const changed: Cluster = { ...cluster, image: after.view }
  const keyOf = (topicId: string, partition: number): string => `${topicId}/${partition}`
  const done = new Set<string>()
  const eligibilities: MetadataRecord[] = []
  for (const { topicId, topicName, partition } of concernedBy(cluster, minInsync, configs)) {
    const record = changePartition(topicId, partition, targetIn(changed, topicName))
    if (record === null) continue
    done.add(keyOf(topicId, partition.partition))
    eligibilities.push(record)
  }
  const leaderless = [...concernedBy(cluster, unclean, configs)].filter(
    ({ topicId, partition }) => !done.has(keyOf(topicId, partition.partition)),
  )
  return [...eligibilities, ...configs, ...electionsFor(changed, leaderless)]
}

/** IncrementalAlterConfigs: a resource is changed whole or not at all, and all of them in one entry. */
export function alterConfigs(
  cluster: Cluster,
  { resources, validateOnly }: AlterConfigs['request'],
): Decision<AlterConfigs['response']> {
  const records: MetadataRecord[] = []
  const answers: AlterConfigs['response']['resources'][number][] = []
  const keyOf = (each: Resource): string => configKey(each.resourceType, each.resourceName)
  const twice = repeated(resources.map(keyOf))
  for (const resource of resources) {
    const { resourceType, resourceName } = resource
    const decided = twice.has(keyOf(resource)) ? null : alterResource(cluster, resource)
    const isTooMuch = records.length + (decided?.records.length ?? 0) > recordsPerOperationMax
    if (decided !== null && !isTooMuch) records.push(...decided.records)
    const outcome =
      decided === null
        ? failure('INVALID_REQUEST', 'Each resource must appear at most once.')
        : isTooMuch
          ? tooManyRecords
          : decided.outcome
    answers.push({ ...outcome, resourceType, resourceName })
  }
  if (validateOnly || records.length === 0) return { records: [], response: { resources: answers } }
  return { records: withConsequences(cluster, records), response: { resources: answers } }
}
