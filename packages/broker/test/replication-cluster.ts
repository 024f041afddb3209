import { Prng } from '@trimaran/common'
import type { BrokerEpoch, BrokerId, Clock, ClusterError } from '@trimaran/common'
import { defaultLogConfig } from '@trimaran/log'
import type { LogConfig } from '@trimaran/log'
import { Delta, deltaBetween, emptyImage } from '@trimaran/metadata'
import type { Image, MetadataRecord } from '@trimaran/metadata'
import { encodeBatch, readBatchHeader } from '@trimaran/protocol'
import type { ReplicaFetchRequest, ReplicaFetchResponse } from '../src/channels.ts'
import { ReplicaManager } from '../src/replication/replica-manager.ts'
import type {
  AppendPartition,
  AppendResult,
  FetchRequest,
  FetchResult,
  ReplicaConfig,
} from '../src/replication/types.ts'
import { ControllerStandIn } from './replication-controller.ts'
import { MemoryLogs } from './replication-memory-log.ts'

export const topicId = 'ordersAAAAAAAAAAAAAAAA'

export const replicaConfig = (
  log: Partial<LogConfig> = {},
  minInsyncReplicas = 2,
): ReplicaConfig => ({
  topic: () => ({ log: { ...defaultLogConfig, ...log }, minInsyncReplicas }),
  replicaLagTimeMaxMs: 30_000,
  replicaFetchWaitMaxMs: 500,
  replicaFetchMinBytes: 1,
  replicaFetchMaxBytes: 1_048_576,
  replicaFetchResponseMaxBytes: 10_485_760,
  replicaFetchBackoffMs: 1_000,
  highWatermarkCheckpointIntervalMs: 5_000,
  recoveryPointCheckpointIntervalMs: 60_000,
  retentionCheckIntervalMs: 300_000,
  cleanerBackoffMs: null,
})

interface Wake {
  readonly deadlineMs: number
  readonly run: () => void
}

/** Time that moves when told; between two wake-ups every promise runs to its end. */
export class ManualTime implements Clock {
  nowMs = 0
  #wakes: Wake[] = []

  monotonicMs(): number {
    return this.nowMs
  }
  wallMs(): number {
    return this.nowMs
  }
  wakeAt(deadlineMs: number, run: () => void): () => void {
    const wake = { deadlineMs: Math.max(deadlineMs, this.nowMs), run }
    this.#wakes.push(wake)
    return () => {
      this.#wakes = this.#wakes.filter(other => other !== wake)
    }
  }

  async pass(byMs: number): Promise<void> {
    const untilMs = this.nowMs + byMs
    for (;;) {
      await new Promise(resolve => setImmediate(resolve))
      const due = this.#wakes.filter(({ deadlineMs }) => deadlineMs <= untilMs)
      const next = due.toSorted((a, b) => a.deadlineMs - b.deadlineMs)[0]
      if (!next) break
      this.#wakes = this.#wakes.filter(wake => wake !== next)
      this.nowMs = next.deadlineMs
      next.run()
    }
    this.nowMs = untilMs
  }
}

export class ClusterNode {
  readonly id: BrokerId
  readonly logs = new MemoryLogs()
  readonly manager: ReplicaManager
  readonly events: { readonly phrase: string; readonly fields: Record<string, unknown> }[] = []
  brokerEpoch: BrokerEpoch = -1
  /** Metadata waits here while it is held. */
  held: (() => void)[] | null = null
  isCutOff = false

  constructor(id: BrokerId, cluster: Cluster, config: ReplicaConfig) {
    this.id = id
    this.manager = new ReplicaManager({
      brokerId: id,
      clock: cluster.time,
      random: new Prng(id),
      logs: this.logs.directory,
      controller: { request: (kind, request) => cluster.ask(kind, request) as never },
      peers: { fetch: (leader, request) => cluster.fetch(this, leader, request) },
      config,
      logEvent: (_level, phrase, fields) => this.events.push({ phrase, fields: { ...fields } }),
      epochs: { brokerEpoch: () => this.brokerEpoch },
    })
  }
}

/** Brokers 1 to 3 that hear each other and the controller at once. */
export class Cluster {
  readonly time = new ManualTime()
  readonly nodes: readonly ClusterNode[]
  readonly controller: ControllerStandIn
  readonly asked: { readonly kind: string; readonly request: unknown }[] = []
  readonly fetches: {
    readonly from: BrokerId
    readonly request: ReplicaFetchRequest
    response: ReplicaFetchResponse | null
  }[] = []
  /** Thrown at whoever asks the controller. */
  controllerFailure: ClusterError | null = null
  /** Changes answers on their way. */
  tamper: (
    response: ReplicaFetchResponse,
    to: BrokerId,
  ) => ReplicaFetchResponse | Promise<ReplicaFetchResponse> = response => response

  constructor(config: ReplicaConfig = replicaConfig()) {
    this.nodes = [1, 2, 3].map(id => new ClusterNode(id, this, config))
    this.controller = new ControllerStandIn((delta, image) => this.#publish(delta, image))
  }

  node(id: BrokerId): ClusterNode {
    return this.nodes[id - 1] as ClusterNode
  }

  /** All registered and unfenced, and the topic `orders` there. */
  async start(assignments: readonly (readonly BrokerId[])[] = [[1, 2, 3]]): Promise<void> {
    for (const node of this.nodes) {
      node.brokerEpoch = this.controller.register(node.id, true)
      this.controller.unfence(node.id, node.brokerEpoch)
    }
    this.controller.createTopic(topicId, 'orders', assignments)
    await this.time.pass(10)
  }

  commit(...records: readonly MetadataRecord[]): void {
    this.controller.commit(records)
  }

  /** Moves partition 0 to another leader. */
  elect(leader: BrokerId, partition = 0): void {
    this.commit({ kind: 'partitionChange', topicId, partition, leader })
  }

  async append(
    id: BrokerId,
    options: Partial<AppendPartition> & {
      acks?: number
      timeoutMs?: number
      records?: number
    } = {},
  ): Promise<AppendResult> {
    const { acks = -1, timeoutMs = 1_000, records = 1, ...part } = options
    const batch = batchOf(records)
    const header = readBatchHeader(batch, 0)
    const request = {
      acks,
      timeoutMs,
      partitions: [{ topicId, partition: 0, batch, header, ...part }],
    }
    const [result] = await this.node(id).manager.append(request)
    return result as AppendResult
  }

  async read(
    id: BrokerId,
    fetchOffset: number,
    options: Partial<FetchRequest> & {
      partition?: number
      currentLeaderEpoch?: number
      lastFetchedEpoch?: number
      topicId?: string
    } = {},
  ): Promise<FetchResult> {
    const { partition = 0, currentLeaderEpoch = -1, lastFetchedEpoch = -1 } = options
    const { topicId: asked = topicId, ...request } = options
    const part = {
      topicId: asked,
      partition,
      fetchOffset,
      currentLeaderEpoch,
      lastFetchedEpoch,
      maxBytes: 1e6,
    }
    const [result] = await this.node(id).manager.fetch(
      {
        maxWaitMs: 0,
        minBytes: 1,
        maxBytes: 1e6,
        isolation: 'readUncommitted',
        allowFollower: false,
        partitions: [part],
        ...request,
      },
      { closed: false, onClose: () => () => {} },
    )
    return result as FetchResult
  }

  ask(kind: string, request: unknown): Promise<unknown> {
    this.asked.push({ kind, request })
    if (this.controllerFailure) return Promise.reject(this.controllerFailure)
    if (kind === 'alterPartition')
      return Promise.resolve(this.controller.alterPartition(request as never))
    return Promise.resolve({ errorCode: 0, errorMessage: null })
  }

  async fetch(
    from: ClusterNode,
    leader: BrokerId,
    request: ReplicaFetchRequest,
  ): Promise<ReplicaFetchResponse> {
    if (from.isCutOff || this.node(leader).isCutOff) return new Promise(() => {})
    const fetch: (typeof this.fetches)[number] = { from: from.id, request, response: null }
    this.fetches.push(fetch)
    fetch.response = await this.tamper(
      await this.node(leader).manager.replicaFetch(request),
      from.id,
    )
    return fetch.response
  }

  #publish(delta: Delta, image: Image): void {
    for (const node of this.nodes) {
      const deliver = (): void => node.manager.onMetadata(delta, image)
      if (node.held) node.held.push(deliver)
      else deliver()
    }
  }

  /** A second broker of this id, as after a restart of the first. */
  snapshotTo(manager: ReplicaManager): void {
    const { image } = this.controller
    manager.onMetadata(deltaBetween(emptyImage, image), image)
  }
}

export function batchOf(records: number): Uint8Array {
  return encodeBatch({
    records: Array.from({ length: records }, (_, index) => ({
      key: null,
      value: new Uint8Array(20),
      headers: [],
      timestampMs: 1_000 + index,
    })),
  })
}

/** What became of a promise so far. */
export function watch<T>(promise: Promise<T>): { value: T | undefined } {
  const watched: { value: T | undefined } = { value: undefined }
  void promise.then(value => {
    watched.value = value
  })
  return watched
}

export async function startedCluster(config?: ReplicaConfig): Promise<Cluster> {
  const cluster = new Cluster(config)
  await cluster.start()
  return cluster
}
