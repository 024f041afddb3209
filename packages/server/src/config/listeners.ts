import { ClusterError } from '@trimaran/common'
import type { HostPort } from '@trimaran/common'

export interface NamedAddress {
  readonly name: string
  /** Empty: every interface. */
  readonly host: string
  readonly port: number
}

export const badConfig = (text: string): ClusterError => new ClusterError('BAD_CONFIG', text)

/** `NAME://host:port,…` as Kafka writes it; hosts may be empty or `[v6]`. */
export function parseListeners(key: string, text: string): readonly NamedAddress[] {
  const names = new Set<string>()
  return text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
    .map(item => {
      const parts =
        /^(?<name>[A-Za-z0-9_.-]+):\/\/(?:\[(?<v6>[^\]]*)\]|(?<host>[^:/]*)):(?<port>\d{1,5})$/.exec(
          item,
        )?.groups
      const port = Number(parts?.['port'])
      if (parts === undefined || port > 65_535) {
        throw badConfig(
          `${key}: '${item}' is not a listener; write NAME://host:port, as in PLAINTEXT://:9092`,
        )
      }
      const name = (parts['name'] ?? '').toUpperCase()
      if (names.has(name))
        throw badConfig(`${key}: listener ${name} is given twice; each needs a name of its own`)
      names.add(name)
      return { name, host: parts['v6'] ?? parts['host'] ?? '', port }
    })
}

/** `host:port`, host may be empty or `[v6]`. */
export function parseHostPort(key: string, text: string): HostPort {
  const parts = /^(?:\[(?<v6>[^\]]*)\]|(?<host>[^:/]*)):(?<port>\d{1,5})$/.exec(text.trim())?.groups
  const port = Number(parts?.['port'])
  if (parts === undefined || port > 65_535)
    throw badConfig(`${key}: '${text}' is not an address; write host:port`)
  return { host: parts['v6'] ?? parts['host'] ?? '', port }
}

export interface VoterAddress {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

/** `id@host:port,…` */
export function parseVoters(
  text: string,
  key = 'controller.quorum.voters',
): readonly VoterAddress[] {
  const voters = text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
    .map(item => {
      const at = item.indexOf('@')
      const id = item.slice(0, at)
      if (at < 1 || !/^\d{1,9}$/.test(id)) {
        throw badConfig(
          `${key}: '${item}' is not a voter; write id@host:port, as in 1@node1:9093,2@node2:9093`,
        )
      }
      return { nodeId: Number(id), ...parseHostPort(key, item.slice(at + 1)) }
    })
  if (new Set(voters.map(({ nodeId }) => nodeId)).size < voters.length) {
    throw badConfig(`${key}: '${text}' names a node twice`)
  }
  return voters.toSorted((a, b) => a.nodeId - b.nodeId)
}

const plaintext = 'PLAINTEXT'
const protocols: readonly string[] = [plaintext, 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL']

/** The protocol of a listener; unmapped names that are no protocol's are plaintext. Throws for what is not served. */
export function requirePlaintext(name: string, mapText: string | undefined): void {
  const map = new Map(
    (mapText ?? '').split(',').map(item => {
      const at = item.indexOf(':')
      return [
        item.slice(0, at).trim().toUpperCase(),
        item
          .slice(at + 1)
          .trim()
          .toUpperCase(),
      ]
    }),
  )
  const protocol = map.get(name) ?? (protocols.includes(name) ? name : plaintext)
  if (!protocols.includes(protocol)) {
    throw badConfig(
      `listener.security.protocol.map: ${protocol} is none of ${protocols.join(', ')}`,
    )
  }
  if (protocol === plaintext) return
  throw badConfig(
    `listener ${name} wants ${protocol}, which this broker does not speak; map it to PLAINTEXT in ` +
      'listener.security.protocol.map and let a proxy end TLS, or keep the port inside a private network',
  )
}
