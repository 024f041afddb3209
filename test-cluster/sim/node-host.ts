import { ClusterError, must, uuidFromBytes } from '@trimaran/common'
import type { LogLevel, NodeId, Prng } from '@trimaran/common'
import type { CrashMode, SimDisk } from '@trimaran/log/testing'
import { ClusterNode } from '@trimaran/server/node'
import type { SimulatedMistakes } from '@trimaran/server/node'
import type { ClientPort } from './client-network.ts'
import type { NodeDisks } from './disk.ts'
import { SimLinks } from './network.ts'
import type { Host, SimNetwork } from './network.ts'
import { SimClock } from './ports.ts'
import type { Owner, World } from './world.ts'

export interface NodeSpec {
  readonly nodeId: NodeId
  readonly roles: { readonly broker: boolean; readonly controller: boolean }
  readonly voters: readonly NodeId[]
  readonly properties: ReadonlyMap<string, string>
  readonly wallSkewMs: number
  readonly mistakes: SimulatedMistakes
}

/** Who hears of a node's life: the checkers, and the trace. */
export interface NodeWatch {
  started(node: SimNode): void
  stopped(node: SimNode): void
  log(
    node: SimNode,
    level: LogLevel,
    phrase: string,
    fields: Readonly<Record<string, unknown>>,
  ): void
  failed(error: unknown): void
  /** The node stopped itself; its process ends. */
  halted(node: SimNode, error: unknown): void
}

export const clusterId = 'simulatedClusterAAAAAA'

/** A machine of the simulated cluster: what survives (disks), what lives (a ClusterNode), and how it dies. */
export class SimNode {
  readonly spec: NodeSpec
  readonly owner: Owner
  readonly host: Host
  readonly disks: NodeDisks
  /** Null while the process is down. */
  node: ClusterNode | null = null
  isStopping = false
  /** Died without a clean stop, and the controller has not registered it anew: it counts against the fault budget. */
  diedUncleanly = false
  /** One of its deaths since then also lost what was not synced. */
  lostWrites = false
  /** And that before it, what was synced. */
  isWiped = false
  /** What it was told is written may not be; until its next start. */
  hasFailingDisk = false
  /** Bits of its files have turned over, ever. */
  hasRot = false
  readonly clients = new Set<ClientPort>()
  readonly #world: World
  readonly #network: SimNetwork
  readonly #random: Prng
  readonly #watch: NodeWatch
  #directoryId: string
  #properties: ReadonlyMap<string, string>
  readonly #clock: SimClock
  #backup: SimDisk | null = null

  constructor(options: {
    readonly spec: NodeSpec
    readonly world: World
    readonly owner: Owner
    readonly network: SimNetwork
    readonly disks: NodeDisks
    readonly random: Prng
    readonly watch: NodeWatch
  }) {
    this.spec = options.spec
    this.#world = options.world
    this.owner = options.owner
    this.#network = options.network
    this.disks = options.disks
    this.#random = options.random
    this.#watch = options.watch
    this.#properties = options.spec.properties
    this.#directoryId = uuidFromBytes(options.random.bytes(16))
    this.#clock = new SimClock(options.world, options.owner, options.spec.wallSkewMs)
    this.host = options.network.addHost(options.spec.nodeId, options.owner)
  }

  get id(): NodeId {
    return this.spec.nodeId
  }

  get isUp(): boolean {
    return this.node !== null
  }

  get isPaused(): boolean {
    return this.owner.pausedUntilUs > this.#world.nowUs
  }

  start(): void {
    if (this.node !== null) return
    // With another disk, if that one failed.
    this.hasFailingDisk = false
    this.disks.logs.fault = () => null
    const { nodeId, roles, voters, mistakes } = this.spec
    const properties = this.#properties
    const host = (id: NodeId): string => `node-${id}`
    try {
      this.node = new ClusterNode({
        config: {
          nodeId,
          clusterId,
          directoryId: this.#directoryId,
          roles,
          voters: voters.map(id => ({ nodeId: id, host: host(id), port: 9093 })),
          endpoints: [
            {
              listener: 'PLAINTEXT',
              host: host(nodeId),
              port: 9092,
              securityProtocol: 'PLAINTEXT',
            },
          ],
          nodeHost: host(nodeId),
          nodePort: 9093,
          logDirectory: 'logs',
          properties,
        },
        clock: this.#clock,
        random: this.#random.fork(this.owner.incarnation),
        disk: this.disks.logs,
        replicasPerTurn: 2,
        birthsPerTurn: 1,
        warmLogBytes: 2048,
        durable: this.disks.quorum.durable.load(),
        store: this.disks.store(this.#world, this.owner),
        links: new SimLinks(this.#network, this.host),
        logEvent: (level, phrase, fields = {}) => this.#watch.log(this, level, phrase, fields),
        onFatal: error => this.#watch.halted(this, error),
        simulated: mistakes,
      })
    } catch (error) {
      // Not even a damaged disk may keep a node from coming up in this simulation: nothing here damages one.
      this.#watch.failed(error)
      return
    }
    this.#watch.started(this)
    this.node.start()
  }

  /** `mode` process: kill -9, the page cache survives. Anything else: the power goes, and with it what was not synced. */
  crash(mode: CrashMode): void {
    if (this.node === null) return
    // Until it is registered anew nobody may have noticed what it lost before.
    if (!this.diedUncleanly) {
      this.isWiped = false
      this.lostWrites = false
    }
    this.diedUncleanly = true
    if (mode !== 'process') this.lostWrites = true
    this.#end(mode, mode === 'process' ? 'dead' : 'vanished')
  }

  /** In order, as SIGTERM; resolved by the world. */
  stop(stopped: () => void): void {
    const { node } = this
    if (node === null || this.isStopping) return
    this.isStopping = true
    const { incarnation } = this.owner
    node.shutdown().then(
      () => {
        if (this.owner.incarnation !== incarnation) return
        this.#end('process', 'dead')
        stopped()
      },
      (error: unknown) => {
        if (!(error instanceof ClusterError)) this.#watch.failed(error)
      },
    )
  }

  failed(error: unknown): void {
    this.#watch.failed(error)
  }

  /** From its next start on. */
  reconfigure(settings: Iterable<readonly [string, string]>): void {
    this.#properties = new Map([...this.#properties, ...settings])
  }

  /** Of a node that is down. A voter is its node id and its directory’s id, so it is given an empty directory of that id. */
  wipe(): void {
    this.isWiped = true
    this.disks.logs.wipe()
    if (this.spec.roles.controller) return
    this.#directoryId = uuidFromBytes(this.#random.fork(this.owner.incarnation).bytes(16))
  }

  get hasBackup(): boolean {
    return this.#backup !== null
  }

  /** Of the logs, as they are now, of a node that runs or is down. */
  backUp(): void {
    this.#backup = this.disks.logs.clone()
  }

  /** Of a node that is down: what it wrote since then is gone, and nothing on the disk says so. */
  restore(): void {
    this.isWiped = true
    this.disks.logs.restore(must(this.#backup, 'there is a copy'))
  }

  get wallMs(): number {
    return this.#clock.wallMs()
  }

  jumpWallClock(byMs: number): void {
    this.#clock.wallSkewMs += byMs
  }

  pause(untilUs: number): void {
    this.owner.pausedUntilUs = Math.max(this.owner.pausedUntilUs, untilUs)
  }

  #end(mode: CrashMode, how: 'dead' | 'vanished'): void {
    this.#watch.stopped(this)
    this.node?.halt()
    this.node = null
    this.isStopping = false
    this.owner.incarnation++
    this.owner.pausedUntilUs = 0
    this.disks.crash(mode)
    this.#network.died(this.host, how)
    for (const client of [...this.clients]) client.serverDied(how === 'dead')
    this.clients.clear()
  }
}
