import { brokerConfigDef, brokerConfigs, topicConfigs } from '@trimaran/metadata'

/** Keys that Kafka does not have. */
export const ownKeys: ReadonlyMap<string, string> = new Map([
  ['http.listener', 'host:port of /healthz, /metrics and /status; not served unless set'],
  [
    'node.listener',
    'host:port where nodes reach this one (gRPC); by default the controller listener, or port 9093',
  ],
  [
    'node.advertised.listener',
    'host:port that other nodes are told; by default from the voters or node.listener',
  ],
  [
    'compressed.batches.inspect',
    'true: unpack every compressed batch that a client sends and refuse bad ones, as Kafka does; by default only for compacted topics',
  ],
  [
    'test.faults',
    'true: whoever is on this machine can fail this node by POST /faults/… at its http.listener, for chaos tests; never set it elsewhere',
  ],
  [
    'test.peer.addresses',
    'id@host:port,…: where other nodes are dialled, whatever they say, so that a proxy can cut links; needs test.faults',
  ],
  ['log.level', 'trace, debug, info, warn, error, fatal or silent'],
])

/** Names that older releases or images used, and what reads them here. */
export const olderKeys: ReadonlySet<string> = new Set([
  'advertised.host.name',
  'advertised.port',
  'host.name',
  'port',
])

/** Java classes cannot run here; ignoring one would promise a check that never happens. */
export const refusedKeys: readonly string[] = [
  'authorizer.class.name',
  'create.topic.policy.class.name',
  'alter.config.policy.class.name',
  'client.quota.callback.class',
]

export type KeyKind = 'known' | 'zookeeper' | 'client' | 'unknown'

export function kindOfKey(key: string): KeyKind {
  if (ownKeys.has(key) || olderKeys.has(key) || brokerConfigDef(key) !== undefined) return 'known'
  if (key.startsWith('zookeeper.')) return 'zookeeper'
  // Kafka hands every other key to its plugins: clients' settings with a prefix of their own are legal.
  if (/^(?:producer|consumer|admin|confluent|log4j)\./.test(key)) return 'client'
  return 'unknown'
}

/** The known key that was probably meant. */
export function nearestKey(key: string): string | null {
  const synonym = topicConfigs.get(key)?.brokerSynonyms.find(name => brokerConfigs.has(name))
  if (synonym !== undefined) return synonym
  let best: string | null = null
  // A third of the letters wrong is another word.
  let bestDistance = Math.floor(key.length / 3) + 1
  for (const known of [...brokerConfigs.keys(), ...ownKeys.keys()]) {
    if (Math.abs(known.length - key.length) >= bestDistance) continue
    const distance = editDistance(key, known)
    if (distance < bestDistance) {
      best = known
      bestDistance = distance
    }
  }
  return best
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}
