import { coreConfigs } from './broker-config-table.ts'
import { type ConfigDef, parseTable } from './config-def.ts'
import { groupAndRemoteConfigs } from './group-config-table.ts'
import { securityConfigs } from './security-config-table.ts'

/** Every broker key of Kafka 4.3.1, as DescribeConfigs lists them: by name. */
export const brokerConfigs: ReadonlyMap<string, ConfigDef> = new Map(
  [...coreConfigs, ...groupAndRemoteConfigs, ...securityConfigs].toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  ),
)

/** Broker keys that are never in a file: they exist only while they are set. */
export const dynamicOnlyBrokerConfigs: ReadonlyMap<string, ConfigDef> = parseTable(
  `
follower.replication.throttled.rate | long | 9223372036854775807 | B | >=0 | Bytes per second that throttled followers fetch.
leader.replication.throttled.rate | long | 9223372036854775807 | B | >=0 | Bytes per second that throttled leaders send to followers.
replica.alter.log.dirs.io.max.bytes.per.second | long | 9223372036854775807 | B | >=0 | Bytes per second of moves between log directories.
`,
  'broker',
)

/** The definition of a broker key; undefined for one of a plugin. `listener.name.<listener>.` may come before it. */
export function brokerConfigDef(name: string): ConfigDef | undefined {
  const plain = name.replace(
    /^listener\.name\.[^.]+\.(?:(?:gssapi|plain|scram-sha-256|scram-sha-512|oauthbearer)\.)?/,
    '',
  )
  return brokerConfigs.get(plain) ?? dynamicOnlyBrokerConfigs.get(plain)
}
