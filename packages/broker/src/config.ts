import { ClusterError, type Uuid } from '@trimaran/common'
import type { GroupConfig } from '@trimaran/coordinator'
import { brokerConfigs, type Endpoint } from '@trimaran/metadata'
import type { TopicToCreate } from './auto-create.ts'
import type { ReplicaConfig } from './replication/types.ts'
import { consumerOffsetsTopic } from './topics.ts'

/** What the node knows of itself, apart from its properties. */
export interface BrokerIdentity {
  /** Advertised, ports as they were bound. */
  readonly endpoints: readonly Endpoint[]
  /** Where nodes reach it (gRPC). */
  readonly nodeHost: string
  readonly nodePort: number
  /** `directory.id` of the data directory. */
  readonly directoryId: Uuid
}

/** The broker's configuration as numbers and truths. Kafka's key is named with each; defaults are those of its table. */
export interface BrokerConfig extends BrokerIdentity {
  /** As given: what is not here has its default. Topic and broker configurations are worked out from it. */
  readonly properties: ReadonlyMap<string, string>
  /** broker.rack */
  readonly rack: string | null
  /** log.dirs, the first: shown by DescribeLogDirs */
  readonly logDir: string
  /** auto.create.topics.enable */
  readonly autoCreateTopicsEnable: boolean
  /** compressed.batches.inspect, which Kafka does not have: it always does */
  readonly inspectCompressed: boolean
  /** fetch.max.bytes */
  readonly fetchMaxBytes: number
  /** request.timeout.ms: for what is asked of the controller without a timeout of its own */
  readonly requestTimeoutMs: number
  /** max.request.partition.size.limit */
  readonly maxRequestPartitionSizeLimit: number
  /** broker.heartbeat.interval.ms */
  readonly heartbeatIntervalMs: number
  /** broker.session.timeout.ms */
  readonly sessionTimeoutMs: number
  /** producer.id.expiration.ms */
  readonly producerIdExpirationMs: number
  /** offsets.topic.num.partitions, .replication.factor, .segment.bytes */
  readonly consumerOffsetsTopic: TopicToCreate
  readonly replication: Omit<ReplicaConfig, 'topic'>
  readonly groups: Omit<GroupConfig, 'offsetsPartitionCount'>
}

const minuteMs = 60_000

/** Reads single properties; the table knows their defaults. */
class Properties {
  readonly #given: ReadonlyMap<string, string>

  constructor(given: ReadonlyMap<string, string>) {
    this.#given = given
  }

  text(name: string): string | null {
    return this.#given.get(name)?.trim() ?? brokerConfigs.get(name)?.defaultValue ?? null
  }

  /** Whole numbers; what is beyond 2^53 means "never" or "no limit" and is drawn to it. */
  number(name: string): number {
    const text = this.text(name)
    const value = Number(text)
    if (text === null || text === '' || Number.isNaN(value)) {
      throw new ClusterError('BAD_CONFIG', `${name} must be a number, not '${text ?? ''}'`)
    }
    return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value))
  }

  /** `fallback`: of a key that is not in Kafka's table. */
  boolean(name: string, fallback?: boolean): boolean {
    const text = (this.text(name) ?? fallback?.toString())?.toLowerCase()
    if (text === 'true' || text === 'false') return text === 'true'
    throw new ClusterError('BAD_CONFIG', `${name} must be true or false, not '${text ?? ''}'`)
  }
}

/** @throws ClusterError BAD_CONFIG for a value that cannot be used */
export function brokerConfig(
  given: ReadonlyMap<string, string>,
  identity: BrokerIdentity,
): BrokerConfig {
  const properties = new Properties(given)
  const logDirs = properties.text('log.dirs') ?? properties.text('log.dir') ?? ''
  return {
    ...identity,
    properties: given,
    rack: properties.text('broker.rack'),
    logDir: (logDirs.split(',')[0] ?? '').trim(),
    autoCreateTopicsEnable: properties.boolean('auto.create.topics.enable'),
    inspectCompressed: properties.boolean('compressed.batches.inspect', false),
    fetchMaxBytes: properties.number('fetch.max.bytes'),
    requestTimeoutMs: properties.number('request.timeout.ms'),
    maxRequestPartitionSizeLimit: properties.number('max.request.partition.size.limit'),
    heartbeatIntervalMs: properties.number('broker.heartbeat.interval.ms'),
    sessionTimeoutMs: properties.number('broker.session.timeout.ms'),
    producerIdExpirationMs: properties.number('producer.id.expiration.ms'),
    consumerOffsetsTopic: offsetsTopic(properties),
    replication: replicationConfig(properties),
    groups: groupConfig(properties),
  }
}

function offsetsTopic(properties: Properties): TopicToCreate {
  return {
    name: consumerOffsetsTopic,
    partitionCount: properties.number('offsets.topic.num.partitions'),
    replicationFactor: properties.number('offsets.topic.replication.factor'),
    configs: [
      { name: 'cleanup.policy', value: 'compact' },
      { name: 'compression.type', value: 'producer' },
      { name: 'segment.bytes', value: String(properties.number('offsets.topic.segment.bytes')) },
    ],
  }
}

const replicationConfig = (properties: Properties): BrokerConfig['replication'] => ({
  replicaLagTimeMaxMs: properties.number('replica.lag.time.max.ms'),
  replicaFetchWaitMaxMs: properties.number('replica.fetch.wait.max.ms'),
  replicaFetchMinBytes: properties.number('replica.fetch.min.bytes'),
  replicaFetchMaxBytes: properties.number('replica.fetch.max.bytes'),
  replicaFetchResponseMaxBytes: properties.number('replica.fetch.response.max.bytes'),
  replicaFetchBackoffMs: properties.number('replica.fetch.backoff.ms'),
  highWatermarkCheckpointIntervalMs: properties.number(
    'replica.high.watermark.checkpoint.interval.ms',
  ),
  recoveryPointCheckpointIntervalMs: properties.number('log.flush.offset.checkpoint.interval.ms'),
  retentionCheckIntervalMs: properties.number('log.retention.check.interval.ms'),
  cleanerBackoffMs: properties.boolean('log.cleaner.enable')
    ? properties.number('log.cleaner.backoff.ms')
    : null,
})

const groupConfig = (properties: Properties): BrokerConfig['groups'] => ({
  minSessionTimeoutMs: properties.number('group.min.session.timeout.ms'),
  maxSessionTimeoutMs: properties.number('group.max.session.timeout.ms'),
  maxSize: properties.number('group.max.size'),
  initialRebalanceDelayMs: properties.number('group.initial.rebalance.delay.ms'),
  offsetMetadataMaxBytes: properties.number('offset.metadata.max.bytes'),
  offsetsRetentionMs: properties.number('offsets.retention.minutes') * minuteMs,
  offsetsRetentionCheckIntervalMs: properties.number('offsets.retention.check.interval.ms'),
  offsetsCommitTimeoutMs: properties.number('offsets.commit.timeout.ms'),
  offsetsLoadBufferBytes: properties.number('offsets.load.buffer.size'),
})
