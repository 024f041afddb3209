/** What containers set that is for the JVM, the image's scripts or the orchestrator, not for the broker. */
const notSettings = new Set(
  `BASE_DIR CERTIFICATE_PASSWORD CLIENT_PASSWORDS CLIENT_USERS CONF_DIR CONF_FILE CREATE_TOPICS DATA_DIR DEBUG ENABLE_KRAFT
   EXTRA_FLAGS GC_LOG_OPTS HEAP_OPTS HOME INITSCRIPTS_DIR INTER_BROKER_PASSWORD INTER_BROKER_USER JMX_HOSTNAME JMX_OPTS
   JMX_PORT JVM_PERFORMANCE_OPTS KRAFT_CLUSTER_ID LOG LOG_DIR MOUNTED_CONF_DIR OPTS SCRAM_IMAGE SKIP_KRAFT_STORAGE_INIT
   VERSION VOLUME_DIR`.split(/\s+/),
)
/** Image settings whose names vary. */
const notSettingPrefixes = ['LOG4J_', 'TLS_', 'ZOOKEEPER_TLS_', 'PORT_', 'SERVICE_', 'CMD_']

export type Environment = Readonly<Record<string, string | undefined>>

export interface FromEnvironment {
  readonly properties: ReadonlyMap<string, string>
  readonly clusterId: string | null
  /** KAFKA_CREATE_TOPICS of the wurstmeister image, as written: `name:partitions:replicas[:policy],…` */
  readonly createTopics: string
}

/**
 * Properties as the usual images take them: `KAFKA_LOG_DIRS` (apache/kafka, wurstmeister) and `KAFKA_CFG_LOG_DIRS`
 * (bitnami) are `log.dirs`; `__` is `_` and `___` is `-`. KAFKA_CFG_ wins where both are set: it can mean nothing else.
 */
export function readEnvironment(environment: Environment): FromEnvironment {
  const plain = new Map<string, string>()
  const prefixed = new Map<string, string>()
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || !name.startsWith('KAFKA_')) continue
    const rest = name.slice('KAFKA_'.length)
    if (rest.startsWith('CFG_')) prefixed.set(keyOf(rest.slice('CFG_'.length)), value.trim())
    else if (isSetting(rest, value)) plain.set(keyOf(rest), value.trim())
  }
  const clusterId =
    environment['CLUSTER_ID'] ??
    environment['KAFKA_CLUSTER_ID'] ??
    environment['KAFKA_KRAFT_CLUSTER_ID']
  plain.delete('cluster.id')
  return {
    properties: new Map([...plain, ...prefixed]),
    createTopics: environment['KAFKA_CREATE_TOPICS']?.trim() ?? '',
    clusterId: clusterId === undefined || clusterId.trim() === '' ? null : clusterId.trim(),
  }
}

function isSetting(rest: string, value: string): boolean {
  // Kubernetes makes KAFKA_PORT=tcp://… for a service that is called kafka.
  if (notSettings.has(rest) || value.startsWith('tcp://')) return false
  return !notSettingPrefixes.some(prefix => rest.startsWith(prefix))
}

const keyOf = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll('___', '-')
    .replaceAll('__', '\u0000')
    .replaceAll('_', '.')
    .replaceAll('\u0000', '_')
    // Bitnami's names of the two protocols with an underscore of their own.
    .replaceAll(/sasl\.(?=ssl$|plaintext$)/g, 'sasl_')
