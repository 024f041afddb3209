import { Prng } from '@trimaran/common'
import type { NodeId, TopicId } from '@trimaran/common'
import { crashModes } from '@trimaran/log/testing'
import type { DiskOperation } from '@trimaran/log/testing'
import type { Image } from '@trimaran/metadata'
import { clientPlace } from './client-network.ts'
import type { SimNetwork } from './network.ts'
import type { SimNode } from './node-host.ts'
import { derivedKinds, Rot } from './rot.ts'
import type { FileKind } from './rot.ts'
import type { Decision } from './plan.ts'
import { otherSettings } from './extras.ts'
import { allFaultKinds } from './swarm.ts'
import type { FaultKind, Swarm } from './swarm.ts'
import type { World } from './world.ts'

export interface NemesisOptions {
  readonly world: World
  readonly plan: readonly Decision[]
  readonly swarm: Swarm
  readonly network: SimNetwork
  readonly nodes: readonly SimNode[]
  /** The newest metadata that any node has. */
  readonly image: () => Image
  /** An operation is about to fail. False: it does not, for it is not the node's. */
  readonly diskFails: (node: SimNode) => boolean
  readonly trace: (what: string) => void
  readonly mark: (what: string) => void
  /** Records of this replica are not what was stored. */
  readonly rotten: (nodeId: NodeId, topicId: TopicId, partition: number) => void
}

const failingOperations: readonly (readonly DiskOperation[])[] = [
  ['sync'],
  ['append'],
  ['append', 'sync', 'writeFileAtomic'],
]

const clockJumpMaxMs = 120_000

/** What takes room. */
const fillingOperations: readonly DiskOperation[] = ['append', 'writeFileAtomic']

/** Crash modes in which writes that were not synced may be lost. */
const lossyModes = crashModes.filter(mode => mode !== 'process')

/**
 * Does the harm of a seed, within the budget of what the product promises to survive: crashes that lose writes hit one
 * broker at a time, and only while others hold all that is committed (KIP-966); everything else may happen at any time.
 */
export class Nemesis {
  readonly counts: Record<FaultKind, number>
  readonly #options: NemesisOptions
  /** Of the decision that is carried out. */
  #random = new Prng(0)
  #isOver = false
  readonly #rot: Rot

  constructor(options: NemesisOptions) {
    this.#options = options
    const { nodes, image, trace, mark, rotten } = options
    this.#rot = new Rot({ nodes, image, trace, mark, records: rotten })
    this.counts = Object.fromEntries(allFaultKinds.map(kind => [kind, 0])) as never
  }

  start(): void {
    const { world, plan } = this.#options
    for (const decision of plan) {
      world.after(decision.atMs * 1000, world.outside, () => {
        if (!this.#isOver) this.#harm(decision)
      })
    }
  }

  /** All is repaired: links, clocks, processes. */
  heal(): void {
    this.#isOver = true
    const { network, nodes } = this.#options
    network.heal()
    for (const node of nodes) {
      // A log directory that failed stays so until the process is another one.
      if (node.hasFailingDisk && node.isUp) node.crash('process')
      if (!node.isUp) node.start()
    }
  }

  #harm({ kind, victim: id, stream }: Decision): void {
    this.#random = new Prng(stream)
    const victim = this.#options.nodes[id - 1] ?? this.#controller()
    const role = roleOf(victim)
    if (!this.#strike(kind, victim)) return
    this.counts[kind]++
    this.#options.mark(`${kind} of ${role}`)
  }

  #controller(): SimNode {
    const { nodes } = this.#options
    return nodes.find(({ node }) => node?.controller?.isActive === true) ?? this.#random.pick(nodes)
  }

  /** False: not now. */
  #strike(kind: FaultKind, victim: SimNode): boolean {
    const { network, nodes } = this.#options
    const random = this.#random
    const peer = random.pick(nodes.filter(node => node !== victim))
    switch (kind) {
      case 'kill':
        return this.#kill(victim)
      case 'powerLoss':
        return this.#losePower(victim)
      case 'blackout':
        return this.#blackout()
      case 'restart':
        return this.#restart(victim)
      case 'pause':
        return this.#pause(victim)
      case 'isolate':
        return this.#partition([victim])
      case 'split':
        return this.#partition(nodes.filter(() => random.chance(1, 2)))
      case 'oneWay':
        return this.#oneWay(victim)
      case 'cut':
        this.#trace(`cut ${victim.id} ${peer.id}`)
        network.cut(victim.id, peer.id)
        return true
      case 'slow':
        return this.#slow(victim)
      case 'clientCut':
        return this.#cutClients(victim)
      case 'diskFails':
        return this.#failDisk(victim, 'DISK_FAILED', random.pick(failingOperations))
      case 'diskFull':
        return this.#failDisk(victim, 'DISK_FULL', fillingOperations)
      case 'bridge':
        return this.#bridge(victim)
      case 'swizzle':
        return this.#swizzle()
      case 'clockJump':
        return this.#jumpClock(victim)
      case 'reconfigure':
        return this.#reconfigure(victim)
      case 'wipe':
        return this.#wipe(victim)
      case 'restore':
        return this.#backUpOrRestore(victim)
      case 'rot':
        return this.#rotNowOrStopped(victim, derivedKinds)
      case 'rotRecords':
        return this.#rotNowOrStopped(victim, ['segment'])
    }
  }

  #kill(victim: SimNode): boolean {
    if (!victim.isUp || this.#someLossy() || !this.#rot.leavesGoodCopies(victim.id)) return false
    this.#trace(`kill ${victim.id}`)
    victim.crash('process')
    this.#startLater(victim)
    return true
  }

  #losePower(victim: SimNode): boolean {
    const random = this.#random
    if (!victim.isUp || !this.#mayLose(victim)) return false
    const mode = random.pick(lossyModes)
    this.#trace(`power loss ${victim.id} ${mode}`)
    victim.crash(mode)
    this.#startLater(victim)
    return true
  }

  /**
   * Writes or fsyncs fail, until the machine is restarted: what the failed fsync was about is in its cache alone, and who
   * reads it back there is deceived.
   */
  #failDisk(
    victim: SimNode,
    code: 'DISK_FAILED' | 'DISK_FULL',
    failing: readonly DiskOperation[],
  ): boolean {
    const { world } = this.#options
    const random = this.#random
    if (!victim.isUp || victim.isStopping || !this.#mayLose(victim)) return false
    this.#trace(`disk of ${victim.id}: ${code} at ${failing.join(' ')}`)
    const { logs } = victim.disks
    const { incarnation } = victim.owner
    logs.fault = operation =>
      failing.includes(operation) && this.#options.diskFails(victim) ? code : null
    victim.hasFailingDisk = true
    world.after(random.between(10, 800) * 1000, world.outside, () => {
      if (victim.owner.incarnation === incarnation && !this.#isOver) this.#replaceDisk(victim)
    })
    return true
  }

  /** A failed write or fsync ends the process (design decision 14). */
  diskStoppedNode(victim: SimNode): void {
    const { world } = this.#options
    const { incarnation } = victim.owner
    world.after(0, world.outside, () => {
      if (victim.owner.incarnation === incarnation) this.#replaceDisk(victim)
    })
  }

  /** If others are down by now, it would be one too many that loses writes: its cache is written after all. */
  #replaceDisk(victim: SimNode): void {
    const mode = this.#mayLose(victim) ? 'lose-all' : 'process'
    this.#trace(`restart of ${victim.id} after its disk failed (${mode})`)
    victim.crash(mode)
    if (mode === 'process') victim.disks.logs.writeBack()
    this.#startLater(victim)
  }

  /** Every machine at once; only where nothing is acknowledged before it is durable. */
  #blackout(): boolean {
    const { nodes } = this.#options
    const random = this.#random
    if (this.#someLossy() || this.#rot.isAnywhere) return false
    this.#trace('blackout')
    for (const node of nodes) {
      if (!node.isUp) continue
      node.crash(random.pick(lossyModes))
      this.#startLater(node)
    }
    return true
  }

  #restart(victim: SimNode, stopped: () => void = () => {}): boolean {
    if (!victim.isUp || victim.isStopping) return false
    this.#trace(`stop ${victim.id}`)
    victim.stop(() => {
      this.#trace(`stopped ${victim.id}`)
      stopped()
      this.#startLater(victim)
    })
    return true
  }

  /** It comes back with other settings, whether it stopped in order or not. */
  #reconfigure(victim: SimNode): boolean {
    const random = this.#random
    if (!(random.chance(1, 2) ? this.#restart(victim) : this.#kill(victim))) return false
    const settings = otherSettings(random)
    this.#trace(`${victim.id} will have ${settings.map(one => one.join('=')).join(' ')}`)
    victim.reconfigure(settings)
    return true
  }

  /** Its disk is another one, with nothing on it. The quorum's is not: voters that lose theirs are others. */
  #wipe(victim: SimNode): boolean {
    if (!victim.isUp || !this.#othersHold(victim)) return false
    this.#trace(`wipe ${victim.id}`)
    victim.crash('lose-all')
    victim.wipe()
    this.#startLater(victim)
    return true
  }

  /**
   * An old copy of its disk is put back. First one has to be made, of a node that runs or has stopped in order: that harms
   * nobody, and does not count.
   */
  #backUpOrRestore(victim: SimNode): boolean {
    if (!victim.isUp) return false
    if (!victim.hasBackup || this.#random.chance(1, 3)) {
      this.#trace(`back up ${victim.id}`)
      if (this.#random.chance(1, 2)) this.#restart(victim, () => victim.backUp())
      else victim.backUp()
      return false
    }
    if (!this.#othersHold(victim)) return false
    this.#trace(`restore ${victim.id}`)
    victim.crash('lose-all')
    victim.restore()
    this.#startLater(victim)
    return true
  }

  /** While it runs, while it is down after it stopped in order, or after it did not. */
  #rotNowOrStopped(victim: SimNode, kinds: readonly FileKind[]): boolean {
    const random = this.#random
    if (!victim.isUp || victim.isStopping) return false
    const details = random.fork(1)
    const how = random.pick(['runs', 'stopped', 'killed'] as const)
    if (how === 'runs') return this.#rot.strike(victim, details, kinds)
    if (how === 'stopped')
      return this.#restart(victim, () => this.#rot.strike(victim, details, kinds))
    if (!this.#kill(victim)) return false
    this.#rot.strike(victim, details, kinds)
    return true
  }

  #pause(victim: SimNode): boolean {
    const { world } = this.#options
    const random = this.#random
    if (!victim.isUp) return false
    const forMs = random.chance(1, 2) ? random.between(10, 300) : random.between(300, 5_000)
    this.#trace(`pause ${victim.id} for ${forMs} ms`)
    victim.pause(world.nowUs + forMs * 1000)
    return true
  }

  #partition(side: readonly SimNode[]): boolean {
    const { network, nodes } = this.#options
    const others = nodes.filter(node => !side.includes(node))
    if (side.length === 0 || others.length === 0) return false
    this.#trace(`partition ${ids(side)} | ${ids(others)}`)
    for (const one of side) {
      for (const other of others) {
        network.block(one.id, other.id)
        network.block(other.id, one.id)
      }
    }
    this.#healLater(() => {
      for (const one of side) {
        for (const other of others) {
          network.unblock(one.id, other.id)
          network.unblock(other.id, one.id)
        }
      }
    })
    return true
  }

  /** Everybody else reaches it, and only half of the others. */
  #bridge(victim: SimNode): boolean {
    const others = this.#options.nodes.filter(node => node !== victim)
    const half = others.slice(0, Math.ceil(others.length / 2))
    const pairs = half.flatMap(({ id }) =>
      others.filter(node => !half.includes(node)).map(node => [id, node.id] as const),
    )
    if (pairs.length === 0) return false
    this.#trace(`bridge ${victim.id} between ${ids(half)} and the others`)
    const undo = this.#block(pairs)
    this.#healLater(undo)
    return true
  }

  /** Some are cut off one after the other, and come back one after the other, in another order. */
  #swizzle(): boolean {
    const { world, nodes } = this.#options
    const random = this.#random
    const chosen = nodes.filter(() => random.chance(2, 3))
    if (chosen.length === 0) return false
    this.#trace(`swizzle ${ids(chosen)}`)
    const stepUs = random.between(20, 400) * 1000
    for (const [at, one] of chosen.entries()) {
      const backAt = chosen.length + random.between(0, 2 * chosen.length)
      world.after(at * stepUs, world.outside, () => {
        if (this.#isOver) return
        const others = nodes.filter(node => node !== one)
        const undo = this.#block(others.map(({ id }) => [one.id, id] as const))
        world.after((backAt - at) * stepUs, world.outside, () => {
          if (!this.#isOver) undo()
        })
      })
    }
    return true
  }

  /** Both ways; the result takes it back. */
  #block(pairs: readonly (readonly [number, number])[]): () => void {
    const { network } = this.#options
    for (const [a, b] of pairs) {
      network.block(a, b)
      network.block(b, a)
    }
    return () => {
      for (const [a, b] of pairs) {
        network.unblock(a, b)
        network.unblock(b, a)
      }
    }
  }

  /** Somebody sets the wall clock, by less than any retention; what counts time does so by the monotonic one. */
  #jumpClock(victim: SimNode): boolean {
    const byMs = this.#random.between(-clockJumpMaxMs, clockJumpMaxMs)
    this.#trace(`wall clock of ${victim.id} jumps by ${byMs} ms`)
    victim.jumpWallClock(byMs)
    return true
  }

  #oneWay(victim: SimNode): boolean {
    const { network, nodes } = this.#options
    const random = this.#random
    const isDeaf = random.chance(1, 2)
    this.#trace(`one way: ${victim.id} is ${isDeaf ? 'deaf' : 'mute'}`)
    const pairs = nodes
      .filter(node => node !== victim)
      .map(({ id }) => (isDeaf ? [id, victim.id] : [victim.id, id]) as [number, number])
    for (const [from, to] of pairs) network.block(from, to)
    this.#healLater(() => {
      for (const [from, to] of pairs) network.unblock(from, to)
    })
    return true
  }

  #slow(victim: SimNode): boolean {
    const { network, nodes } = this.#options
    const random = this.#random
    const byUs = random.between(20, 800) * 1000
    this.#trace(`slow ${victim.id} by ${byUs / 1000} ms`)
    for (const { id } of nodes) {
      if (id === victim.id) continue
      network.slow(victim.id, id, byUs)
      network.slow(id, victim.id, byUs)
    }
    this.#healLater(() => {
      for (const { id } of nodes) {
        network.slow(victim.id, id, 0)
        network.slow(id, victim.id, 0)
      }
    })
    return true
  }

  #cutClients(victim: SimNode): boolean {
    const { network } = this.#options
    this.#trace(`clients cut from ${victim.id}`)
    network.block(clientPlace, victim.id)
    network.block(victim.id, clientPlace)
    this.#healLater(() => {
      network.unblock(clientPlace, victim.id)
      network.unblock(victim.id, clientPlace)
    })
    return true
  }

  #healLater(heal: () => void): void {
    const { world } = this.#options
    const random = this.#random
    const forMs = random.chance(1, 2) ? random.between(20, 400) : random.between(400, 4_000)
    world.after(forMs * 1000, world.outside, () => {
      if (!this.#isOver) heal()
    })
  }

  #startLater(node: SimNode): void {
    const { world, swarm } = this.#options
    const random = this.#random
    const downUs = random.between(5, swarm.downMaxMs) * 1000
    world.after(downUs, world.outside, () => {
      if (node.isUp) return
      this.#trace(`start ${node.id}`)
      node.start()
    })
  }

  /** Somebody has lost writes, and the controller may still count on them. */
  #someLossy(): boolean {
    const { nodes, swarm } = this.#options
    if (this.#isSomeWiped()) return true
    if (swarm.fsyncs) return false
    return nodes.some(node => node.hasFailingDisk || (node.lostWrites && node.diedUncleanly))
  }

  /** What was on that disk was durable. */
  #isSomeWiped(): boolean {
    return this.#options.nodes.some(node => node.isWiped && node.diedUncleanly)
  }

  /**
   * The budget. The others must be known to the controller as what they are, and of each partition of the victim one of
   * them must be in its ISR or ELR: then that one has all that is committed, and stays when the victim drops out.
   */
  #mayLose(victim: SimNode): boolean {
    if (!this.#rot.leavesGoodCopies(victim.id)) return false
    const losesNothing = this.#options.swarm.fsyncs && !this.#isSomeWiped()
    return losesNothing || this.#othersHold(victim)
  }

  #othersHold(victim: SimNode): boolean {
    const { nodes, image } = this.#options
    const isWhole = (node: SimNode): boolean =>
      node.isUp && !node.diedUncleanly && !node.hasFailingDisk
    if (nodes.some(node => node !== victim && !isWhole(node))) return false
    for (const topic of image().topicsById.values()) {
      for (const { partition, replicas, isr, elr = [] } of topic.partitions) {
        if (!replicas.includes(victim.id)) continue
        const isHeld = (id: NodeId): boolean =>
          id !== victim.id && this.#rot.isGood(topic.id, partition, id)
        if (![...isr, ...elr].some(isHeld)) return false
      }
    }
    return true
  }

  #trace(what: string): void {
    this.#options.trace(what)
  }
}

const ids = (nodes: readonly SimNode[]): string => nodes.map(({ id }) => id).join(' ')

/** What a node is to the cluster when it is struck. */
function roleOf({ node }: SimNode): 'the controller' | 'a leader' | 'another' {
  if (node?.controller?.isActive === true) return 'the controller'
  for (const { role } of node?.broker?.partitions() ?? []) if (role === 'leader') return 'a leader'
  return 'another'
}
