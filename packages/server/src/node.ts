import { AssertionError, ClusterError } from '@trimaran/common'
import type { Clock, Disk, HostPort, LogEvent } from '@trimaran/common'
import type { NodeId, Offset, Random, Voter } from '@trimaran/common'
import {
  Broker,
  brokerConfig,
  BrokerMetrics,
  CloseConnection,
  MetricsRegistry,
  topicReplicaConfig,
} from '@trimaran/broker'
import type {
  BrokerConfig,
  ConnectionContext,
  ControllerChannel,
  ReplicationBug,
} from '@trimaran/broker'
import { Controller } from '@trimaran/controller'
import type { ControllerBug, MetadataLog } from '@trimaran/controller'
import { LogDirectory } from '@trimaran/log'
import { emptyImage, encodeRecords, encodeSnapshot, MetadataLoader } from '@trimaran/metadata'
import type { ControllerRequests, Delta, Image } from '@trimaran/metadata'
import { RaftDriver } from '@trimaran/raft'
import type {
  DurableState,
  Message,
  QuorumStore,
  RaftDriverOptions,
  RaftListener,
} from '@trimaran/raft'
import { GuardedDisk } from './guarded-disk.ts'
import type { NodeConfig } from './node-config.ts'
import { registerNodeGauges } from './node-gauges.ts'
import { NodeProperties } from './node-properties.ts'
import { describeQuorum, nodeStatus } from './node-status.ts'
import type { NodeStatus } from './node-status.ts'
import { PeerControllerChannel } from './rpc/controller-channel.ts'
import { decodeEnvelope, encodeEnvelope } from './rpc/envelope.ts'
import type { PeerRequestKind, PeerRequests } from './rpc/envelope.ts'
import type { PeerAddress, PeerLinks } from './rpc/peer-links.ts'
import { PeerRpc } from './rpc/peer-rpc.ts'
import { PeerReplicaChannel } from './rpc/replica-channel.ts'

/** Entries after which a snapshot is taken even if they are small: a start replays no more than this. */
const SNAPSHOT_ENTRY_COUNT = 50_000
/** Container runtimes kill ten seconds after they asked for a stop; half of that is left for closing the logs. */
const HAND_OVER_MAX_MS = 5_000
/** Requests to a controller that leads and has not caught up with its own log yet: every broker's, a few times over. */
const MAX_WAITING_FOR_ACTIVATION = 10_000

type ControllerKind = keyof ControllerRequests

export interface ClusterNodeOptions {
  readonly config: NodeConfig
  readonly clock: Clock
  readonly random: Random
  /** Of the partition logs; never touched without the broker role. */
  readonly disk: Disk
  /** What the quorum store held when it was opened. */
  readonly durable: DurableState
  readonly store: QuorumStore
  readonly links: PeerLinks
  readonly logEvent: LogEvent
  /** A broken invariant or a refused membership: the node has halted itself, the process should end. */
  readonly onFatal?: (error: unknown) => void
  readonly simulated?: SimulatedMistakes
  /** Where the node's numbers go, beside those of its host. */
  readonly metrics?: MetricsRegistry
  /** Replicas that metadata may change in one turn of the event loop: few in a simulation, which has few. */
  readonly replicasPerTurn?: number
  /** See LogDirectoryOptions. */
  readonly warmLogBytes?: number
  readonly birthsPerTurn?: number
  /** Segment files open at a time. */
  readonly openFileCountMax?: number
}

/** Rules to break on purpose, so that the simulator can prove that it notices. Never set in production. */
export interface SimulatedMistakes {
  readonly quorum?: NonNullable<RaftDriverOptions['bugs']>
  readonly replication?: ReadonlySet<ReplicationBug>
  readonly controller?: ReadonlySet<ControllerBug>
}

/**
 * One node, wired: quorum, controller and broker over the ports. No sockets and no rules in here; production and the
 * simulator build this same class.
 *
 *   links ──▶ raft ──committed──▶ loader ──▶ broker ──▶ logs
 *     │        ▲                    └──────▶ controller
 *     └──▶ rpc ┴── requests ──▶ controller (if active) · broker (replica fetch)
 */
export class ClusterNode {
  readonly raft: RaftDriver
  readonly controller: Controller | null
  readonly broker: Broker | null
  /** Of the quorum, the controller and the node's sockets; the broker has its own. */
  readonly metrics: MetricsRegistry
  readonly #options: ClusterNodeOptions
  readonly #clock: Clock
  readonly #disk: GuardedDisk
  /** What a halted node still stumbles over is of no interest. */
  readonly #logEvent: LogEvent = (level, phrase, fields) => {
    if (!this.#halted) this.#options.logEvent(level, phrase, fields)
  }
  readonly #loader: MetadataLoader
  readonly #rpc: PeerRpc
  readonly #channel: PeerControllerChannel
  readonly #logs: LogDirectory | null
  readonly #snapshotBytes: number
  #waitingForActivation: {
    readonly go: () => void
    readonly fail: (error: ClusterError) => void
  }[] = []
  readonly #gone = new Set<NodeId>()
  /** As the log named them last. */
  #voters: readonly Voter[] = []
  #abandonHandOver: () => void = () => {}
  #imageWaiters: { readonly fulfils: (image: Image) => boolean; readonly resolve: () => void }[] =
    []
  #bytesSinceSnapshot = 0
  #entriesSinceSnapshot = 0
  #halted = false
  /** Under way on the clock. */
  readonly #wakes = new Set<() => void>()
  #stopping: Promise<void> | null = null

  constructor(options: ClusterNodeOptions) {
    const { config, random, simulated = {} } = options
    const logEvent = this.#logEvent
    this.#options = options
    this.metrics = options.metrics ?? new MetricsRegistry()
    this.#clock = this.#guardedClock(options.clock)
    this.#disk = new GuardedDisk(options.disk, error => this.#fatal(error))
    const properties = new NodeProperties(config.properties)
    this.#snapshotBytes = properties.number('metadata.log.max.record.bytes.between.snapshots')
    this.raft = this.#makeRaft(properties)
    this.controller = config.roles.controller ? this.#makeController(properties) : null
    registerNodeGauges(this.metrics, this.raft, this.controller)
    this.#rpc = new PeerRpc({
      clock: this.#clock,
      random,
      send: (to, frame) => !this.#halted && options.links.send(to, frame),
      serve: (from, call, request) => this.#serve(from, call, request),
      logEvent,
    })
    this.#channel = new PeerControllerChannel({
      clock: this.#clock,
      nodeId: config.nodeId,
      rpc: this.#rpc,
      local: config.roles.controller
        ? { request: (kind, request) => this.#serve(config.nodeId, kind, request) }
        : null,
    })
    const own = config.roles.broker ? brokerConfig(config.properties, brokerIdentity(config)) : null
    const metrics = new BrokerMetrics()
    this.#logs = own === null ? null : this.#openLogs(own, metrics)
    this.broker =
      own === null || this.#logs === null
        ? null
        : new Broker({
            nodeId: config.nodeId,
            clusterId: config.clusterId,
            config: own,
            ports: { clock: this.#clock, random, logEvent },
            logs: this.#logs,
            controller: this.#channel,
            peers: new PeerReplicaChannel(this.#rpc),
            onFatal: error => this.#fatal(error),
            metrics,
            ...(simulated.replication && { bugs: simulated.replication }),
            ...(options.replicasPerTurn && { replicasPerTurn: options.replicasPerTurn }),
          })
    const addresses = {
      onMetadata: (delta: Delta, image: Image) => this.#learnBrokers(delta, image),
    }
    this.#loader = new MetadataLoader({
      publishers: this.broker === null ? [addresses] : [addresses, this.broker],
      onImage: image => {
        this.controller?.committed(image)
        this.#settleImageWaiters(image)
      },
    })
  }

  get image(): Image {
    return this.#loader.image
  }

  /** The way to the active controller, for what is not a client's request. */
  get controllerChannel(): ControllerChannel {
    return this.#channel
  }

  /** Resolves as soon as what this node has applied fulfils the condition; never after a halt. */
  whenImage(fulfils: (image: Image) => boolean): Promise<void> {
    if (fulfils(this.image)) return Promise.resolve()
    return new Promise(resolve => this.#imageWaiters.push({ fulfils, resolve }))
  }

  start(): void {
    const { config, links } = this.#options
    for (const voter of config.voters) if (voter.nodeId !== config.nodeId) links.learn(voter)
    links.seek?.(config.bootstrapServers ?? [])
    links.start({
      frame: (from, frame) => this.#guard(() => this.#frame(from, frame)),
      gone: nodeId => this.#guard(() => this.#peerGone(nodeId)),
      reachable: nodeId => this.#guard(() => this.#peerReachable(nodeId)),
    })
    this.#guard(() => this.raft.start())
    this.#guard(() => this.broker?.start())
  }

  /** A client's request, without its size; see Broker.handle. Not async: that would keep the frame until the answer. */
  handle(connection: ConnectionContext, frame: Uint8Array): Promise<readonly Uint8Array[] | null> {
    if (this.#halted || this.broker === null)
      return Promise.reject(new CloseConnection('the node is stopping'))
    return this.broker.handle(connection, frame).then(answer => {
      // What halted it may be why the answer is as it is.
      if (this.#halted) throw new CloseConnection('the node is stopping')
      return answer
    })
  }

  /**
   * Hands over what it leads, closes its logs cleanly, leaves the quorum. Takes requests until the hand-over is done.
   * Without `handOver` (everybody stops at once, so there is nobody to take over) it only closes.
   */
  shutdown({ handOver = true }: { readonly handOver?: boolean } = {}): Promise<void> {
    this.#stopping ??= this.#shutdown(handOver)
    return this.#stopping
  }

  /** Drops everything, as kill -9 does: nothing runs, is sent or is written afterwards. */
  halt(): void {
    if (this.#halted) return
    this.#halted = true
    this.raft.stop()
    this.#disk.halt()
    this.#channel.halt()
    this.#rpc.halt()
    this.#waitingForActivation = []
    for (const cancel of this.#wakes) cancel()
    this.#abandonHandOver()
  }

  status(): NodeStatus {
    const { config } = this.#options
    return nodeStatus({ config, raft: this.raft, image: this.image, broker: this.broker })
  }

  async #shutdown(handOver: boolean): Promise<void> {
    if (this.#halted) return
    if (handOver) await this.#handOver(this.broker?.controlledShutdown())
    await this.broker?.stop()
    if (this.broker !== null) await this.#logs?.close({ brokerEpoch: this.broker.cleanStopEpoch })
    if (handOver) await this.#handOver(this.raft.resign())
    this.controller?.stop()
    this.#channel.stop()
    this.#rpc.stop()
    this.halt()
  }

  /** Until it is done, but not for ever: if the others stop, too, nobody is left to take over. */
  #handOver(done: Promise<void> | undefined): Promise<void> {
    if (done === undefined || this.#isMajorityGone()) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const deadlineMs = this.#clock.monotonicMs() + HAND_OVER_MAX_MS
      const cancel = this.#clock.wakeAt(deadlineMs, resolve)
      this.#abandonHandOver = resolve
      done.finally(cancel).then(resolve, reject)
    })
  }

  /** Then there is no controller, and there will be none. */
  #isMajorityGone(): boolean {
    const { voters } = this.raft.status
    if (voters.length === 0) return false
    const goneCount = voters.filter(({ nodeId }) => this.#gone.has(nodeId)).length
    return voters.length - goneCount <= voters.length / 2
  }

  // Construction.

  #makeRaft(properties: NodeProperties): RaftDriver {
    const { config, durable, random, store, links, simulated = {} } = this.#options
    const isVoter = config.voters.some(({ nodeId }) => nodeId === config.nodeId)
    return new RaftDriver({
      config: {
        nodeId: config.nodeId,
        directoryId: config.directoryId,
        electionTimeoutMs: properties.number('controller.quorum.election.timeout.ms'),
        fetchTimeoutMs: properties.number('controller.quorum.fetch.timeout.ms'),
        electionBackoffMaxMs: properties.number('controller.quorum.election.backoff.max.ms'),
        bootstrapVoters: config.roles.controller && isVoter ? config.voters : [],
        bootstrapNodeIds: config.voters.map(({ nodeId }) => nodeId),
      },
      durable,
      clock: this.#clock,
      random,
      network: {
        send: (to, message) => {
          if (!this.#halted) links.send(to, encodeEnvelope({ kind: 'quorum', message }))
        },
      },
      store: { write: (write, done) => store.write(write, () => this.#guard(done)) },
      listener: this.#raftListener(),
      logEvent: this.#logEvent,
      ...(simulated.quorum && { bugs: simulated.quorum }),
    })
  }

  #makeController(properties: NodeProperties): Controller {
    const { config, random, simulated = {} } = this.#options
    return new Controller({
      clock: this.#clock,
      random,
      log: this.#metadataLog(),
      config: {
        clusterId: config.clusterId,
        sessionTimeoutMs: properties.number('broker.session.timeout.ms'),
        defaultPartitionCount: properties.number('num.partitions'),
        defaultReplicationFactor: properties.number('default.replication.factor'),
        uncleanLeaderElectionEnable: properties.boolean('unclean.leader.election.enable'),
        staticBrokerConfig: config.properties,
        autoLeaderRebalanceEnable: properties.boolean('auto.leader.rebalance.enable'),
        leaderImbalanceCheckIntervalMs:
          properties.number('leader.imbalance.check.interval.seconds') * 1000,
        deleteTopicEnable: properties.boolean('delete.topic.enable'),
        describeQuorum: () =>
          describeQuorum(this.raft.status, this.#clock, nodeId => this.#addressOf(nodeId)),
        changeVoters: change => this.raft.changeVoters(change),
      },
      logEvent: this.#logEvent,
      ...(simulated.controller && { bugs: simulated.controller }),
    })
  }

  #openLogs(own: BrokerConfig, metrics: BrokerMetrics): LogDirectory {
    const { config, warmLogBytes, openFileCountMax, birthsPerTurn } = this.#options
    // Overrides of topics come with the metadata; until then a log that is opened has the broker's own values.
    const { log } = topicReplicaConfig(emptyImage, own, config.nodeId, '')
    return LogDirectory.open({
      disk: this.#disk,
      directory: config.logDirectory,
      clock: this.#clock,
      configFor: () => log,
      logEvent: this.#logEvent,
      flushed: elapsedMs => metrics.flushTime.record(elapsedMs),
      ...(warmLogBytes !== undefined && { warmBytes: warmLogBytes }),
      ...(birthsPerTurn !== undefined && { birthsPerTurn }),
      ...(openFileCountMax !== undefined && { openFileCountMax }),
    })
  }

  #metadataLog(): MetadataLog {
    const endOffset = (): Offset => this.raft.status.logEndOffset
    return {
      append: records => {
        const proposal = this.raft.propose([encodeRecords(records)])
        return proposal && { offset: proposal.baseOffset, endOffset: proposal.endOffset }
      },
      get nextOffset() {
        return endOffset()
      },
    }
  }

  #raftListener(): RaftListener {
    return {
      committed: (entries, endOffset) => {
        this.#loader.committed(entries, endOffset)
        for (const { payload } of entries) this.#bytesSinceSnapshot += payload.length
        this.#entriesSinceSnapshot += entries.length
        this.#saveSnapshotIfDue()
      },
      snapshotLoaded: ({ state, id }) => {
        this.#loader.snapshotLoaded(state, id.endOffset)
        this.#bytesSinceSnapshot = 0
        this.#entriesSinceSnapshot = 0
      },
      leading: epoch => {
        this.controller?.activate(epoch, this.#loader.image)
        for (const { go } of this.#waitingForActivation.splice(0)) go()
      },
      resigned: () => {
        this.controller?.resign()
        this.#failWaiting()
      },
      leaderChanged: (_epoch, leaderId) => {
        if (leaderId !== this.#options.config.nodeId) this.#failWaiting()
        this.#channel.leaderChanged(leaderId)
      },
      votersChanged: voters => this.#learnVoters(voters),
    }
  }

  #saveSnapshotIfDue(): void {
    if (
      this.#bytesSinceSnapshot < this.#snapshotBytes &&
      this.#entriesSinceSnapshot < SNAPSHOT_ENTRY_COUNT
    ) {
      return
    }
    this.#bytesSinceSnapshot = 0
    this.#entriesSinceSnapshot = 0
    const { image } = this.#loader
    this.raft.saveSnapshot(encodeSnapshot(image), image.endOffset)
  }

  #settleImageWaiters(image: Image): void {
    const fulfilled = this.#imageWaiters.filter(({ fulfils }) => fulfils(image))
    if (fulfilled.length === 0) return
    this.#imageWaiters = this.#imageWaiters.filter(waiter => !fulfilled.includes(waiter))
    for (const { resolve } of fulfilled) resolve()
  }

  // Peers.

  #learnBrokers(delta: Delta, image: Image): void {
    for (const brokerId of delta.changedBrokers) {
      const broker = image.brokers.get(brokerId)
      // Where a voter is, the configuration says: what is read back from the log may be from before a move.
      const isVoter = this.#options.config.voters.some(({ nodeId }) => nodeId === brokerId)
      if (broker === undefined || isVoter) continue
      this.#options.links.learn({ nodeId: brokerId, host: broker.nodeHost, port: broker.nodePort })
    }
  }

  /** Those that are new in the log, unless the configuration or a broker's registration says where they are. */
  #learnVoters(voters: readonly Voter[]): void {
    const isSame = (a: Voter, b: Voter): boolean =>
      a.nodeId === b.nodeId && a.host === b.host && a.port === b.port
    for (const voter of voters) {
      if (!this.#voters.some(known => isSame(known, voter))) this.#learnOther(voter)
    }
    this.#voters = voters
  }

  #learnOther(peer: PeerAddress): void {
    const { config, links } = this.#options
    const isConfigured = config.voters.some(({ nodeId }) => nodeId === peer.nodeId)
    if (isConfigured || peer.nodeId === config.nodeId || this.image.brokers.has(peer.nodeId)) return
    links.learn(peer)
  }

  #addressOf(nodeId: NodeId): HostPort | null {
    const broker = this.image.brokers.get(nodeId)
    if (broker !== undefined) return { host: broker.nodeHost, port: broker.nodePort }
    return this.#options.links.addressOf?.(nodeId) ?? null
  }

  #quorumMessage(from: NodeId, message: Message): void {
    // Who knows the cluster by a few addresses only is told where the leader is.
    if (message.kind === 'fetchResponse' && message.leaderId !== null) {
      const { leaderId, leaderAddress } = message
      if (leaderAddress !== null) this.#learnOther({ nodeId: leaderId, ...leaderAddress })
    }
    this.raft.receive(from, message)
  }

  #frame(from: NodeId, frame: Uint8Array): void {
    let envelope
    try {
      envelope = decodeEnvelope(frame)
    } catch (err) {
      if (!(err instanceof ClusterError)) throw err
      this.#logEvent('warn', 'undecodable frame dropped', { peer: from, err })
      return
    }
    if (envelope.kind === 'quorum') this.#quorumMessage(from, envelope.message)
    else this.#rpc.receive(from, envelope)
  }

  /** Requests fail first, so that what waits for them knows; then the quorum, then the controller fences. */
  #peerGone(nodeId: NodeId): void {
    this.#gone.add(nodeId)
    this.#rpc.gone(nodeId)
    this.raft.peerGone(nodeId)
    this.controller?.peerGone(nodeId)
    if (this.#isMajorityGone()) this.#abandonHandOver()
  }

  #peerReachable(nodeId: NodeId): void {
    this.#gone.delete(nodeId)
    this.controller?.peerReachable(nodeId)
    this.raft.peerReachable(nodeId)
    this.#rpc.reachable(nodeId)
  }

  async #serve<K extends PeerRequestKind>(
    from: NodeId,
    call: K,
    request: PeerRequests[K]['request'],
  ): Promise<PeerRequests[K]['response']> {
    try {
      checkSender(from, request as Partial<Record<SpeakerField, unknown>>)
      if (call !== 'replicaFetch') {
        await this.#whenActive()
        return await this.#controllerRequest(call, request as never)
      }
      if (this.broker === null) {
        throw new ClusterError('RPC_INVALID', `node ${this.#options.config.nodeId} is no broker`)
      }
      return await this.broker.replicaFetch(request as PeerRequests['replicaFetch']['request'])
    } catch (error) {
      if (!(error instanceof ClusterError)) this.#fatal(error)
      throw error
    }
  }

  #controllerRequest<K extends ControllerKind>(
    kind: K,
    request: ControllerRequests[K]['request'],
  ): Promise<ControllerRequests[K]['response']> {
    return (
      this.controller?.request(kind, request) ??
      Promise.reject(notController(this.#options.config.nodeId))
    )
  }

  /** A leader that has not applied its own log yet is about to be the controller: what comes meanwhile waits for that. */
  #whenActive(): Promise<void> | undefined {
    if (this.controller?.isActive === true) return undefined
    const { nodeId } = this.#options.config
    const leads = this.controller !== null && this.raft.status.leaderId === nodeId
    if (!leads || this.#waitingForActivation.length >= MAX_WAITING_FOR_ACTIVATION) {
      return Promise.reject(notController(nodeId))
    }
    return new Promise((go, fail) => this.#waitingForActivation.push({ go, fail }))
  }

  #failWaiting(): void {
    const error = notController(this.#options.config.nodeId)
    for (const { fail } of this.#waitingForActivation.splice(0)) fail(error)
  }

  // Fail-stop (design decision 14).

  /** Every entry from outside goes through here: nothing runs after a halt, and what breaks an invariant halts. */
  #guard(action: () => void): void {
    if (this.#halted) return
    try {
      action()
    } catch (error) {
      this.#fatal(error)
    }
  }

  /** What a node waits for ends with it: a timer of a killed one would keep its process alive and its memory in use. */
  #guardedClock(clock: Clock): Clock {
    return {
      monotonicMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs(),
      wakeAt: (deadlineMs, wake) => {
        if (this.#halted) return () => {}
        const cancelWake = clock.wakeAt(deadlineMs, () => {
          this.#wakes.delete(cancel)
          this.#guard(wake)
        })
        const cancel = (): void => {
          this.#wakes.delete(cancel)
          cancelWake()
        }
        this.#wakes.add(cancel)
        return cancel
      },
    }
  }

  #fatal(error: unknown): void {
    if (this.#halted) return
    this.halt()
    const phrase = error instanceof AssertionError ? 'invariant broken, node halts' : 'node halts'
    this.#options.logEvent('fatal', phrase, { err: error })
    this.#options.onFatal?.(error)
  }
}

const notController = (nodeId: NodeId): ClusterError =>
  new ClusterError('NOT_CONTROLLER', `node ${nodeId} is not the active controller`)

function brokerIdentity(config: NodeConfig): Parameters<typeof brokerConfig>[1] {
  const { endpoints, nodeHost, nodePort, directoryId } = config
  return { endpoints, nodeHost, nodePort, directoryId }
}

/** Who a request speaks for is who sent it: identity comes from the link, never from the body. */
function checkSender(from: NodeId, request: Partial<Record<SpeakerField, unknown>>): void {
  const speaksForBroker = 'brokerEpoch' in request || 'incarnationId' in request
  const claimed = request.replicaId ?? (speaksForBroker ? request.brokerId : from)
  if (claimed === from) return
  throw new ClusterError('RPC_INVALID', `node ${from} speaks for node ${String(claimed)}`)
}
type SpeakerField = 'replicaId' | 'brokerId' | 'brokerEpoch' | 'incarnationId'
