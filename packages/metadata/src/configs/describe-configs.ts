import type { BrokerId } from '@trimaran/common'
import { configKey, noConfigs } from '../image.ts'
import type { Image } from '../image-types.ts'
import type { ConfigDef, ConfigType } from './config-def.ts'
import {
  type BrokerConfigLayer,
  brokerConfigLayers,
  type ConfigSource,
  configSources,
  type ConfigSynonym,
  synonymsOf,
} from './config-sources.ts'
import { brokerConfigDef, brokerConfigs } from './config-tables.ts'
import { topicDefaultText } from './topic-config.ts'
import { topicConfigs } from './topic-config-table.ts'

/** Numbers of the DescribeConfigs response (KIP-569). */
export const configTypeIds: Readonly<Record<ConfigType, number>> = {
  boolean: 1,
  string: 2,
  int: 3,
  short: 4,
  long: 5,
  double: 6,
  list: 7,
  class: 8,
  password: 9,
}

export interface DescribedConfig {
  readonly name: string
  /** Null: none, or not told because it is sensitive. */
  readonly value: string | null
  readonly source: ConfigSource
  readonly readOnly: boolean
  readonly isSensitive: boolean
  /** What would give the value, the strongest first; values of sensitive ones are null. */
  readonly synonyms: readonly {
    readonly name: string
    readonly value: string | null
    readonly source: ConfigSource
  }[]
  /** Of `configTypeIds`; 0 unknown. */
  readonly configType: number
  readonly documentation: string
}

function described(
  name: string,
  def: ConfigDef | undefined,
  value: string | null,
  synonyms: readonly ConfigSynonym[],
): DescribedConfig {
  // What nobody has defined may well be a secret, as in Kafka.
  const isSensitive = def === undefined || def.sensitive
  return {
    name,
    value: isSensitive ? null : value,
    source: synonyms[0]?.source ?? configSources.DEFAULT_CONFIG,
    readOnly: def?.dynamic === 'readOnly',
    isSensitive,
    synonyms: synonyms.map(synonym => (isSensitive ? { ...synonym, value: null } : synonym)),
    configType: def === undefined ? 0 : configTypeIds[def.type],
    documentation: def?.doc ?? '',
  }
}

/** The default of the first name alone: what stands behind it in other units is not listed, as in Kafka. */
function defaultSynonym(name: string | undefined): readonly ConfigSynonym[] {
  const value = name === undefined ? null : (brokerConfigs.get(name)?.defaultValue ?? null)
  if (name === undefined || value === null) return []
  return [{ name, value, source: configSources.DEFAULT_CONFIG }]
}

/** Every topic key, by name. */
export function describeTopicConfigs(
  image: Image,
  staticConfig: ReadonlyMap<string, string>,
  topicName: string,
  brokerId: BrokerId,
): readonly DescribedConfig[] {
  const overrides = image.configs.get(configKey('topic', topicName)) ?? noConfigs
  const layers = brokerConfigLayers(image, staticConfig, brokerId)
  return [...topicConfigs.values()].map(def => {
    const { name, brokerSynonyms } = def
    const override = overrides.get(name)
    const inherited = [...synonymsOf(brokerSynonyms, layers), ...defaultSynonym(brokerSynonyms[0])]
    if (override === undefined) {
      return described(name, def, topicDefaultText(def, layers), inherited)
    }
    const own = { name, value: override, source: configSources.DYNAMIC_TOPIC_CONFIG }
    return described(name, def, override, [own, ...inherited])
  })
}

/** Keys that stand in for each other in a broker's configuration, the strongest first. */
const brokerSynonymGroups: readonly (readonly string[])[] = [
  ['log.retention.ms', 'log.retention.minutes', 'log.retention.hours'],
  ['log.roll.ms', 'log.roll.hours'],
  ['log.roll.jitter.ms', 'log.roll.jitter.hours'],
  ['log.flush.interval.ms', 'log.flush.scheduler.interval.ms'],
]

function describeBrokerKey(name: string, layers: readonly BrokerConfigLayer[]): DescribedConfig {
  const group = brokerSynonymGroups.find(([first]) => first === name) ?? [name]
  const set = synonymsOf(group, layers)
  const synonyms = [...set, ...defaultSynonym(name)]
  const value = synonyms.find(synonym => synonym.name === name)?.value ?? null
  return described(name, brokerConfigDef(name), value, synonyms)
}

/**
 * Every key of one broker, and those of plugins that were set dynamically. `brokerId` null is the default of all
 * brokers: only what is set there.
 */
export function describeBrokerConfigs(
  image: Image,
  staticConfig: ReadonlyMap<string, string>,
  brokerId: BrokerId | null,
): readonly DescribedConfig[] {
  const layers = brokerConfigLayers(image, staticConfig, brokerId)
  const dynamic = layers.slice(0, 2).flatMap(layer => [...layer.values.keys()])
  const names = new Set(brokerId === null ? dynamic : [...brokerConfigs.keys(), ...dynamic])
  const shown = brokerId === null ? layers.slice(0, 2) : layers
  return [...names].toSorted().map(name => describeBrokerKey(name, shown))
}

/** The text in force for one broker's key; null: none. */
export function effectiveBrokerConfig(
  image: Image,
  staticConfig: ReadonlyMap<string, string>,
  brokerId: BrokerId | null,
  name: string,
): string | null {
  const [set] = synonymsOf([name], brokerConfigLayers(image, staticConfig, brokerId))
  return set?.value ?? brokerConfigDef(name)?.defaultValue ?? null
}
