import { type BrokerId, WeakPairs } from '@trimaran/common'
import type { LogConfig } from '@trimaran/log'
import { effectiveTopicConfig, type Image, type TopicConfig } from '@trimaran/metadata'
import type { BrokerConfig } from './config.ts'
import type { TopicReplicaConfig } from './replication/types.ts'

/** What is in force for a topic on this broker. Cheap: metadata keeps what it resolved. */
export const topicConfig = (
  image: Image,
  config: BrokerConfig,
  brokerId: BrokerId,
  topicName: string,
): TopicConfig => effectiveTopicConfig(image, config.properties, topicName, brokerId)

/** By what metadata resolved, so that topics without overrides of their own share one. */
const replicaConfigs = new WeakPairs<BrokerConfig, TopicConfig, TopicReplicaConfig>()

/** The same as storage and replication need it. */
export function topicReplicaConfig(
  image: Image,
  config: BrokerConfig,
  brokerId: BrokerId,
  topicName: string,
): TopicReplicaConfig {
  const topic = topicConfig(image, config, brokerId, topicName)
  return replicaConfigs.get(config, topic, () => replicaConfig(topic, config))
}

function replicaConfig(topic: TopicConfig, config: BrokerConfig): TopicReplicaConfig {
  const log: LogConfig = {
    segmentBytes: topic.segmentBytes,
    segmentMs: topic.segmentMs,
    segmentJitterMs: topic.segmentJitterMs,
    indexIntervalBytes: topic.indexIntervalBytes,
    segmentIndexBytes: topic.segmentIndexBytes,
    retentionMs: topic.retentionMs,
    retentionBytes: topic.retentionBytes,
    cleanupDelete: topic.cleanupPolicy.includes('delete'),
    cleanupCompact: topic.cleanupPolicy.includes('compact'),
    flushMessages: topic.flushMessages,
    flushMs: topic.flushMs,
    timestampType: topic.messageTimestampType,
    fileDeleteDelayMs: topic.fileDeleteDelayMs,
    producerIdExpirationMs: config.producerIdExpirationMs,
    minCleanableDirtyRatio: topic.minCleanableDirtyRatio,
    deleteRetentionMs: topic.deleteRetentionMs,
    minCompactionLagMs: topic.minCompactionLagMs,
  }
  return { log, minInsyncReplicas: topic.minInsyncReplicas }
}
