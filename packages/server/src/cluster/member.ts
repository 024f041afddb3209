import { ClusterError, uuidFromBytes } from '@trimaran/common'
import type { Clock, LogEvent, NodeId, Random } from '@trimaran/common'
import type { ServerConfig } from '../config/config.ts'
import type { VoterAddress } from '../config/listeners.ts'
import type { ClusterNode } from '../node.ts'
import { NodeHost } from '../node-host.ts'
import type { NodeStorage } from '../node-host.ts'
import { MemoryStorage, openDiskStorage } from '../node-storage.ts'
import { systemClock } from '../ports/clock.ts'
import type { LinkFaults } from './link-faults.ts'
import { HOST, onPorts } from './member-config.ts'
import type { MemberPorts } from './member-config.ts'
import { PauseGate } from './pause-gate.ts'
import type { RequestFaults } from './request-faults.ts'

export type MemberState = 'running' | 'paused' | 'stopped' | 'killed'

/** What the nodes of a cluster share. */
export interface MemberContext {
  readonly clusterId: string
  readonly clock: Clock
  readonly random: Random
  readonly logEvent: LogEvent
  readonly links: LinkFaults
  readonly requests: RequestFaults
  /** The node has halted itself. */
  failed(nodeId: NodeId, error: unknown): void
}

/** One node of the cluster over all its lives: what outlives them are its ports and what its disk kept. */
export class Member {
  readonly nodeId: NodeId
  readonly #config: ServerConfig
  readonly #context: MemberContext
  readonly #memory: MemoryStorage | null
  #ports: MemberPorts = { client: 0, node: 0 }
  #gate = new PauseGate()
  #host: NodeHost | null = null
  #state: MemberState = 'stopped'

  constructor(nodeId: NodeId, config: ServerConfig, inMemory: boolean, context: MemberContext) {
    this.nodeId = nodeId
    this.#config = config
    this.#context = context
    const { clusterId, random } = context
    const identity = { clusterId, nodeId, directoryId: uuidFromBytes(random.bytes(16)) }
    this.#memory = inMemory ? new MemoryStorage(identity) : null
  }

  get state(): MemberState {
    return this.#host !== null && this.#gate.isPaused ? 'paused' : this.#state
  }

  get ports(): MemberPorts {
    return this.#ports
  }

  /** For clients. */
  get address(): string {
    return `${HOST}:${this.#ports.client}`
  }

  get connectionCount(): number {
    return this.#host?.listener.connectionCount ?? 0
  }

  /** Of its quorum's log; what a dead node wrote last nobody waits for. */
  get writesUnderWay(): number {
    return this.#host === null ? 0 : this.#gate.writesUnderWay
  }

  /** Null while it is down; a paused one is there. */
  get node(): ClusterNode | null {
    return this.#host?.node ?? null
  }

  /** Takes its ports and its storage. */
  async open(): Promise<void> {
    const { clusterId, clock, random, logEvent, links, requests } = this.#context
    const { nodeId } = this
    const gate = new PauseGate()
    this.#gate = gate
    const host = await NodeHost.open({
      config: this.#ports.node === 0 ? this.#config : onPorts(this.#config, this.#ports),
      clusterId,
      // What waits for the kernel waits in its time.
      clock: systemClock,
      random,
      logEvent: (level, phrase, fields) => logEvent(level, phrase, { nodeId, ...fields }),
      openStorage: async () => {
        const storage = await this.#openStorage()
        return { ...storage, store: gate.store(storage.store) }
      },
      onFatal: error => this.#context.failed(nodeId, error),
      faults: {
        clock: gate.clock(clock),
        links: real => links.wrap(nodeId, real, gate),
        handle: (connection, frame, node) =>
          requests.handle({ nodeId, gate, connection, frame, node, image: () => this.node?.image }),
      },
    })
    this.#host = host
    this.#ports = { client: host.boundPorts.clients[0] ?? 0, node: host.boundPorts.nodes }
  }

  start(voters: readonly VoterAddress[]): void {
    this.#host?.start(voters)
    this.#state = 'running'
  }

  async kill(): Promise<void> {
    const host = this.#down('killed')
    await host?.kill()
  }

  async shutdown(options: { readonly handOver?: boolean } = {}): Promise<void> {
    if (this.#gate.isPaused) {
      const text = `node ${this.nodeId} is paused and cannot stop in order: resume it first, or kill it`
      throw new ClusterError('STOPPING', text)
    }
    const host = this.#host
    this.#host = null
    this.#state = 'stopped'
    // Its links work until it has handed over what it leads.
    await host?.shutdown(options)
    if (this.#host === null) this.#context.links.killed(this.nodeId)
  }

  pause(): void {
    if (this.#host !== null) this.#gate.pause()
  }

  resume(): void {
    if (this.#host === null || !this.#gate.isPaused) return
    this.#gate.resume()
    this.#context.links.resumed(this.nodeId)
  }

  #down(state: MemberState): NodeHost | null {
    const host = this.#host
    this.#host = null
    if (host !== null) this.#state = state
    this.#gate.discard()
    this.#context.links.killed(this.nodeId)
    return host
  }

  #openStorage(): Promise<NodeStorage> {
    if (this.#memory !== null) return Promise.resolve(this.#memory.open())
    return openDiskStorage({
      dataDirectory: this.#config.dataDirectory,
      metadataDirectory: this.#config.metadataDirectory,
      clusterId: this.#context.clusterId,
      nodeId: this.nodeId,
      random: this.#context.random,
      onFailure: error => this.#context.failed(this.nodeId, error),
    })
  }
}
