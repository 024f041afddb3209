import { ClusterError, uuidFromBytes, zeroUuid } from '@trimaran/common'
import type { LogEvent, NodeId } from '@trimaran/common'
import type { ControllerRequests, Image } from '@trimaran/metadata'
import { errorCodes } from '@trimaran/protocol'
import { storedClusterId } from '../config/data-directory.ts'
import type { VoterAddress } from '../config/listeners.ts'
import type { ClusterNode } from '../node.ts'
import { systemClock } from '../ports/clock.ts'
import { openLogger } from '../ports/logger.ts'
import { systemRandom } from '../ports/random.ts'
import { ClusterClock } from './cluster-clock.ts'
import { explain } from './explain.ts'
import type { ClusterAccount } from './explain.ts'
import { LinkFaults } from './link-faults.ts'
import { Member } from './member.ts'
import type { MemberContext } from './member.ts'
import { dataDirectoryOf, HOST, memberConfig } from './member-config.ts'
import type { NewTopicOptions, OneWayCut, StartClusterOptions } from './options.ts'
import { RequestFaults } from './request-faults.ts'
import type { FailNextOptions, Failure } from './request-faults.ts'

/** A cluster of a few nodes is up in well under a second; this is for a machine that does ten other things. */
const START_TIMEOUT_MS = 30_000
const TOPIC_TIMEOUT_MS = 30_000
/** What keeps the voters from changing is over within a few round trips. */
const VOTER_RETRY_MS = 20
/** Turns of the event loop without a frame or a write on its way, after which what the clock set off is taken to be done. */
const QUIET_TURNS = 3
/** What does not arrive holds the clock up no longer than this. */
const SETTLE_MAX_MS = 100

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

/** Handle of a running cluster, for tests: start, fail and look. */
export class Cluster implements AsyncDisposable {
  readonly #options: StartClusterOptions
  readonly #logEvent: LogEvent
  readonly #clusterId: string
  readonly #clock = new ClusterClock()
  readonly #links = new LinkFaults()
  readonly #requests: RequestFaults
  readonly #context: MemberContext
  readonly #members = new Map<NodeId, Member>()
  /** Whom the quorum began with. */
  readonly #founderIds: readonly NodeId[]
  #failure: unknown = null

  constructor(options: StartClusterOptions) {
    const { directory, inMemory = true, nodes: count = 3 } = options
    this.#options = options
    const random = systemRandom()
    const stored = directory === undefined ? null : storedClusterId(dataDirectoryOf(directory, 1))
    this.#clusterId = stored ?? uuidFromBytes(random.bytes(16))
    this.#logEvent = openLogger({ level: options.logLevel ?? 'silent', base: {} }).logEvent
    if (!Number.isInteger(count) || count < 1)
      throw new ClusterError('BAD_CONFIG', `nodes: ${count} is no number of nodes`)
    if (!inMemory && directory === undefined) {
      throw new ClusterError(
        'BAD_CONFIG',
        'directory: where shall a cluster that is not in memory keep its data?',
      )
    }
    this.#requests = new RequestFaults()
    this.#context = {
      clusterId: this.#clusterId,
      clock: this.#clock,
      random,
      logEvent: this.#logEvent,
      links: this.#links,
      requests: this.#requests,
      failed: (nodeId: NodeId, error: unknown) => this.#failed(nodeId, error),
    }
    for (let nodeId = 1; nodeId <= count; nodeId++) {
      const config = memberConfig(nodeId, { ...options, nodes: count }, this.#logEvent)
      this.#members.set(nodeId, new Member(nodeId, config, inMemory, this.#context))
    }
    this.#founderIds = this.nodeIds
  }

  get nodeIds(): readonly NodeId[] {
    return [...this.#members.keys()]
  }

  get clusterId(): string {
    return this.#clusterId
  }

  /** For clients: every node, dead ones too. */
  get bootstrapServers(): string {
    return [...this.#members.values()].map(({ address }) => address).join(',')
  }

  /** Opens every node's ports first, since each must know all the others', then starts them. */
  async start(): Promise<void> {
    const members = [...this.#members.values()]
    const opened = await Promise.allSettled(members.map(member => member.open()))
    // Not before all are done: what opens after the cluster was given up would stay open.
    const failed = opened.find(each => each.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    for (const member of members) member.start(this.#votersFor(member.nodeId))
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
    const { node } = this.#member(nodeId)
    if (node === null) throw new ClusterError('RPC_UNAVAILABLE', `node ${nodeId} is not running`)
    return node
  }

  // Nodes.

  /** As kill -9: no farewell, nothing flushed; the others notice by their broken connections. */
  async kill(nodeId: NodeId): Promise<void> {
    await this.#member(nodeId).kill()
  }

  /**
   * Starts a killed or stopped node again; a running one is stopped in order first. On the same ports, with what its disk
   * kept. Resolves when the cluster has taken it back; from behind a partition it cannot, so there when it runs.
   */
  async restart(nodeId: NodeId): Promise<void> {
    const member = this.#member(nodeId)
    await member.shutdown()
    await member.open()
    member.start(this.#votersFor(nodeId))
    if (this.#links.cuts.some(({ from, to }) => from === nodeId || to === nodeId)) return
    await this.#withinTime(
      this.node(nodeId).whenImage(image => image.brokers.get(nodeId)?.fenced === false),
      START_TIMEOUT_MS,
      `node ${nodeId} did not come back (${this.#downText()})`,
    )
  }

  /**
   * Starts a node more: a broker like the others, and an observer of the quorum. Of `contacts` it has the addresses, and finds
   * the rest by itself. Resolves with its id when it serves.
   */
  async addNode(contacts: readonly NodeId[] = this.nodeIds): Promise<NodeId> {
    const nodeId = Math.max(...this.nodeIds) + 1
    const others = contacts.map(id => `${HOST}:${this.#member(id).ports.node}`).join(',')
    const options = { ...this.#options, nodes: this.#founderIds.length }
    const config = memberConfig(nodeId, options, this.#logEvent, others)
    const isInMemory = this.#options.inMemory ?? true
    this.#members.set(nodeId, new Member(nodeId, config, isInMemory, this.#context))
    await this.restart(nodeId)
    return nodeId
  }

  /** Makes a node a voter of the quorum (KIP-853). Resolves when that is committed. */
  async addVoter(nodeId: NodeId): Promise<void> {
    const { directoryId } = this.node(nodeId).raft.core.state.config
    const { ports } = this.#member(nodeId)
    const place = { host: HOST, port: ports.node, waitsForCommit: true }
    await this.#changeVoters('addRaftVoter', { clusterId: null, nodeId, directoryId, ...place })
  }

  /** Takes a voter out of the quorum, dead or alive; a running one goes on as an observer. */
  async removeVoter(nodeId: NodeId): Promise<void> {
    const voters = this.#newest()?.raft.status.voters
    const voter = voters?.find(each => each.nodeId === nodeId)
    const directoryId = voter?.directoryId ?? zeroUuid
    await this.#changeVoters('removeRaftVoter', { clusterId: null, nodeId, directoryId })
  }

  /** As SIGSTOP: its sockets stay open and say nothing, its timers do not fire. Time goes on without it. */
  pause(nodeId: NodeId): void {
    const member = this.#member(nodeId)
    if (member.node === null) throw new ClusterError('RPC_UNAVAILABLE', `node ${nodeId} is down`)
    member.pause()
  }

  /** As SIGCONT: it goes on where it was, with everything that was sent to it meanwhile. */
  resume(nodeId: NodeId): void {
    this.#member(nodeId).resume()
  }

  /** With a node: it hands over what it leads and leaves, as on SIGTERM. Without: the end of all of them. */
  async stop(nodeId?: NodeId): Promise<void> {
    if (nodeId !== undefined) {
      await this.#member(nodeId).shutdown()
      return
    }
    const isOnDisk = this.#options.inMemory === false
    await Promise.all(
      [...this.#members.values()].map(async member => {
        member.resume()
        if (isOnDisk) await member.shutdown({ handOver: false })
        else await member.kill()
      }),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  // Links.

  /**
   * Between nodes of different groups nothing is delivered any more, silently; a single group is cut off from all others.
   * Clients reach every node as before. What was cut already stays cut, until `heal`.
   */
  partition(...groups: readonly (readonly NodeId[])[]): void {
    const named = groups.flat()
    for (const nodeId of named) this.#member(nodeId)
    const twice = named.find((nodeId, at) => named.indexOf(nodeId) !== at)
    if (twice !== undefined)
      throw new ClusterError('BAD_CONFIG', `node ${twice} is named twice in the partition`)
    const rest = this.nodeIds.filter(nodeId => !named.includes(nodeId))
    const sides = groups.length === 1 ? [...groups, rest] : groups
    for (const from of sides)
      for (const to of sides) if (from !== to) this.partitionOneWay({ from, to })
  }

  /** What `from` sends does not arrive at `to`; the other way it does. */
  partitionOneWay({ from, to }: OneWayCut): void {
    for (const nodeId of [...from, ...to]) this.#member(nodeId)
    for (const sender of from) for (const receiver of to) this.#links.cut(sender, receiver)
  }

  /** Every link works again; requests that were lost are asked again at once. */
  heal(): void {
    this.#links.heal()
  }

  // Requests.

  /**
   * The next requests of an api are answered with an error, and not carried out. The answer is one that Kafka would give:
   * the error is per topic and partition where the api has it there.
   */
  failNext(options: FailNextOptions): Failure {
    if (options.nodeId !== undefined) this.#member(options.nodeId)
    return this.#requests.failNext(options)
  }

  // Time.

  /**
   * Time for all nodes, ahead of the machine's by what was added. It moves in small steps, between which the nodes get to
   * talk: sessions of who is silent expire, those of who is there do not.
   */
  readonly clock = {
    advance: (byMs: number): Promise<void> => {
      if (!Number.isFinite(byMs) || byMs < 0)
        throw new ClusterError('BAD_CONFIG', `clock.advance: ${byMs} is no time to go forward`)
      return this.#clock.advance(byMs, () => this.#settled())
    },
    nowMs: (): number => this.#clock.wallMs(),
  }

  // What is.

  /** Leader of a partition as the most up-to-date node knows it; null: none, or no such partition. */
  leaderOf(topic: string, partition: number): NodeId | null {
    const leader = this.#newest()?.image.topicsByName.get(topic)?.partitions[partition]?.leader
    return leader === undefined || leader < 0 ? null : leader
  }

  /** The active controller: of several that believe to be it, the one of the newest epoch. Null while there is none. */
  controller(): NodeId | null {
    const [newest] = [...this.#members.values()]
      .filter(({ node }) => node?.controller?.isActive === true)
      .toSorted((a, b) => epochOf(b) - epochOf(a))
    return newest?.nodeId ?? null
  }

  /** Who leads what, who is down, paused or cut off, what is in sync: an object for tests, a text for people. */
  explain(): ClusterAccount {
    return explain({
      clusterId: this.#clusterId,
      controller: this.controller(),
      members: [...this.#members.values()],
      cuts: this.#links.cuts,
      requests: this.#requests,
      clockAheadMs: this.#clock.aheadMs,
    })
  }

  /** Resolves when every running node that can know of it knows the topic and every partition has its leader. */
  async createTopic(options: NewTopicOptions): Promise<void> {
    const { name, partitions, replicationFactor, configs } = options
    const controller = this.controller()
    const connected = controller === null ? [] : this.#connectedTo(controller)
    const [first] = connected.length > 0 ? connected : this.#running()
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
      this.#connectedTo(this.controller() ?? 0).map(node =>
        node.whenImage(image => image.topicsByName.has(name)),
      ),
    )
  }

  #member(nodeId: NodeId): Member {
    const member = this.#members.get(nodeId)
    if (member === undefined) {
      const text = `there is no node ${nodeId}; the nodes are ${this.nodeIds.join(', ')}`
      throw new ClusterError('BAD_CONFIG', text)
    }
    return member
  }

  /** As its configuration has them: none where the node came later and found the others by their addresses. */
  #votersFor(id: NodeId): VoterAddress[] {
    if (!this.#founderIds.includes(id)) return []
    return this.#founderIds.map(nodeId => ({
      nodeId,
      host: HOST,
      port: this.#member(nodeId).ports.node,
    }))
  }

  /** Until it is done: what it needs may have to wait for a moment, as a replica that is to be a voter for its last entry. */
  async #changeVoters<K extends 'addRaftVoter' | 'removeRaftVoter'>(
    kind: K,
    request: ControllerRequests[K]['request'],
  ): Promise<void> {
    const untilMs = systemClock.monotonicMs() + START_TIMEOUT_MS
    for (;;) {
      const controller = this.controller()
      const [first] = controller === null ? [] : this.#connectedTo(controller)
      if (first !== undefined) {
        const { errorCode, errorMessage } = await first.controllerChannel.request(
          kind,
          request,
          START_TIMEOUT_MS,
        )
        if (errorCode === 0) return
        if (errorCode !== errorCodes.REQUEST_TIMED_OUT || systemClock.monotonicMs() > untilMs) {
          throw new ClusterError('BAD_CONFIG', errorMessage ?? `error ${errorCode}`)
        }
      } else if (systemClock.monotonicMs() > untilMs)
        throw new ClusterError('RPC_UNAVAILABLE', `no controller (${this.#downText()})`)
      await new Promise(resolve => setTimeout(resolve, VOTER_RETRY_MS))
    }
  }

  /** The node is down as a crashed one is; whoever waits for the cluster hears of it. */
  #failed(nodeId: NodeId, error: unknown): void {
    this.#failure ??= error
    this.#logEvent('error', 'node failed', { nodeId, err: error })
    void this.kill(nodeId)
  }

  #live(): readonly ClusterNode[] {
    return [...this.#members.values()].flatMap(({ node }) => node ?? [])
  }

  #running(): readonly ClusterNode[] {
    return [...this.#members.values()]
      .filter(({ state }) => state === 'running')
      .flatMap(({ node }) => node ?? [])
  }

  /** The nodes that hear it and are heard, itself included; none if it is down or paused. */
  #connectedTo(nodeId: NodeId): readonly ClusterNode[] {
    const hears = (member: Member): boolean =>
      member.state === 'running' &&
      !this.#links.isCut(nodeId, member.nodeId) &&
      !this.#links.isCut(member.nodeId, nodeId)
    const centre = this.#members.get(nodeId)
    if (centre?.state !== 'running') return []
    return [...this.#members.values()].filter(hears).flatMap(({ node }) => node ?? [])
  }

  #newest(): ClusterNode | undefined {
    return this.#live().toSorted((a, b) => b.image.endOffset - a.image.endOffset)[0]
  }

  #downText(): string {
    const down = [...this.#members.values()].filter(({ state }) => state !== 'running')
    if (down.length === 0) return 'all nodes run'
    return down.map(({ nodeId, state }) => `node ${nodeId} is ${state}`).join(', ')
  }

  async #settled(): Promise<void> {
    const untilMs = systemClock.monotonicMs() + SETTLE_MAX_MS
    for (let quiet = 0; quiet < QUIET_TURNS && systemClock.monotonicMs() < untilMs;) {
      await new Promise(resolve => setImmediate(resolve))
      const members = [...this.#members.values()]
      const isQuiet =
        this.#links.framesUnderWay === 0 && members.every(one => one.writesUnderWay === 0)
      quiet = isQuiet ? quiet + 1 : 0
    }
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

const epochOf = ({ node }: Member): number => node?.raft.status.epoch ?? -1

const unfencedCount = (image: Image): number =>
  [...image.brokers.values()].filter(({ fenced }) => !fenced).length
