import type { NodeId, Offset } from '@trimaran/common'
import { errorInfo } from '@trimaran/protocol'
import type { NodeStatus, PartitionStatus } from '../node-status.ts'
import type { Cut } from './link-faults.ts'
import type { Member, MemberState } from './member.ts'
import type { RequestFaults } from './request-faults.ts'

/** What is the matter with a cluster, for assertions; as a string, for eyes. Ids are −1 where there is none. */
export interface ClusterAccount {
  readonly clusterId: string
  readonly controller: NodeId | null
  readonly nodes: readonly NodeAccount[]
  /** As the most up-to-date node knows them. */
  readonly partitions: readonly PartitionAccount[]
  readonly cuts: readonly Cut[]
  /** What `failNext` has left to do. */
  readonly failing: readonly FailingAccount[]
  /** How far the clock is ahead of the machine's. */
  readonly clockAheadMs: number
  toString(): string
}

export interface NodeAccount {
  readonly nodeId: NodeId
  readonly state: MemberState
  readonly address: string
  /** Connections of clients. */
  readonly clients: number
  /** Null while it is down; of a paused one, where it stopped. */
  readonly status: NodeStatus | null
}

export interface PartitionAccount {
  readonly topic: string
  readonly partition: number
  readonly leader: NodeId
  readonly leaderEpoch: number
  readonly replicas: readonly NodeId[]
  readonly isr: readonly NodeId[]
  /** The leader's; null while there is none that runs. */
  readonly highWatermark: Offset | null
  /** Of every replica that runs. */
  readonly logEndOffsets: readonly { readonly nodeId: NodeId; readonly logEndOffset: Offset }[]
  /** Who takes itself for the leader: in a partition of the network, more than one. */
  readonly leading: readonly NodeId[]
}

export interface FailingAccount {
  readonly api: string
  readonly error: string
  readonly left: number
  readonly nodeId: NodeId | null
  readonly topic: string | null
}

export function explain(sources: {
  readonly clusterId: string
  readonly controller: NodeId | null
  readonly members: readonly Member[]
  readonly cuts: readonly Cut[]
  readonly requests: RequestFaults
  readonly clockAheadMs: number
}): ClusterAccount {
  const { clusterId, controller, members, cuts, requests, clockAheadMs } = sources
  const nodes = members.map(({ nodeId, state, address, connectionCount, node }) => ({
    nodeId,
    state,
    address,
    clients: connectionCount,
    status: node?.status() ?? null,
  }))
  const account = {
    clusterId,
    controller,
    nodes,
    partitions: partitionsOf(nodes),
    cuts,
    failing: requests.rules.map(({ failing, errorCode, left, nodeId, topic }) => ({
      api: failing.api.name,
      error: errorInfo(errorCode).name,
      left,
      nodeId: nodeId ?? null,
      topic: topic ?? null,
    })),
    clockAheadMs,
  }
  return { ...account, toString: () => textOf(account) }
}

function partitionsOf(nodes: readonly NodeAccount[]): PartitionAccount[] {
  const told = nodes.flatMap(({ nodeId, status }) => (status === null ? [] : [{ nodeId, status }]))
  const [newest] = told.toSorted((a, b) => b.status.metadataOffset - a.status.metadataOffset)
  if (newest === undefined) return []
  const locals = new Map<
    string,
    { nodeId: NodeId; local: NonNullable<PartitionStatus['local']> }[]
  >()
  for (const { nodeId, status } of told) {
    for (const { topicId, partition, local } of status.partitions) {
      if (local === null) continue
      const key = `${topicId}/${partition}`
      locals.set(key, [...(locals.get(key) ?? []), { nodeId, local }])
    }
  }
  return newest.status.partitions.map(
    ({ topic, topicId, partition, leader, leaderEpoch, replicas, isr }) => {
      const here = locals.get(`${topicId}/${partition}`) ?? []
      const led = here.find(({ nodeId }) => nodeId === leader)
      return {
        topic,
        partition,
        leader,
        leaderEpoch,
        replicas,
        isr,
        highWatermark: led?.local.highWatermark ?? null,
        logEndOffsets: here.map(({ nodeId, local }) => ({
          nodeId,
          logEndOffset: local.logEndOffset,
        })),
        leading: here.filter(({ local }) => local.role === 'leader').map(({ nodeId }) => nodeId),
      }
    },
  )
}

// As text.

function textOf(account: Omit<ClusterAccount, 'toString'>): string {
  const { clusterId, controller, nodes, partitions, cuts, failing, clockAheadMs } = account
  const quorum = nodes.find(({ nodeId }) => nodeId === controller)?.status?.quorum
  const led =
    quorum === undefined
      ? 'no active controller'
      : `controller ${controller}, epoch ${quorum.epoch}, metadata committed up to ${quorum.highWatermark}`
  const states = new Map(nodes.map(({ nodeId, state }) => [nodeId, state]))
  return [
    `Cluster ${clusterId}: ${led}.`,
    '',
    ...table(
      ['NODE', 'STATE', 'QUORUM', 'EPOCH', 'BROKER', 'METADATA', 'CLIENTS', 'ADDRESS'],
      nodes.map(nodeRow),
    ),
    ...(partitions.length === 0 ? [] : ['']),
    ...table(
      ['TOPIC', 'PARTITION', 'LEADER', 'EPOCH', 'REPLICAS', 'ISR', 'HW', 'ENDS', ''],
      partitions.map(one => partitionRow(one, states)),
    ),
    ...(cuts.length + failing.length + clockAheadMs === 0 ? [] : ['']),
    ...(cuts.length === 0
      ? []
      : [`Cut: ${cuts.map(({ from, to }) => `${from} → ${to}`).join(', ')}.`]),
    ...failing.map(failingText),
    ...(clockAheadMs === 0 ? [] : [`The clock is ${clockAheadMs} ms ahead.`]),
  ].join('\n')
}

function nodeRow({ nodeId, state, address, clients, status }: NodeAccount): string[] {
  if (status === null) return [String(nodeId), state, '-', '-', '-', '-', '-', address]
  const { quorum, broker, metadataOffset } = status
  const isFenced = broker?.fenced === true
  return [
    String(nodeId),
    state,
    quorum.role,
    String(quorum.epoch),
    broker === null ? '-' : `${broker.state}${isFenced ? ', fenced' : ''}`,
    String(metadataOffset),
    String(clients),
    address,
  ]
}

function partitionRow(one: PartitionAccount, states: ReadonlyMap<NodeId, MemberState>): string[] {
  const ends = one.logEndOffsets.map(({ nodeId, logEndOffset }) => `${nodeId}:${logEndOffset}`)
  return [
    one.topic,
    String(one.partition),
    one.leader < 0 ? 'none' : String(one.leader),
    String(one.leaderEpoch),
    one.replicas.join(','),
    one.isr.join(','),
    one.highWatermark === null ? '-' : String(one.highWatermark),
    ends.join(' '),
    remarks(one, states).join('; '),
  ]
}

function remarks(
  { leader, replicas, isr, leading }: PartitionAccount,
  states: ReadonlyMap<NodeId, MemberState>,
): string[] {
  const state = states.get(leader)
  const pretenders = leading.filter(nodeId => nodeId !== leader)
  return [
    ...(leader < 0 ? ['no leader'] : []),
    ...(state !== undefined && state !== 'running' ? [`its leader is ${state}`] : []),
    ...(isr.length < replicas.length ? [`${replicas.length - isr.length} not in sync`] : []),
    ...pretenders.map(nodeId => `node ${nodeId} still believes to lead it`),
  ]
}

function failingText({ api, error, left, nodeId, topic }: FailingAccount): string {
  const where = `${nodeId === null ? '' : ` to node ${nodeId}`}${topic === null ? '' : ` of topic ${topic}`}`
  return `The next ${left === 1 ? `${api} request` : `${left} ${api} requests`}${where}: ${error}.`
}

/** Numbers to the right, text to the left. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return []
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map(row => row[column]?.length ?? 0)))
  const isNumber = head.map((_, column) =>
    rows.every(row => /^(-|none|\d+)$/.test(row[column] ?? '')),
  )
  return all.map(row =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return isNumber[column] === true ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd(),
  )
}
