import {
  noEpoch,
  uuidFromBytes,
  type BrokerEpoch,
  type BrokerId,
  type Clock,
  type ClusterError,
  type LogEvent,
  type Offset,
  type Random,
} from '@trimaran/common'
import type { LogDirectory } from '@trimaran/log'
import { emptyImage, type Delta, type Image, type MetadataPublisher } from '@trimaran/metadata'
import type { BrokerServices } from './api/handler.ts'
import { handlers } from './api/table.ts'
import { TopicAutoCreator } from './auto-create.ts'
import { registerBrokerGauges } from './broker-gauges.ts'
import type {
  ControllerChannel,
  ReplicaFetchChannel,
  ReplicaFetchRequest,
  ReplicaFetchResponse,
} from './channels.ts'
import type { BrokerConfig } from './config.ts'
import type { ConnectionContext } from './connection.ts'
import { Dispatcher } from './dispatch.ts'
import { Groups } from './groups.ts'
import { ImageWaiters } from './image-waiters.ts'
import { BrokerLifecycle, type LifecycleOptions, type LifecycleState } from './lifecycle.ts'
import { BrokerMetrics } from './metrics.ts'
import { ProducerIds } from './producer-ids.ts'
import { ReplicaManager } from './replication/replica-manager.ts'
import type { HostedPartition, ReplicationBug, ReplicationStatus } from './replication/types.ts'
import { topicReplicaConfig } from './topic-configs.ts'

export interface BrokerOptions {
  readonly nodeId: BrokerId
  readonly clusterId: string
  readonly config: BrokerConfig
  readonly ports: { readonly clock: Clock; readonly random: Random; readonly logEvent: LogEvent }
  readonly logs: LogDirectory
  readonly controller: ControllerChannel
  readonly peers: ReplicaFetchChannel
  /** This broker does not belong to the cluster: the node must stop. */
  readonly onFatal: (error: ClusterError) => void
  readonly metrics?: BrokerMetrics
  /** Mistakes to make on purpose, for tests of the simulator only. */
  readonly bugs?: ReadonlySet<ReplicationBug>
  /** See ReplicaManagerOptions. */
  readonly replicasPerTurn?: number
}

/** For /status, the CLI and tests. */
export interface BrokerStatus {
  readonly brokerId: BrokerId
  readonly brokerEpoch: BrokerEpoch
  readonly state: LifecycleState
  readonly fenced: boolean
  /** End of the metadata that are applied here. */
  readonly metadataOffset: Offset
  readonly replication: ReplicationStatus
}

/**
 * The data plane of one node: takes requests of clients and peers, follows the metadata, holds its place in the
 * cluster. Composition only; the rules are in what it composes.
 */
export class Broker implements MetadataPublisher {
  readonly metrics: BrokerMetrics
  readonly #options: BrokerOptions
  readonly #lifecycle: BrokerLifecycle
  readonly #replicas: ReplicaManager
  readonly #groups: Groups
  readonly #dispatcher: Dispatcher
  readonly #imageWaiters: ImageWaiters
  #image: Image = emptyImage
  #stopped: Promise<void> | null = null

  constructor(options: BrokerOptions) {
    const { nodeId, clusterId, config, ports, controller } = options
    const { clock, random, logEvent } = ports
    const image = (): Image => this.#image
    const brokerEpoch = (): BrokerEpoch => this.brokerEpoch
    this.#options = options
    this.metrics = options.metrics ?? new BrokerMetrics()
    this.#lifecycle = new BrokerLifecycle(
      lifecycleOptions(options),
      uuidFromBytes(random.bytes(16)),
    )
    this.#replicas = new ReplicaManager({
      brokerId: nodeId,
      clock,
      random,
      logs: options.logs,
      controller,
      peers: options.peers,
      config: {
        ...config.replication,
        topic: (at, name) => topicReplicaConfig(at, config, nodeId, name),
      },
      logEvent,
      metrics: this.metrics.replication,
      epochs: { brokerEpoch },
      ...(options.bugs && { bugs: options.bugs }),
      ...(options.replicasPerTurn && { replicasPerTurn: options.replicasPerTurn }),
    })
    const topicCreator = new TopicAutoCreator({ clock, controller, config, logEvent })
    this.#groups = new Groups({
      clock,
      random,
      config,
      image,
      replicas: this.#replicas,
      logEvent,
    })
    this.#imageWaiters = new ImageWaiters(clock, image)
    const services: BrokerServices = {
      nodeId,
      clusterId,
      config,
      clock,
      random,
      logEvent,
      image,
      brokerEpoch,
      replicas: this.#replicas,
      groups: this.#groups.coordinator,
      controller,
      topicCreator,
      imageWaiters: this.#imageWaiters,
      producerIds: new ProducerIds({ controller, brokerId: nodeId, brokerEpoch }),
      metrics: this.metrics,
    }
    this.#dispatcher = new Dispatcher(services, handlers)
    registerBrokerGauges(this.metrics.registry, clock, {
      state: () => this.#lifecycle.state,
      replication: () => this.#replicas.status(),
      groups: () => this.#groups.coordinator.status(),
    })
  }

  get image(): Image {
    return this.#image
  }

  get brokerEpoch(): BrokerEpoch {
    return this.#lifecycle.brokerEpoch
  }

  /**
   * For the marker of a clean stop. A life that was never registered led and followed nothing, so its logs are still as
   * the life before left them: if that one stopped cleanly, this one has, too.
   */
  get cleanStopEpoch(): BrokerEpoch {
    return this.brokerEpoch === noEpoch ? this.#options.logs.previousBrokerEpoch : this.brokerEpoch
  }

  get state(): LifecycleState {
    return this.#lifecycle.state
  }

  /** What ApiVersions answers. */
  get advertised(): Dispatcher['advertised'] {
    return this.#dispatcher.advertised
  }

  /** Registers and begins to beat; metadata may come before and after. */
  start(): void {
    this.#lifecycle.start()
  }

  onMetadata(delta: Delta, image: Image): void {
    this.#image = image
    this.#replicas.onMetadata(delta, image)
    this.#groups.onMetadata(delta, image)
    for (const topic of delta.removedTopics.values()) {
      if (!image.topicsByName.has(topic.name)) this.metrics.topicDeleted(topic.name)
    }
    this.#lifecycle.onMetadata(image)
    this.#imageWaiters.onImage(image)
  }

  /**
   * `frame` is a request without its size; the result is the answer with it, null for none. Rejects with
   * CloseConnection when the connection must be closed.
   */
  handle(connection: ConnectionContext, frame: Uint8Array): Promise<readonly Uint8Array[] | null> {
    return this.#dispatcher.handle(connection, frame)
  }

  /** The leader's side of other brokers' fetches. */
  replicaFetch(request: ReplicaFetchRequest): Promise<ReplicaFetchResponse> {
    return this.#replicas.replicaFetch(request)
  }

  /** Hands its leaderships over while it still serves; resolves when it may stop. */
  controlledShutdown(): Promise<void> {
    return this.#lifecycle.controlledShutdown()
  }

  /** Serves no more and closes its logs cleanly. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  status(): BrokerStatus {
    return {
      brokerId: this.#options.nodeId,
      brokerEpoch: this.brokerEpoch,
      state: this.#lifecycle.state,
      fenced: this.#lifecycle.isFenced,
      metadataOffset: this.#image.endOffset,
      replication: this.#replicas.status(),
    }
  }

  /** Replicas on this broker, to be read at once. */
  partitions(): Iterable<HostedPartition> {
    return this.#replicas.partitions()
  }

  async #stop(): Promise<void> {
    this.#lifecycle.stop()
    this.#imageWaiters.stop()
    this.#groups.stop()
    await this.#replicas.shutdown()
  }
}

function lifecycleOptions({
  nodeId,
  clusterId,
  config,
  ports,
  logs,
  controller,
  onFatal,
}: BrokerOptions): LifecycleOptions {
  const {
    endpoints,
    nodeHost,
    nodePort,
    rack,
    directoryId,
    heartbeatIntervalMs,
    sessionTimeoutMs,
  } = config
  return {
    clock: ports.clock,
    random: ports.random,
    controller,
    registration: {
      brokerId: nodeId,
      clusterId,
      endpoints,
      nodeHost,
      nodePort,
      rack,
      logDirs: [directoryId],
    },
    previousBrokerEpoch: logs.previousBrokerEpoch,
    heartbeatIntervalMs,
    sessionTimeoutMs,
    logEvent: ports.logEvent,
    onFatal,
  }
}
