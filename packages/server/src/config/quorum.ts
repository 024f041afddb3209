import { hostname } from 'node:os'
import type { HostPort, NodeId } from '@trimaran/common'
import { parseHostPort, parseListeners, parseVoters } from './listeners.ts'
import type { VoterAddress } from './listeners.ts'

/** What the configuration says about the metadata quorum. */
export interface QuorumConfig {
  /** The voters that a new quorum begins with. Null: not configured. */
  readonly voters: readonly VoterAddress[] | null
  /** Where a quorum that is there can be found. Not empty: this node joins it, as an observer, and is no voter by itself. */
  readonly joins: readonly HostPort[]
}

const votersKey = 'controller.quorum.voters'
const serversKey = 'controller.quorum.bootstrap.servers'
export const DEFAULT_NODE_PORT = 9093

/**
 * `controller.quorum.voters` names who a new quorum begins with. Without it, `controller.quorum.bootstrap.servers` says where to
 * find one: a controller that is its only bootstrap server begins a quorum of its own, as after `kafka-storage format
 * --standalone`; everybody else joins, as after `--no-initial-controllers`.
 */
export function quorumOf(given: ReadonlyMap<string, string>, nodeId: NodeId): QuorumConfig {
  const text = given.get(votersKey)
  if (text !== undefined && text !== '') return { voters: parseVoters(text), joins: [] }
  const servers = (given.get(serversKey) ?? '')
    .split(',')
    .filter(item => item.trim() !== '')
    .map(item => parseHostPort(serversKey, item))
  const [first] = servers
  if (first === undefined) return { voters: null, joins: [] }
  const roles = given.get('process.roles') ?? ''
  const isController = roles === '' || roles.includes('controller')
  const isAlone = isController && servers.length === 1 && isOwn(first, given)
  return isAlone ? { voters: [{ nodeId, ...first }], joins: [] } : { voters: null, joins: servers }
}

/** A server on this node's own port is another one only where this node says that its own host has another name. */
function isOwn(server: HostPort, given: ReadonlyMap<string, string>): boolean {
  const own = ownAddress(given)
  if (server.port !== own.port) return false
  return own.host === null || own.host === server.host || isThisHost(own.host, server.host)
}

const isThisHost = (...hosts: readonly string[]): boolean =>
  hosts.every(host => ['localhost', '127.0.0.1', '::1', hostname()].includes(host))

function ownAddress(given: ReadonlyMap<string, string>): {
  readonly host: string | null
  readonly port: number
} {
  const told = given.get('node.advertised.listener') ?? ''
  if (told !== '') return parseHostPort('node.advertised.listener', told)
  const advertised = controllerListener(given, 'advertised.listeners')
  const own = given.get('node.listener') ?? ''
  const listener =
    own === '' ? controllerListener(given, 'listeners') : parseHostPort('node.listener', own)
  const host = advertised?.host ?? listener?.host ?? ''
  const isNamed = !['', '0.0.0.0', '::'].includes(host)
  return {
    host: isNamed ? host : null,
    port: advertised?.port ?? listener?.port ?? DEFAULT_NODE_PORT,
  }
}

/** Of those that the key lists, the one that other nodes use; null: it lists none. */
export function controllerListener(
  given: ReadonlyMap<string, string>,
  key: 'listeners' | 'advertised.listeners',
): HostPort | null {
  const text = given.get(key) ?? ''
  if (text === '') return null
  const names = controllerNames(given)
  const found = parseListeners(key, text).find(({ name }) => names.includes(name))
  return found === undefined ? null : { host: found.host, port: found.port }
}

export const controllerNames = (given: ReadonlyMap<string, string>): readonly string[] =>
  (given.get('controller.listener.names') ?? 'CONTROLLER')
    .split(',')
    .map(name => name.trim().toUpperCase())
