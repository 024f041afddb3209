import { hostname } from 'node:os'
import { createHash } from 'node:crypto'
import { uuidFromBytes, uuidPattern } from '@trimaran/common'
import type { HostPort, LogLevel, NodeId, Uuid } from '@trimaran/common'
import { brokerConfigDef, parseConfigValue } from '@trimaran/metadata'
import type { ListenerLimits } from '../kafka-listener.ts'
import { readEnvironment } from './environment.ts'
import type { Environment } from './environment.ts'
import { parseInitialTopics } from './initial-topics.ts'
import type { InitialTopic } from './initial-topics.ts'
import { inertKind } from './inert-keys.ts'
import { kindOfKey, nearestKey, refusedKeys } from './known-keys.ts'
import {
  badConfig,
  parseHostPort,
  parseListeners,
  parseVoters,
  requirePlaintext,
} from './listeners.ts'
import type { NamedAddress, VoterAddress } from './listeners.ts'
import { parseProperties } from './properties-file.ts'
import { controllerListener, controllerNames, DEFAULT_NODE_PORT, quorumOf } from './quorum.ts'
import type { QuorumConfig } from './quorum.ts'

export interface ServerConfig {
  readonly nodeId: NodeId
  readonly roles: { readonly broker: boolean; readonly controller: boolean }
  /** Null: this node makes up its own when it starts for the first time (nobody else is configured). */
  readonly clusterId: Uuid | null
  /** Whom a new quorum begins with; empty for a node that joins one. */
  readonly voters: readonly VoterAddress[]
  /** Where a node that joins finds the quorum; empty for everybody else. */
  readonly bootstrapServers: readonly HostPort[]
  /** Where clients connect; empty without the broker role. */
  readonly listeners: readonly NamedAddress[]
  /** What clients are told. Port 0 stands for the one that was bound. */
  readonly advertised: readonly NamedAddress[]
  /** Where nodes connect (gRPC), and what they are told. */
  readonly nodeListener: HostPort
  readonly nodeAdvertised: HostPort
  readonly httpListener: HostPort | null
  readonly dataDirectory: string
  readonly metadataDirectory: string
  readonly limits: ListenerLimits
  readonly logLevel: LogLevel | 'silent'
  /** Everything Kafka has a key for, as given or as this product sets it where it is not given. */
  readonly properties: ReadonlyMap<string, string>
  /** The node can be failed on command (faults/). */
  readonly testFaults: boolean
  /** Where peers are dialled whatever they say, by node: proxies that fail links on command. */
  readonly testPeerAddresses: readonly VoterAddress[]
  /** To be created once the node serves. */
  readonly initialTopics: readonly InitialTopic[]
  /** For the log, once there is one. */
  readonly notices: readonly ConfigNotice[]
}
export interface ConfigNotice {
  readonly level: 'info' | 'warn'
  readonly phrase: string
  readonly fields: Readonly<Record<string, unknown>>
}

export interface ConfigSources {
  /** Text of a server.properties file. */
  readonly file?: string
  readonly environment?: Environment
  readonly overrides?: Readonly<Record<string, string>>
}

const DEFAULT_BROKER_PORT = 9092
/** Kafka's /tmp/kafka-logs is emptied by many systems at boot. */
const DEFAULT_DATA_DIRECTORY = 'data'
/**
 * queued.max.request.bytes is unlimited in Kafka. Here: two of the largest frames, or five thousand requests of 50 KiB.
 */
const DEFAULT_QUEUED_MAX_BYTES = 256 * 1024 * 1024
/** Kafka: 2 s. A heartbeat is one small frame on a stream that is open anyway, and the controller hears of stalls sooner. */
const DEFAULT_HEARTBEAT_INTERVAL_MS = 500
const MAX_INT = 2 ** 31 - 1

/** File < environment < overrides. Throws BAD_CONFIG with the key's name and what would do. */
export function loadConfig({ file, environment, overrides }: ConfigSources): ServerConfig {
  const fromEnvironment = readEnvironment(environment ?? {})
  const given = new Map([
    ...parseProperties(file ?? ''),
    ...fromEnvironment.properties,
    ...Object.entries(overrides ?? {}),
  ])
  const notices = checkKeys(given)
  const nodeId = nodeIdOf(given)
  const { voters, joins } = quorumOf(given, nodeId)
  const roles = rolesOf(given, nodeId, { voters, joins })
  const addresses = addressesOf(given, { nodeId, roles, voters })
  const isAlone = voters === null && joins.length === 0
  const ownVoters = voters ?? (isAlone ? [{ nodeId, ...addresses.nodeAdvertised }] : [])
  const properties = withOwnDefaults(given, isAlone)
  properties.set('node.id', String(nodeId))
  const dataDirectory = dataDirectoryOf(given)
  return {
    nodeId,
    roles,
    clusterId: clusterIdOf(fromEnvironment.clusterId ?? given.get('cluster.id') ?? null, voters),
    voters: ownVoters,
    bootstrapServers: joins,
    ...addresses,
    httpListener: optionalAddress(given, 'http.listener'),
    dataDirectory,
    metadataDirectory: given.get('metadata.log.dir') ?? `${dataDirectory}/quorum`,
    limits: limitsOf(given),
    ...testSettingsOf(given),
    logLevel: logLevelOf(given),
    properties,
    initialTopics: parseInitialTopics(fromEnvironment.createTopics),
    notices,
  }
}

function checkKeys(given: ReadonlyMap<string, string>): readonly ConfigNotice[] {
  const notices: ConfigNotice[] = []
  const zookeeper: string[] = []
  const inert = { promised: [] as string[], tuning: [] as string[], usual: [] as string[] }
  for (const [key, text] of given) {
    if (refusedKeys.includes(key) && text !== '') {
      throw badConfig(
        `${key}: ${text} is a Java class and cannot run here; remove the key to start without it`,
      )
    }
    const def = brokerConfigDef(key)
    if (def !== undefined && text !== '') {
      const parsed = parseConfigValue(def, text)
      if (!parsed.ok)
        throw badConfig(
          def.validText === '' ? parsed.error : `${parsed.error} (valid: ${def.validText})`,
        )
    }
    const inertAs = def === undefined || text.trim() === def.defaultValue ? null : inertKind(key)
    if (inertAs !== null && text !== '') inert[inertAs].push(key)
    const kind = kindOfKey(key)
    if (kind === 'zookeeper') zookeeper.push(key)
    if (kind === 'unknown' && key !== 'cluster.id') {
      const nearest = nearestKey(key)
      notices.push({
        level: 'warn',
        phrase: 'unknown configuration key ignored',
        fields: nearest === null ? { key } : { key, didYouMean: nearest },
      })
    }
  }
  if (inert.promised.length > 0) {
    const phrase = 'configuration keys without effect: what they ask for is not supported'
    notices.push({ level: 'warn', phrase, fields: { keys: inert.promised } })
  }
  if (inert.tuning.length > 0) {
    const phrase = 'configuration keys without effect: there is nothing to tune by them'
    notices.push({ level: 'info', phrase, fields: { keys: inert.tuning } })
  }
  if (zookeeper.length > 0) {
    notices.push({
      level: 'info',
      phrase: 'no zookeeper is used: metadata lives in the quorum',
      fields: {
        ignored: zookeeper,
        hint: given.has('controller.quorum.voters')
          ? 'these keys can be removed'
          : 'this node is a cluster of its own; for several nodes give each the same controller.quorum.voters=1@host1:9093,2@host2:9093,3@host3:9093',
      },
    })
  }
  return notices
}

function nodeIdOf(given: ReadonlyMap<string, string>): NodeId {
  const idOf = (key: string): number | null => {
    const text = given.get(key)
    if (text === undefined || text === '' || text === '-1') return null
    const id = Number(text)
    if (!Number.isInteger(id) || id < 0 || id > MAX_INT)
      throw badConfig(`${key}: '${text}' is not an id; use 0 to ${MAX_INT}`)
    return id
  }
  const [nodeId, brokerId] = [idOf('node.id'), idOf('broker.id')]
  if (nodeId !== null && brokerId !== null && nodeId !== brokerId) {
    throw badConfig(
      `node.id is ${nodeId} and broker.id is ${brokerId}: they are two names of one thing; keep one of them`,
    )
  }
  return nodeId ?? brokerId ?? 1
}

function rolesOf(
  given: ReadonlyMap<string, string>,
  nodeId: NodeId,
  { voters, joins }: QuorumConfig,
): ServerConfig['roles'] {
  const isVoter =
    voters === null ? joins.length === 0 : voters.some(voter => voter.nodeId === nodeId)
  const text = given.get('process.roles') ?? ''
  if (text === '') return { broker: true, controller: isVoter }
  const words = text.split(',').map(word => word.trim())
  const roles = { broker: words.includes('broker'), controller: words.includes('controller') }
  // It joins: an observer that can be made a voter, if it has the role controller.
  if (joins.length > 0) return roles
  if (roles.controller && !isVoter) {
    throw badConfig(
      `node ${nodeId} has the role controller, but controller.quorum.voters does not name it; add ${nodeId}@host:port, or, if it joins a quorum that runs already, give it controller.quorum.bootstrap.servers=host:port,… instead`,
    )
  }
  if (!roles.controller && voters === null) {
    throw badConfig(
      'process.roles=broker needs controller.quorum.voters=id@host:port,… or controller.quorum.bootstrap.servers=host:port,…: where the controllers are',
    )
  }
  if (!roles.controller && isVoter) {
    throw badConfig(
      `controller.quorum.voters names node ${nodeId}, which has not the role controller; add it to process.roles or take the voter out`,
    )
  }
  return roles
}

interface Place {
  readonly nodeId: NodeId
  readonly roles: ServerConfig['roles']
  readonly voters: readonly VoterAddress[] | null
}

function addressesOf(
  given: ReadonlyMap<string, string>,
  place: Place,
): Pick<ServerConfig, 'listeners' | 'advertised' | 'nodeListener' | 'nodeAdvertised'> {
  const isBare = !given.has('listeners') && !given.has('advertised.listeners')
  const all = parseListeners('listeners', given.get('listeners') ?? olderListener(given))
  const names = controllerNames(given)
  const protocolMap = given.get('listener.security.protocol.map')
  for (const { name } of all) requirePlaintext(name, protocolMap)
  const isClients = ({ name }: NamedAddress): boolean => !names.includes(name)
  const listeners = place.roles.broker ? all.filter(isClients) : []
  if (place.roles.broker && listeners.length === 0) {
    throw badConfig(
      'listeners: there is none for clients; add one beside the controller listener, as in PLAINTEXT://:9092',
    )
  }
  const ownHost = isBare ? 'localhost' : hostname()
  const advertised = advertisedOf(given, listeners, ownHost).filter(isClients)
  const voter = place.voters?.find(({ nodeId }) => nodeId === place.nodeId)
  const nodeListener = optionalAddress(given, 'node.listener') ??
    all.find(listener => !isClients(listener)) ?? {
      host: '',
      port: voter?.port ?? DEFAULT_NODE_PORT,
    }
  const nodeAdvertised = optionalAddress(given, 'node.advertised.listener') ??
    voter ??
    controllerListener(given, 'advertised.listeners') ?? {
      host: reachable(nodeListener.host) ?? advertised[0]?.host ?? ownHost,
      port: nodeListener.port,
    }
  return {
    listeners,
    advertised,
    nodeListener: { host: nodeListener.host, port: nodeListener.port },
    nodeAdvertised: { host: nodeAdvertised.host, port: nodeAdvertised.port },
  }
}

/** `host.name` and `port` are from before 0.9 and still in files. */
const olderListener = (given: ReadonlyMap<string, string>): string =>
  `PLAINTEXT://${given.get('host.name') ?? ''}:${given.get('port') ?? DEFAULT_BROKER_PORT}`

function advertisedOf(
  given: ReadonlyMap<string, string>,
  listeners: readonly NamedAddress[],
  ownHost: string,
): readonly NamedAddress[] {
  const text = given.get('advertised.listeners') ?? ''
  if (text === '') {
    const host = given.get('advertised.host.name')
    const port = given.get('advertised.port')
    return listeners.map(listener => ({
      name: listener.name,
      host: host ?? reachable(listener.host) ?? ownHost,
      port: port === undefined ? listener.port : Number(port),
    }))
  }
  const advertised = parseListeners('advertised.listeners', text)
  for (const { name, host } of advertised) {
    if (reachable(host) === null) {
      throw badConfig(
        `advertised.listeners: clients cannot connect to '${host}' (${name}); name the host that they reach`,
      )
    }
  }
  // A listener that is not advertised cannot be told to anybody who came in on it.
  const missing = listeners.find(({ name }) => !advertised.some(other => other.name === name))
  if (missing !== undefined) {
    throw badConfig(
      `advertised.listeners: ${missing.name} is missing; add ${missing.name}://host:port`,
    )
  }
  return advertised
}

const everyInterface = new Set(['', '0.0.0.0', '::'])
const reachable = (host: string): string | null => (everyInterface.has(host) ? null : host)

function optionalAddress(given: ReadonlyMap<string, string>, key: string): HostPort | null {
  const text = given.get(key) ?? ''
  return text === '' ? null : parseHostPort(key, text)
}

function withOwnDefaults(
  given: ReadonlyMap<string, string>,
  isAlone: boolean,
): Map<string, string> {
  const properties = new Map(
    [...given].filter(([key, text]) => brokerConfigDef(key) !== undefined && text !== ''),
  )
  const setUnlessGiven = (key: string, value: number): void => {
    if (!properties.has(key)) properties.set(key, String(value))
  }
  setUnlessGiven('broker.heartbeat.interval.ms', DEFAULT_HEARTBEAT_INTERVAL_MS)
  if (isAlone) {
    // As Kafka's own server.properties for one node has it: internal topics must be possible.
    setUnlessGiven('offsets.topic.replication.factor', 1)
    setUnlessGiven('transaction.state.log.replication.factor', 1)
    setUnlessGiven('transaction.state.log.min.isr', 1)
  }
  return properties
}

function dataDirectoryOf(given: ReadonlyMap<string, string>): string {
  const text = given.get('log.dirs') ?? given.get('log.dir') ?? DEFAULT_DATA_DIRECTORY
  const directories = text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
  const [first] = directories
  if (first === undefined)
    throw badConfig('log.dirs is empty; name the directory that holds the data')
  if (directories.length > 1) {
    throw badConfig(
      `log.dirs names ${directories.length} directories, and this broker keeps its data in one; keep ${first} or join the disks below it`,
    )
  }
  return first
}

/** The same on every node that is given the same voters, so that nobody has to hand one out. */
function clusterIdOf(given: string | null, voters: readonly VoterAddress[] | null): Uuid | null {
  if (given !== null) {
    if (uuidPattern.test(given)) return given
    // Bitnami's images and Kafka itself take any text.
    if (/^[A-Za-z0-9_-]{1,64}$/.test(given)) return given
    throw badConfig(`cluster id '${given}' is not one; 'kafka-storage random-uuid' makes one`)
  }
  if (voters === null) return null
  const text = voters.map(({ nodeId, host, port }) => `${nodeId}@${host}:${port}`).join(',')
  return uuidFromBytes(createHash('sha256').update(text).digest().subarray(0, 16))
}

function limitsOf(given: ReadonlyMap<string, string>): ListenerLimits {
  const number = (key: string): number =>
    Number(given.get(key) ?? brokerConfigDef(key)?.defaultValue)
  const queued = number('queued.max.request.bytes')
  if ((given.get('max.connections.per.ip.overrides') ?? '') !== '') {
    throw badConfig('max.connections.per.ip.overrides is not supported; use max.connections.per.ip')
  }
  return {
    requestMaxBytes: number('socket.request.max.bytes'),
    queuedMaxBytes: queued < 0 ? DEFAULT_QUEUED_MAX_BYTES : queued,
    connectionsMaxIdleMs: number('connections.max.idle.ms'),
    maxConnections: number('max.connections'),
    maxConnectionsPerIp: number('max.connections.per.ip'),
  }
}

function testSettingsOf(
  given: ReadonlyMap<string, string>,
): Pick<ServerConfig, 'testFaults' | 'testPeerAddresses'> {
  const text = given.get('test.faults') ?? 'false'
  if (text !== 'true' && text !== 'false') {
    throw badConfig(`test.faults: '${text}' is neither true nor false`)
  }
  const key = 'test.peer.addresses'
  const peers = given.get(key) ?? ''
  if (text === 'false' && peers !== '') {
    throw badConfig(`${key} is for tests; it needs test.faults=true beside it`)
  }
  return { testFaults: text === 'true', testPeerAddresses: parseVoters(peers, key) }
}

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

function logLevelOf(given: ReadonlyMap<string, string>): LogLevel | 'silent' {
  const text = given.get('log.level') ?? 'info'
  const level = levels.find(known => known === text.toLowerCase())
  if (level === undefined) throw badConfig(`log.level: '${text}' is none of ${levels.join(', ')}`)
  return level
}
