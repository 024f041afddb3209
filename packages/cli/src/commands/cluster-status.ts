import { setTimeout as sleep } from 'node:timers/promises'
import type { NodeStatus } from '@trimaran/server'
import { fetchStatus } from '../local-cluster/node-status.ts'
import {
  processState,
  readPid,
  requireState,
  type LocalCluster,
  type LocalNode,
  type ProcessState,
} from '../local-cluster/state.ts'
import { bold, count, dim, green, printJson, red, table, yellow } from '../output.ts'

interface StatusOptions {
  readonly dir: string
  readonly watch?: boolean | string
  readonly json?: boolean
}

interface NodeView {
  readonly id: number
  readonly pid: number | null
  readonly state: ProcessState | 'starting' | 'fenced' | 'unresponsive' | 'stopping'
  readonly roles: readonly string[]
  readonly port: number
  readonly leaderOf: number
  readonly replicaOf: number
}
interface PartitionView {
  readonly topic: string
  readonly partition: number
  readonly leader: number
  readonly leaderEpoch: number
  readonly replicas: readonly number[]
  readonly isr: readonly number[]
  /** Of the leader; null while there is none that answers. */
  readonly highWatermark: number | null
  readonly logEndOffset: number | null
  /** Log end of each replica that answers. */
  readonly logEndOffsets: Readonly<Record<number, number>>
}
interface ClusterView {
  readonly clusterId: string
  /** −1: none known. */
  readonly controller: number
  readonly epoch: number
  readonly nodes: readonly NodeView[]
  readonly topics: readonly {
    readonly name: string
    readonly topicId: string
    readonly partitions: readonly PartitionView[]
  }[]
  readonly offlinePartitions: number
  readonly underReplicatedPartitions: number
}

/** Above so many partitions eyes want a summary by topic. */
const partitionRowsMax = 40

export async function status(options: StatusOptions): Promise<void> {
  const state = requireState(options.dir)
  if (options.watch === undefined) {
    const view = await look(options.dir, state)
    if (options.json === true) printJson(view)
    else process.stdout.write(`${draw(view)}\n`)
    return
  }
  const pauseMs = (typeof options.watch === 'string' ? Number(options.watch) : 1) * 1000
  for (;;) {
    const view = await look(options.dir, state)
    process.stdout.write(
      `\u001b[H\u001b[2J${draw(view)}\n${dim(`${new Date().toLocaleTimeString()} · Ctrl-C ends`)}\n`,
    )
    await sleep(pauseMs)
  }
}

/** Asks every node; the one with the newest metadata says what the cluster is. */
export async function look(directory: string, state: LocalCluster): Promise<ClusterView> {
  const asked = await Promise.all(
    state.nodes.map(async node => ({ node, status: await fetchStatus(node) })),
  )
  const statuses = asked.flatMap(({ status: one }) => (one === null ? [] : [one]))
  const newest =
    statuses.toSorted(
      (a, b) => b.quorum.epoch - a.quorum.epoch || b.metadataOffset - a.metadataOffset,
    )[0] ?? null
  const topics = newest === null ? [] : topicViews(newest, statuses)
  const partitions = topics.flatMap(topic => topic.partitions)
  return {
    clusterId: state.clusterId,
    controller: newest?.controllerId ?? -1,
    epoch: newest?.quorum.epoch ?? -1,
    nodes: asked.map(({ node, status: one }) => nodeView(directory, node, one, newest)),
    topics,
    offlinePartitions: partitions.filter(partition => partition.leader < 0).length,
    underReplicatedPartitions: partitions.filter(
      partition => partition.isr.length < partition.replicas.length,
    ).length,
  }
}

function nodeView(
  directory: string,
  node: LocalNode,
  own: NodeStatus | null,
  newest: NodeStatus | null,
): NodeView {
  const process = processState(directory, node.id)
  const registered = newest?.brokers.find(broker => broker.id === node.id)
  const hosts = newest?.partitions.filter(partition => partition.replicas.includes(node.id)) ?? []
  return {
    id: node.id,
    pid: readPid(directory, node.id),
    state: process !== 'running' ? process : liveState(own, registered?.fenced ?? true),
    roles: own?.roles ?? [],
    port: node.port,
    leaderOf: hosts.filter(partition => partition.leader === node.id).length,
    replicaOf: hosts.length,
  }
}

function liveState(own: NodeStatus | null, fenced: boolean): NodeView['state'] {
  if (own === null) return 'unresponsive'
  if (own.broker === null) return 'running'
  if (
    own.broker.state === 'STARTING' ||
    own.broker.state === 'RECOVERY' ||
    own.broker.state === 'NOT_RUNNING'
  )
    return 'starting'
  if (own.broker.state !== 'RUNNING') return 'stopping'
  return fenced ? 'fenced' : 'running'
}

function topicViews(newest: NodeStatus, statuses: readonly NodeStatus[]): ClusterView['topics'] {
  const locals = new Map<
    string,
    Map<number, NonNullable<NodeStatus['partitions'][number]['local']>>
  >()
  for (const status of statuses) {
    for (const { topicId, partition, local } of status.partitions) {
      if (local === null) continue
      const key = `${topicId}/${partition}`
      locals.set(key, (locals.get(key) ?? new Map()).set(status.nodeId, local))
    }
  }
  const views = newest.partitions.map(
    ({ topic, topicId, partition, leader, leaderEpoch, replicas, isr }) => {
      const hosted = locals.get(`${topicId}/${partition}`) ?? new Map()
      return {
        topic,
        topicId,
        partition,
        leader,
        leaderEpoch,
        replicas,
        isr,
        highWatermark: hosted.get(leader)?.highWatermark ?? null,
        logEndOffset: hosted.get(leader)?.logEndOffset ?? null,
        logEndOffsets: Object.fromEntries(
          [...hosted].map(([id, local]) => [id, local.logEndOffset]),
        ),
      }
    },
  )
  return [...Map.groupBy(views, view => view.topicId)].map(([topicId, partitions]) => ({
    name: partitions[0]?.topic ?? '',
    topicId,
    partitions: partitions.map(({ topicId: _, ...partition }) => partition),
  }))
}

const stateText = (state: NodeView['state']): string =>
  state === 'running'
    ? green(state)
    : state === 'down' || state === 'unresponsive'
      ? red(state)
      : yellow(state)

function draw(view: ClusterView): string {
  const nodes = table(
    ['NODE', 'STATE', 'ROLES', 'PORT', 'PID', 'LEADS', 'REPLICAS', ''],
    view.nodes.map(node => [
      node.id,
      stateText(node.state),
      node.roles.join('+') || '-',
      node.port,
      node.pid ?? '-',
      node.leaderOf,
      node.replicaOf,
      node.id === view.controller ? bold('active controller') : '',
    ]),
  )
  const partitions = view.topics.flatMap(topic => topic.partitions)
  const health =
    view.offlinePartitions > 0
      ? red(`${count(view.offlinePartitions, 'partition')} offline`)
      : view.underReplicatedPartitions > 0
        ? yellow(`${count(view.underReplicatedPartitions, 'partition')} under-replicated`)
        : green('every replica in sync')
  const head = `cluster ${bold(view.clusterId)} · controller ${view.controller < 0 ? red('none') : view.controller} (epoch ${view.epoch}) · ${count(partitions.length, 'partition')}, ${health}`
  const body = partitions.length > partitionRowsMax ? drawTopics(view) : drawPartitions(partitions)
  return [head, '', nodes, '', partitions.length === 0 ? dim('no topics yet') : body].join('\n')
}

function drawPartitions(partitions: readonly PartitionView[]): string {
  return table(
    ['TOPIC', 'PARTITION', 'LEADER', 'EPOCH', 'ISR', 'OUT OF ISR', 'HW', 'LEO'],
    partitions.map(partition => {
      const out = partition.replicas.filter(id => !partition.isr.includes(id))
      return [
        partition.topic,
        partition.partition,
        partition.leader < 0 ? red('none') : partition.leader,
        partition.leaderEpoch,
        partition.isr.join(','),
        out.length === 0 ? '-' : yellow(out.join(',')),
        partition.highWatermark ?? '-',
        partition.logEndOffset ?? '-',
      ]
    }),
  )
}

/** A row a topic, and below it the partitions that are not as they should be. */
function drawTopics(view: ClusterView): string {
  const topics = table(
    ['TOPIC', 'PARTITIONS', 'OFFLINE', 'UNDER-REPLICATED', 'RECORDS'],
    view.topics.map(topic => [
      topic.name,
      topic.partitions.length,
      topic.partitions.filter(partition => partition.leader < 0).length,
      topic.partitions.filter(partition => partition.isr.length < partition.replicas.length).length,
      topic.partitions.reduce((sum, partition) => sum + (partition.highWatermark ?? 0), 0),
    ]),
  )
  const ill = view.topics
    .flatMap(topic => topic.partitions)
    .filter(partition => partition.leader < 0 || partition.isr.length < partition.replicas.length)
  if (ill.length === 0) return topics
  const more =
    ill.length > partitionRowsMax ? dim(`\n… and ${ill.length - partitionRowsMax} more`) : ''
  return `${topics}\n\n${drawPartitions(ill.slice(0, partitionRowsMax))}${more}`
}
