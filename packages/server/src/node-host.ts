import { MetricsRegistry } from '@trimaran/broker'
import type { ConnectionContext } from '@trimaran/broker'
import { uuidFromBytes } from '@trimaran/common'
import type { Clock, Disk, HostPort, LogEvent, Random } from '@trimaran/common'
import type { Endpoint } from '@trimaran/metadata'
import type { DurableState, QuorumStore } from '@trimaran/raft'
import type { DirectoryIdentity } from './config/data-directory.ts'
import type { ServerConfig } from './config/config.ts'
import type { VoterAddress } from './config/listeners.ts'
import { GrpcLinks } from './grpc-links.ts'
import { KafkaListener } from './kafka-listener.ts'
import type { ListenerAddress } from './kafka-listener.ts'
import { watchNode } from './metrics.ts'
import { ClusterNode } from './node.ts'
import { openFileLimit, openSegmentFiles } from './ports/open-file-limit.ts'
import type { PeerLinks } from './rpc/peer-links.ts'

/** What a node keeps, opened. `close` makes all of it durable; `abandon` leaves it as a killed process would. */
export interface NodeStorage {
  readonly identity: DirectoryIdentity
  readonly disk: Disk
  /** Of the partition logs, on `disk`. */
  readonly logDirectory: string
  readonly durable: DurableState
  readonly store: QuorumStore
  close(): Promise<void>
  abandon(): Promise<void>
}

/** What stands between a node and its ports: how a node is failed on command (cluster/). None in production. */
export interface PortFaults {
  readonly clock: Clock
  links(links: PeerLinks): PeerLinks
  handle(connection: ConnectionContext, frame: Uint8Array, node: HandlesRequests): Answer
}

/** A frame of an answer, or null where the request wants none; see Broker.handle. */
export type Answer = Promise<readonly Uint8Array[] | null>

export interface HandlesRequests {
  handle(connection: ConnectionContext, frame: Uint8Array): Answer
}

export interface NodeHostOptions {
  readonly config: ServerConfig
  readonly clusterId: string
  readonly clock: Clock
  readonly random: Random
  readonly logEvent: LogEvent
  readonly openStorage: () => Promise<NodeStorage>
  /** The node has halted and given back nothing: `kill` does. */
  readonly onFatal: (error: unknown) => void
  readonly faults?: PortFaults
}

/** One node with its sockets: takes ports and storage first, all at once, then builds the node on what it got. */
export class NodeHost {
  readonly #options: NodeHostOptions
  readonly #links: GrpcLinks
  readonly #listener: KafkaListener
  readonly #storage: NodeStorage
  readonly #bound: readonly ListenerAddress[]
  readonly #started: PromiseWithResolvers<ClusterNode>
  readonly #metrics = new MetricsRegistry()
  readonly #unwatch: () => void
  #node: ClusterNode | null = null

  static async open(options: NodeHostOptions): Promise<NodeHost> {
    const { config, clusterId, clock, random, logEvent } = options
    const started = Promise.withResolvers<ClusterNode>()
    let node: ClusterNode | null = null
    void started.promise.then(built => {
      node = built
    })
    // Who connects before the node is built waits for it; the order of the requests stays.
    const requests: HandlesRequests = {
      handle: (connection, frame) =>
        node?.handle(connection, frame) ??
        started.promise.then(built => built.handle(connection, frame)),
    }
    const { faults } = options
    const listener = new KafkaListener({
      listeners: config.listeners,
      limits: config.limits,
      logEvent,
      clock: faults?.clock ?? clock,
      handle: (connection, frame) =>
        faults === undefined
          ? requests.handle(connection, frame)
          : faults.handle(connection, frame, requests),
      failed: error => options.onFatal(error),
    })
    const opening = {
      links: GrpcLinks.open({
        clock,
        clusterId,
        nodeId: config.nodeId,
        incarnationId: uuidFromBytes(random.bytes(16)),
        listen: config.nodeListener,
        advertised: config.nodeAdvertised,
        detours: config.testPeerAddresses,
        logEvent,
      }),
      bound: listener.listen(),
      storage: options.openStorage(),
    }
    try {
      const [links, bound, storage] = await Promise.all([
        opening.links,
        opening.bound,
        opening.storage,
      ])
      return new NodeHost(options, { links, listener, storage, bound, started })
    } catch (error) {
      // Whatever did open is given back: a port that is taken must not leave a lock behind.
      const [links, , storage] = await Promise.allSettled([
        opening.links,
        opening.bound,
        opening.storage,
      ])
      // Not before: one that is closed on its way to listening never says what became of it.
      listener.destroy()
      if (links.status === 'fulfilled') links.value.close()
      if (storage.status === 'fulfilled') await storage.value.abandon()
      throw error
    }
  }

  private constructor(
    options: NodeHostOptions,
    opened: {
      readonly links: GrpcLinks
      readonly listener: KafkaListener
      readonly storage: NodeStorage
      readonly bound: readonly ListenerAddress[]
      readonly started: PromiseWithResolvers<ClusterNode>
    },
  ) {
    this.#options = options
    this.#links = opened.links
    this.#listener = opened.listener
    this.#storage = opened.storage
    this.#bound = opened.bound
    this.#started = opened.started
    this.#unwatch = watchNode(this.#metrics, opened.listener)
  }

  get node(): ClusterNode | null {
    return this.#node
  }

  get listener(): KafkaListener {
    return this.#listener
  }

  /** Where clients connect: ports as they were bound. */
  get endpoints(): readonly Endpoint[] {
    return this.#options.config.advertised.flatMap(({ name, host, port }) => {
      const bound = this.#bound.find(listener => listener.name === name)
      if (bound === undefined) return []
      return [
        {
          listener: name,
          host,
          port: port === 0 ? bound.port : port,
          securityProtocol: 'PLAINTEXT' as const,
        },
      ]
    })
  }

  /** Where nodes connect. */
  get nodeAddress(): HostPort {
    const { host, port } = this.#options.config.nodeAdvertised
    return { host, port: port === 0 ? this.#links.port : port }
  }

  get boundPorts(): { readonly clients: readonly number[]; readonly nodes: number } {
    return { clients: this.#bound.map(({ port }) => port), nodes: this.#links.port }
  }

  start(voters: readonly VoterAddress[]): ClusterNode {
    const { config, clusterId, clock, random, logEvent, onFatal, faults } = this.#options
    const { identity, disk, durable, store, logDirectory } = this.#storage
    const { host, port } = this.nodeAddress
    const node = new ClusterNode({
      config: {
        nodeId: config.nodeId,
        clusterId,
        directoryId: identity.directoryId,
        roles: config.roles,
        voters,
        bootstrapServers: config.bootstrapServers,
        endpoints: this.endpoints,
        nodeHost: host,
        nodePort: port,
        logDirectory,
        properties: config.properties,
      },
      clock: faults?.clock ?? clock,
      random,
      disk,
      durable,
      store,
      links: faults?.links(this.#links) ?? this.#links,
      logEvent,
      onFatal,
      metrics: this.#metrics,
      openFileCountMax: openSegmentFiles(openFileLimit()),
    })
    this.#node = node
    node.start()
    this.#started.resolve(node)
    return node
  }

  /** In order: leaderships away, logs closed, clients answered, links down, storage closed. */
  async shutdown(options: { readonly handOver?: boolean } = {}): Promise<void> {
    await this.#node?.shutdown(options)
    // Answers that are being written get a moment; clients that do not read them do not hold a stop up.
    this.#listener.destroyAfter(CLIENT_FAREWELL_MS)
    await this.#listener.close()
    this.#links.close()
    this.#unwatch()
    await this.#storage.close()
  }

  /** As kill -9, within the process: nothing is said to anybody, what was not durable may be lost. */
  async kill(): Promise<void> {
    this.#node?.halt()
    this.#links.close()
    this.#listener.destroy()
    this.#unwatch()
    await this.#storage.abandon()
  }
}

const CLIENT_FAREWELL_MS = 250
