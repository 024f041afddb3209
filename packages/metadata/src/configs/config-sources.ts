import type { BrokerId } from '@trimaran/common'
import { configKey, noConfigs } from '../image.ts'
import type { Image } from '../image-types.ts'

/** Numbers of the DescribeConfigs response. */
export const configSources = {
  UNKNOWN: 0,
  DYNAMIC_TOPIC_CONFIG: 1,
  DYNAMIC_BROKER_CONFIG: 2,
  DYNAMIC_DEFAULT_BROKER_CONFIG: 3,
  STATIC_BROKER_CONFIG: 4,
  DEFAULT_CONFIG: 5,
  DYNAMIC_BROKER_LOGGER_CONFIG: 6,
  CLIENT_METRICS_CONFIG: 7,
  GROUP_CONFIG: 8,
} as const

export type ConfigSource = (typeof configSources)[keyof typeof configSources]

/** Where a broker's values come from, the strongest first. */
export interface BrokerConfigLayer {
  readonly source: ConfigSource
  readonly values: ReadonlyMap<string, string>
}

/** `brokerId` null: without what is set for single brokers. */
export function brokerConfigLayers(
  image: Image,
  staticConfig: ReadonlyMap<string, string>,
  brokerId: BrokerId | null,
): readonly BrokerConfigLayer[] {
  const own = brokerId === null ? undefined : image.configs.get(configKey('broker', `${brokerId}`))
  const cluster = image.configs.get(configKey('broker', ''))
  return [
    { source: configSources.DYNAMIC_BROKER_CONFIG, values: own ?? noConfigs },
    { source: configSources.DYNAMIC_DEFAULT_BROKER_CONFIG, values: cluster ?? noConfigs },
    { source: configSources.STATIC_BROKER_CONFIG, values: staticConfig },
  ]
}

export interface ConfigSynonym {
  readonly name: string
  readonly value: string
  readonly source: ConfigSource
}

/** Everything that sets one of the names, in the order in which it counts: by layer within a name. */
export function synonymsOf(
  names: readonly string[],
  layers: readonly BrokerConfigLayer[],
): readonly ConfigSynonym[] {
  const found: ConfigSynonym[] = []
  for (const name of names) {
    for (const { source, values } of layers) {
      const value = values.get(name)
      if (value !== undefined) found.push({ name, value, source })
    }
  }
  return found
}
