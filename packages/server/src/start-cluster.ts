import { join } from 'node:path'
import { ClusterError, uuidFromBytes } from '@trimaran/common'
import type { LogEvent, LogLevel, NodeId } from '@trimaran/common'
import type { Image } from '@trimaran/metadata'
import { storedClusterId } from './config/data-directory.ts'
import { loadConfig } from './config/config.ts'
import type { ServerConfig } from './config/config.ts'
import type { VoterAddress } from './config/listeners.ts'
import type { ClusterNode } from './node.ts'
import { NodeHost } from './node-host.ts'
import type { NodeStorage } from './node-host.ts'
import { MemoryStorage, openDiskStorage } from './node-storage.ts'
import { systemClock } from './ports/clock.ts'
import { openLogger } from './ports/logger.ts'
import { systemRandom } from './ports/random.ts'

export interface StartClusterOptions {
  /** Nodes, each broker and controller. 3 unless told otherwise. */
  readonly nodes?: number
  /** True unless told otherwise: nothing is written to a disk, everything is gone with `stop`. */
  readonly inMemory?: boolean
  /** With `inMemory: false`: where; each node has a directory of its own in it. */
  readonly directory?: string
  /** Ports for clients, one per node; any free ones unless told otherwise. */
  readonly ports?: readonly number[]
  /** Kafka's broker keys, for every node. */
  readonly config?: Readonly<Record<string, string>>
  readonly logLevel?: LogLevel | 'silent'
}

export interface NewTopicOptions {
  readonly name: string
  readonly partitions?: number
  readonly replicationFactor?: number
  readonly configs?: Readonly<Record<string, string>>
}

const HOST = '127.0.0.1'
/** A cluster of a few nodes is up in well under a second; this is for a machine that does ten other things. */
const START_TIMEOUT_MS = 30_000
const TOPIC_TIMEOUT_MS = 30_000

/** A real cluster in this process: every node with its own sockets, quorum and logs. Resolves when it takes records. */
export async function startCluster(options: StartClusterOptions = {}): Promise<Cluster> {
  const cluster = new Cluster(options)
  try {
    await cluster.start()
    return cluster
  } catch (error) {
    await cluster.stop()
    throw error
  }
}

interface Member {
  readonly nodeId: NodeId
  readonly config: ServerConfig
  /** The ports it got at its first start; it keeps them. */
  ports: { readonly client: number; readonly node: number }
  readonly memory: MemoryStorage | null
  host: NodeHost | null
}

/** Handle of a running cluster, for tests: start, fail and look. */
export class Cluster implements AsyncDisposable {
  readonly #options: StartClusterOptions
  readonly #logEvent: LogEvent
  readonly #random = systemRandom()
  readonly #clusterId: string
  readonly #members = new Map<NodeId, Member>()
  #failure: unknown = null

  constructor(options: StartClusterOptions) {
    this.#options = options
    const stored =
      options.directory === undefined ? null : storedClusterId(join(options.directory, 'node-1'))
    this.#clusterId = stored ?? uuidFromBytes(this.#random.bytes(16))
    this.#logEvent = openLogger({ level: options.logLevel ?? 'silent', base: {} }).logEvent
    const count = options.nodes ?? 3
    if (!Number.isInteger(count) || count < 1)
      throw new ClusterError('BAD_CONFIG', `nodes: ${count} is no number of nodes`)
    if (options.inMemory === false && options.directory === undefined) {
      throw new ClusterError(
        'BAD_CONFIG',
        'directory: where shall a cluster that is not in memory keep its data?',
      )
    }
    for (let nodeId = 1; nodeId <= count; nodeId++)
      this.#members.set(nodeId, this.#member(nodeId, count))
  }

  get nodeIds(): readonly NodeId[] {
    return [...this.#members.keys()]
  }

  get clusterId(): string {
    return this.#clusterId
  }

  /** For clients: every node, dead ones too. */
  get bootstrapServers(): string {
    return [...this.#members.values()].map(({ ports }) => `${HOST}:${ports.client}`).join(',')
  }

  /** Opens every node's ports first, since each must know all the others', then starts them. */
  async start(): Promise<void> {
    const members = [...this.#members.values()]
    await Promise.all(members.map(member => this.#open(member)))
    for (const member of members) this.#startMember(member)
    const brokerCount = members.length
    await this.#withinTime(
      Promise.all(
        this.#live().map(node => node.whenImage(image => unfencedCount(image) === brokerCount)),
      ),
      START_TIMEOUT_MS,
      'the cluster did not come up',
    )
  }

  /** The running node. Throws if it is killed or was never there. */
  node(nodeId: NodeId): ClusterNode {
    const node = this.#member1(nodeId).host?.node
    if (node === undefined || node === null)
      throw new ClusterError('RPC_UNAVAILABLE', `node ${nodeId} is not running`)
    return node
  }

  /** As kill -9: no farewell; the others notice by their broken connections. */
  async kill(nodeId: NodeId): Promise<void> {
    const member = this.#member1(nodeId)
    const { host } = member
    member.host = null
    await host?.kill()
  }

  /** Starts a killed node again, or stops a running one in order first. On the same ports, with what its disk kept. */
  async restart(nodeId: NodeId): Promise<void> {
    const member = this.#member1(nodeId)
    await this.#shutdown(member)
    await this.#open(member)
    this.#startMember(member)
    await this.#withinTime(
      this.node(nodeId).whenImage(image => image.brokers.get(nodeId)?.fenced === false),
      START_TIMEOUT_MS,
      `node ${nodeId} did not come back`,
    )
  }

  /** Leader of a partition as the most up-to-date node knows it; null: none, or no such partition. */
  leaderOf(topic: string, partition: number): NodeId | null {
    const leader = this.#newest()?.image.topicsByName.get(topic)?.partitions[partition]?.leader
    return leader === undefined || leader < 0 ? null : leader
  }

  /** The active controller; null while there is none. */
  controller(): NodeId | null {
    for (const [nodeId, { host }] of this.#members) {
      if (host?.node?.controller?.isActive === true) return nodeId
    }
    return null
  }

  /** Resolves when every running node knows the topic and every partition has its leader. */
  async createTopic({
    name,
    partitions,
    replicationFactor,
    configs,
  }: NewTopicOptions): Promise<void> {
    const [first] = this.#live()
    if (first === undefined) throw new ClusterError('RPC_UNAVAILABLE', 'no node is running')
    const { topics } = await first.controllerChannel.request(
      'createTopics',
      {
        validateOnly: false,
        topics: [
          {
            name,
            partitionCount: partitions ?? -1,
            replicationFactor: replicationFactor ?? Math.min(3, this.#members.size),
            assignments: [],
            configs: Object.entries(configs ?? {}).map(([key, value]) => ({ name: key, value })),
          },
        ],
      },
      TOPIC_TIMEOUT_MS,
    )
    const [created] = topics
    if (created === undefined || created.errorCode !== 0) {
      throw new ClusterError(
        'BAD_CONFIG',
        `topic ${name}: ${created?.errorMessage ?? `error ${created?.errorCode}`}`,
      )
    }
    await Promise.all(
      this.#live().map(node => node.whenImage(image => image.topicsByName.has(name))),
    )
  }

  /** Ends all nodes, in order if they have a disk. */
  async stop(): Promise<void> {
    const members = [...this.#members.values()]
    await Promise.all(
      members.map(async member => {
        const { host } = member
        member.host = null
        if (this.#options.inMemory === false) await host?.shutdown({ handOver: false })
        else await host?.kill()
      }),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #member(nodeId: NodeId, count: number): Member {
    const { directory, config, ports } = this.#options
    const inMemory = this.#options.inMemory ?? true
    const replicas = String(Math.min(3, count))
    const dataDirectory = join(directory ?? '', `node-${nodeId}`)
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
        ...(inMemory ? {} : { 'log.dirs': dataDirectory }),
      },
    })
    for (const { level, phrase, fields } of loaded.notices) this.#logEvent(level, phrase, fields)
    const identity = {
      clusterId: this.#clusterId,
      nodeId,
      directoryId: uuidFromBytes(this.#random.bytes(16)),
    }
    return {
      nodeId,
      config: loaded,
      ports: { client: 0, node: 0 },
      memory: inMemory ? new MemoryStorage(identity) : null,
      host: null,
    }
  }

  #member1(nodeId: NodeId): Member {
    const member = this.#members.get(nodeId)
    if (member === undefined) throw new ClusterError('BAD_CONFIG', `there is no node ${nodeId}`)
    return member
  }

  async #open(member: Member): Promise<void> {
    const { nodeId, ports } = member
    const config = ports.node === 0 ? member.config : onPorts(member.config, ports)
    const host = await NodeHost.open({
      config,
      clusterId: this.#clusterId,
      clock: systemClock,
      random: this.#random,
      logEvent: (level, phrase, fields) => this.#logEvent(level, phrase, { nodeId, ...fields }),
      openStorage: () => this.#openStorage(member),
      onFatal: error => this.#fatal(member, error),
    })
    member.host = host
    member.ports = { client: host.boundPorts.clients[0] ?? 0, node: host.boundPorts.nodes }
  }

  #openStorage({ nodeId, memory, config }: Member): Promise<NodeStorage> {
    if (memory !== null) return Promise.resolve(memory.open())
    return openDiskStorage({
      dataDirectory: config.dataDirectory,
      metadataDirectory: config.metadataDirectory,
      clusterId: this.#clusterId,
      nodeId,
      random: this.#random,
      onFailure: error => this.#fatal(this.#member1(nodeId), error),
    })
  }

  #startMember(member: Member): void {
    const voters: VoterAddress[] = [...this.#members.values()].map(({ nodeId, ports }) => ({
      nodeId,
      host: HOST,
      port: ports.node,
    }))
    member.host?.start(voters)
  }

  async #shutdown(member: Member): Promise<void> {
    const { host } = member
    member.host = null
    await host?.shutdown()
  }

  /** The node is down as a crashed one is; whoever waits for the cluster hears of it. */
  #fatal(member: Member, error: unknown): void {
    this.#failure ??= error
    this.#logEvent('error', 'node failed', { nodeId: member.nodeId, err: error })
    void this.kill(member.nodeId)
  }

  #live(): readonly ClusterNode[] {
    return [...this.#members.values()].flatMap(({ host }) => host?.node ?? [])
  }

  #newest(): ClusterNode | undefined {
    return this.#live().toSorted((a, b) => b.image.endOffset - a.image.endOffset)[0]
  }

  #withinTime(done: Promise<unknown>, timeoutMs: number, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = systemClock.wakeAt(systemClock.monotonicMs() + timeoutMs, () => {
        reject(
          new ClusterError('RPC_TIMEOUT', `${what} within ${timeoutMs} ms`, {
            cause: this.#failure,
          }),
        )
      })
      done.then(() => resolve(), reject).finally(cancel)
    })
  }
}

const unfencedCount = (image: Image): number =>
  [...image.brokers.values()].filter(({ fenced }) => !fenced).length

const onPorts = (config: ServerConfig, ports: Member['ports']): ServerConfig => ({
  ...config,
  listeners: config.listeners.map(listener => ({ ...listener, port: ports.client })),
  advertised: config.advertised.map(listener => ({ ...listener, port: ports.client })),
  nodeListener: { ...config.nodeListener, port: ports.node },
  nodeAdvertised: { ...config.nodeAdvertised, port: ports.node },
})
