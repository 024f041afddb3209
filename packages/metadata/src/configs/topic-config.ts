import { ClusterError, WeakPairs, must } from '@trimaran/common'
import type { BrokerId } from '@trimaran/common'
import { configKey, noConfigs } from '../image.ts'
import type { Image } from '../image-types.ts'
import { type ConfigDef, type ConfigValue, parseConfigValue } from './config-def.ts'
import { type BrokerConfigLayer, brokerConfigLayers, synonymsOf } from './config-sources.ts'
import { topicConfigs } from './topic-config-table.ts'

/**
 * What is in force for a topic. Times in milliseconds, sizes in bytes; -1 is no limit. Values beyond 2^53 stand for ever
 * and are the nearest double.
 */
export interface TopicConfig {
  readonly cleanupPolicy: readonly ('delete' | 'compact')[]
  readonly compressionType: 'producer' | 'uncompressed' | 'gzip' | 'snappy' | 'lz4' | 'zstd'
  readonly compressionGzipLevel: number
  readonly compressionLz4Level: number
  readonly compressionZstdLevel: number
  readonly deleteRetentionMs: number
  readonly fileDeleteDelayMs: number
  readonly flushMessages: number
  readonly flushMs: number
  readonly indexIntervalBytes: number
  readonly maxCompactionLagMs: number
  readonly maxMessageBytes: number
  readonly messageTimestampAfterMaxMs: number
  readonly messageTimestampBeforeMaxMs: number
  readonly messageTimestampType: 'CreateTime' | 'LogAppendTime'
  readonly minCleanableDirtyRatio: number
  readonly minCompactionLagMs: number
  readonly minInsyncReplicas: number
  readonly preallocate: boolean
  readonly retentionBytes: number
  readonly retentionMs: number
  readonly segmentBytes: number
  readonly segmentIndexBytes: number
  readonly segmentJitterMs: number
  readonly segmentMs: number
  readonly uncleanLeaderElectionEnable: boolean
}

/** `retention.ms` is `retentionMs`. */
const propertyOf = (name: string): string =>
  name.replace(/\.(?<letter>.)/g, (_dot, letter: string) => letter.toUpperCase())

/** Keys that no TopicConfig property stands for: tiered storage and replication throttles. */
const notInTopicConfig: ReadonlySet<string> = new Set(
  [...topicConfigs.keys()].filter(
    name => /^(?:remote|local)\./.test(name) || name.endsWith('.throttled.replicas'),
  ),
)

const scaleOf = (synonym: string): number =>
  synonym.endsWith('.hours') ? 3_600_000 : synonym.endsWith('.minutes') ? 60_000 : 1

function parsed(def: ConfigDef, text: string): ConfigValue {
  const result = parseConfigValue(def, text)
  if (!result.ok) throw new ClusterError('BAD_CONFIG', result.error)
  return result.value
}

/** The text of a topic key as brokers' keys set it, in the topic key's unit. */
export function topicDefaultText(def: ConfigDef, layers: readonly BrokerConfigLayer[]): string {
  const [synonym] = synonymsOf(def.brokerSynonyms, layers)
  if (synonym === undefined) return must(def.defaultValue, `${def.name} has a default`)
  const scale = scaleOf(synonym.name)
  if (scale === 1) return synonym.value
  const value = Number(synonym.value.trim())
  // Any negative time is no limit.
  return `${value < 0 ? -1 : value * scale}`
}

function resolve(
  overrides: ReadonlyMap<string, string>,
  base: TopicConfig | null,
  layers: readonly BrokerConfigLayer[],
): TopicConfig {
  const config: Record<string, ConfigValue> = base === null ? {} : { ...base }
  for (const [name, def] of topicConfigs) {
    if (notInTopicConfig.has(name)) continue
    const override = overrides.get(name)
    if (override !== undefined) config[propertyOf(name)] = parsed(def, override)
    else if (base === null) config[propertyOf(name)] = parsed(def, topicDefaultText(def, layers))
  }
  return Object.freeze(config) as unknown as TopicConfig
}

interface Defaults {
  /** All configurations of the image; the same object: nothing can have changed. */
  configs: Image['configs']
  readonly layers: readonly BrokerConfigLayer[]
  readonly config: TopicConfig
}

/**
 * What was resolved last, by the very maps it was resolved from: those are immutable, so equal objects mean equal
 * answers. One entry per static configuration, and with it one per set of overrides, kept only as long as both are.
 */
const defaultsOf = new WeakMap<ReadonlyMap<string, string>, Map<BrokerId | null, Defaults>>()
const overriddenOf = new WeakPairs<TopicConfig, ReadonlyMap<string, string>, TopicConfig>()

function defaultsFor(
  image: Image,
  staticConfig: ReadonlyMap<string, string>,
  brokerId: BrokerId | null,
): TopicConfig {
  let known = defaultsOf.get(staticConfig)
  if (known === undefined) {
    known = new Map()
    defaultsOf.set(staticConfig, known)
  }
  const last = known.get(brokerId)
  if (last?.configs === image.configs) return last.config
  const layers = brokerConfigLayers(image, staticConfig, brokerId)
  if (last?.layers.every((layer, at) => layer.values === layers[at]?.values) === true) {
    last.configs = image.configs
    return last.config
  }
  const config = resolve(noConfigs, null, layers)
  known.set(brokerId, { configs: image.configs, layers, config })
  return config
}

/**
 * Topic override, else the broker's synonyms (set for the broker, for all brokers, in its file), else the default. Cheap
 * enough for every request: it is resolved anew only when something that counts has changed, and then it is another
 * object. Throws ClusterError BAD_CONFIG if the static configuration has a value that cannot be.
 */
export function effectiveTopicConfig(
  image: Image,
  staticConfig: ReadonlyMap<string, string>,
  topicName: string,
  brokerId: BrokerId | null = null,
): TopicConfig {
  const base = defaultsFor(image, staticConfig, brokerId)
  const overrides = image.configs.get(configKey('topic', topicName))
  if (overrides === undefined) return base
  return overriddenOf.get(base, overrides, () => resolve(overrides, base, []))
}
