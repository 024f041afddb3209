import { join } from 'node:path'
import type { LogEvent, NodeId } from '@trimaran/common'
import { loadConfig } from '../config/config.ts'
import type { ServerConfig } from '../config/config.ts'
import type { StartClusterOptions } from './options.ts'

export const HOST = '127.0.0.1'

export interface MemberPorts {
  readonly client: number
  readonly node: number
}

/** Where a node of a cluster on disk has its data. */
export const dataDirectoryOf = (directory: string, nodeId: NodeId): string =>
  join(directory, `node-${nodeId}`)

export function memberConfig(
  nodeId: NodeId,
  options: StartClusterOptions & { readonly nodes: number },
  logEvent: LogEvent,
  /** Where others are, `host:port,…`, for a node that comes to them later. */
  joins: string | null = null,
): ServerConfig {
  const { directory, config, ports, inMemory = true } = options
  const replicas = String(Math.min(3, options.nodes))
  const loaded = loadConfig({
    overrides: {
      'offsets.topic.replication.factor': replicas,
      'default.replication.factor': replicas,
      'group.initial.rebalance.delay.ms': '0',
      ...config,
      'node.id': String(nodeId),
      'process.roles': 'broker,controller',
      listeners: `PLAINTEXT://${HOST}:${ports?.[nodeId - 1] ?? 0},CONTROLLER://${HOST}:0`,
      'controller.listener.names': 'CONTROLLER',
      ...(joins !== null && { 'controller.quorum.bootstrap.servers': joins }),
      ...(inMemory ? {} : { 'log.dirs': dataDirectoryOf(directory ?? '', nodeId) }),
    },
  })
  for (const { level, phrase, fields } of loaded.notices) logEvent(level, phrase, fields)
  return loaded
}

/** On the ports that it got at its first start. */
export const onPorts = (config: ServerConfig, ports: MemberPorts): ServerConfig => ({
  ...config,
  listeners: config.listeners.map(listener => ({ ...listener, port: ports.client })),
  advertised: config.advertised.map(listener => ({ ...listener, port: ports.client })),
  nodeListener: { ...config.nodeListener, port: ports.node },
  nodeAdvertised: { ...config.nodeAdvertised, port: ports.node },
})
