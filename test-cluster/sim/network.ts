import { concatBytes } from '@trimaran/common'
import type { NodeId, Prng } from '@trimaran/common'
import type { Message } from '@trimaran/raft'
import type { PeerAddress, PeerLinks, PeerReceiver } from '@trimaran/server'
import { decodeEnvelope } from '@trimaran/server/testing'
import type { Owner, World } from './world.ts'

/** As the links over gRPC have it (server/src/grpc-links.ts). */
const goneAfterUs = 200_000
const dialTimeoutUs = 1_000_000
const redialBackoffMinUs = 20_000
const redialBackoffMaxUs = 200_000
const interestUs = 10_000_000
/** HTTP/2 keepalive: 5 s without a word, then 4 s without an answer. */
const keepaliveUs = 9_000_000

export interface NetworkProfile {
  readonly delayMinUs: number
  readonly delayMaxUs: number
  /** One frame in so many is late by up to `lateMaxUs`, and with it all that come after it. 0: none. */
  readonly lateOneIn: number
  readonly lateMaxUs: number
  /** One frame in so many is dropped while its link lives on, as from a full queue. 0: none. */
  readonly lossOneIn: number
  /** One quorum message in so many arrives twice. 0: none. */
  readonly repeatOneIn: number
}

/** A process with links; `dead` processes refuse dials, `vanished` ones do not even do that. */
export interface Host {
  readonly nodeId: NodeId
  readonly owner: Owner
  state: 'alive' | 'dead' | 'vanished'
  links: SimLinks | null
}

/** What the checkers want to know of the quorum's traffic. */
export interface QuorumWatch {
  sending(from: NodeId, to: NodeId, message: Message): void
  delivered(from: NodeId, to: NodeId, message: Message): void
}

interface Item {
  readonly kind: 'frame' | 'hello' | 'close'
  readonly frame: Uint8Array
  /** Decoded, if it is of the quorum. */
  readonly message: Message | null
}

const closing: Item = { kind: 'close', frame: new Uint8Array(0), message: null }
const greeting: Item = { ...closing, kind: 'hello' }

/** One direction of a connection: in order, however late. What a partition stops waits in it, as in a kernel's buffer. */
class Pipe {
  readonly from: End
  readonly to: End
  lastAtUs = 0
  held: Item[] = []

  constructor(from: End, to: End) {
    this.from = from
    this.to = to
  }
}

/** One side's view of a connection. */
class End {
  readonly host: Host
  readonly incarnation: number
  isOpen = true
  peer!: End
  /** Towards the other side. */
  out!: Pipe
  heardUs = 0
  /** Of who dialled: the other side's first words. */
  greeted: ((end: End) => void) | null = null

  constructor(host: Host) {
    this.host = host
    this.incarnation = host.owner.incarnation
  }
}

function connect(a: Host, b: Host): [End, End] {
  const ends: [End, End] = [new End(a), new End(b)]
  const [one, other] = ends
  one.peer = other
  other.peer = one
  one.out = new Pipe(one, other)
  other.out = new Pipe(other, one)
  return ends
}

/** An attempt to connect. Whoever gives it up must close what it may have opened at the other side. */
interface Dial {
  readonly from: Host
  readonly to: NodeId
  readonly answered: (end: End) => void
  readonly refused: () => void
  end: End | null
  isOver: boolean
}

/** The network between the nodes: who can reach whom, and how late. */
export class SimNetwork {
  readonly world: World
  readonly watch: QuorumWatch
  readonly hosts = new Map<NodeId, Host>()
  readonly counts = { frames: 0, lost: 0, repeated: 0, late: 0, broken: 0, gone: 0 }
  profile: NetworkProfile
  /** Links that are slow at the moment; key `from→to`. */
  readonly #slowUs = new Map<string, number>()
  readonly #blocked = new Set<string>()
  readonly #random: Prng
  readonly #ends = new Set<End>()
  /** Those in which something waits. */
  readonly #stalled = new Set<Pipe>()
  #connections = 0

  constructor(options: {
    readonly world: World
    readonly random: Prng
    readonly profile: NetworkProfile
    readonly watch: QuorumWatch
  }) {
    this.world = options.world
    this.#random = options.random
    this.profile = options.profile
    this.watch = options.watch
  }

  nextConnectionId(): number {
    return ++this.#connections
  }

  addHost(nodeId: NodeId, owner: Owner): Host {
    const host: Host = { nodeId, owner, state: 'dead', links: null }
    this.hosts.set(nodeId, host)
    return host
  }

  isBlocked(from: number | string, to: number | string): boolean {
    // Names cost more than the question, and mostly nothing is blocked.
    return this.#blocked.size > 0 && this.#blocked.has(`${from}→${to}`)
  }

  block(from: number | string, to: number | string): void {
    this.#blocked.add(`${from}→${to}`)
  }

  slow(from: number, to: number, byUs: number): void {
    if (byUs > 0) this.#slowUs.set(`${from}→${to}`, byUs)
    else this.#slowUs.delete(`${from}→${to}`)
  }

  /** Everything flows again: what waited arrives in a burst, or its connection turns out to be broken. */
  heal(): void {
    this.#blocked.clear()
    this.#slowUs.clear()
    for (const pipe of [...this.#stalled]) this.#release(pipe)
  }

  unblock(from: number | string, to: number | string): void {
    this.#blocked.delete(`${from}→${to}`)
    for (const pipe of [...this.#stalled]) {
      if (pipe.from.host.nodeId === from && pipe.to.host.nodeId === to) this.#release(pipe)
    }
  }

  /** Breaks what connects the two; both learn of it. */
  cut(a: NodeId, b: NodeId): void {
    for (const end of [...this.#ends]) {
      if (!end.isOpen || end.host.nodeId !== a || end.peer.host.nodeId !== b) continue
      this.counts.broken++
      this.push(end.out, closing)
      this.push(end.peer.out, closing)
    }
  }

  /** The kernel of a dead process ends its streams; a machine that lost its power says nothing. */
  died(host: Host, how: 'dead' | 'vanished'): void {
    host.state = how
    host.links = null
    for (const end of [...this.#ends]) {
      if (end.host !== host) continue
      end.isOpen = false
      this.#ends.delete(end)
      this.#stalled.delete(end.peer.out)
      if (how === 'dead') this.push(end.out, closing)
    }
  }

  dial(dial: Dial): void {
    const { from, to, refused } = dial
    const target = this.hosts.get(to)
    const { world } = this
    const { incarnation } = from.owner
    if (target === undefined || this.isBlocked(from.nodeId, to)) return
    // Who dialled may be dead by now, and perhaps alive again: its kernel knows nothing of that connection.
    const isGone = (): boolean => from.owner.incarnation !== incarnation
    world.after(this.delayUs(from.nodeId, to), world.outside, () => {
      if (target.state === 'vanished' || isGone()) return
      if (target.state === 'dead') {
        if (this.isBlocked(to, from.nodeId)) return
        world.after(this.delayUs(to, from.nodeId), from.owner, refused)
        return
      }
      // A hello needs the process: while it stands still there is no answer.
      world.after(0, target.owner, () => {
        if (!isGone()) this.#accept(dial, target)
      })
    })
  }

  #accept(dial: Dial, target: Host): void {
    const { from } = dial
    const [mine, theirs] = connect(from, target)
    this.#ends.add(mine)
    this.#ends.add(theirs)
    theirs.heardUs = this.world.nowUs
    mine.heardUs = this.world.nowUs
    mine.greeted = dial.answered
    // In the stream, before anything else that comes from there.
    this.push(theirs.out, greeting)
    target.links?.established(from.nodeId, theirs)
    if (dial.isOver) this.close(mine)
    else dial.end = mine
  }

  delayUs(from: number | string, to: number | string): number {
    const { delayMinUs, delayMaxUs, lateOneIn, lateMaxUs } = this.profile
    let delayUs = this.#random.between(delayMinUs, delayMaxUs)
    if (lateOneIn > 0 && this.#random.chance(1, lateOneIn)) {
      this.counts.late++
      delayUs += this.#random.between(0, lateMaxUs)
    }
    return this.#slowUs.size === 0 ? delayUs : delayUs + (this.#slowUs.get(`${from}→${to}`) ?? 0)
  }

  send(end: End, frame: Uint8Array): void {
    const { lossOneIn, repeatOneIn } = this.profile
    const from = end.host.nodeId
    const to = end.peer.host.nodeId
    this.counts.frames++
    const envelope = isQuorumFrame(frame) ? decodeEnvelope(frame) : null
    const message = envelope?.kind === 'quorum' ? envelope.message : null
    if (message !== null) this.watch.sending(from, to, message)
    if (lossOneIn > 0 && this.#random.chance(1, lossOneIn)) {
      this.counts.lost++
      return
    }
    this.push(end.out, { kind: 'frame', frame, message })
    if (message === null || repeatOneIn === 0 || !this.#random.chance(1, repeatOneIn)) return
    this.counts.repeated++
    this.push(end.out, { kind: 'frame', frame, message })
  }

  push(pipe: Pipe, item: Item): void {
    const { from, to } = pipe
    const there = from.host.nodeId
    const delayUs = this.delayUs(there, to.host.nodeId)
    if (to.incarnation !== to.host.owner.incarnation) {
      // Nobody knows that connection any more: a kernel answers with a reset, a machine without power does not.
      if (item.kind === 'close' || to.host.state === 'vanished') return
      if (from.isOpen) this.push(to.out, closing)
      return
    }
    pipe.lastAtUs = Math.max(pipe.lastAtUs + 1, this.world.nowUs + delayUs)
    this.world.at(pipe.lastAtUs, to.host.owner, () => {
      const isBlocked = this.isBlocked(there, to.host.nodeId)
      if (pipe.held.length > 0 || isBlocked) {
        pipe.held.push(item)
        this.#stalled.add(pipe)
      } else this.#deliver(pipe, item)
    })
  }

  close(end: End): void {
    if (!end.isOpen) return
    end.isOpen = false
    this.#ends.delete(end)
    this.push(end.out, closing)
  }

  #deliver({ from, to }: Pipe, item: Item): void {
    if (!to.isOpen) return
    const there = from.host.nodeId
    to.heardUs = this.world.nowUs
    if (item.kind === 'close') {
      to.isOpen = false
      this.#ends.delete(to)
      to.host.links?.closed(there, to)
      return
    }
    if (item.kind === 'hello') {
      to.greeted?.(to)
      return
    }
    this.world.note(item.frame.length)
    if (item.message !== null) this.watch.delivered(there, to.host.nodeId, item.message)
    to.host.links?.received(there, to, item.frame)
  }

  /** One after the other, and whatever arrives meanwhile behind them. */
  #release(pipe: Pipe, delayUs = this.delayUs(pipe.from.host.nodeId, pipe.to.host.nodeId)): void {
    if (pipe.held.length === 0) {
      this.#stalled.delete(pipe)
      return
    }
    const { from, to } = pipe
    this.world.after(delayUs, to.host.owner, () => {
      const item = pipe.held[0]
      if (item === undefined || this.isBlocked(from.host.nodeId, to.host.nodeId)) return
      pipe.held.shift()
      this.#deliver(pipe, item)
      this.#release(pipe, 1)
    })
  }

  /** One line per node and peer, for whoever asks why nothing moves. */
  picture(): string {
    const lines: string[] = []
    for (const { nodeId, links } of this.hosts.values()) {
      for (const line of links?.picture() ?? []) lines.push(`link ${nodeId}→${line}`)
    }
    return lines.join('\n')
  }

  /** Keepalive: a side that hears nothing for long gives its connection up. Called now and then. */
  keepAlive(): void {
    for (const end of [...this.#ends]) {
      const { host, peer } = end
      const from = peer.host.nodeId
      // Pings go both ways over a link that lets them pass.
      const hears =
        !this.isBlocked(from, host.nodeId) &&
        !this.isBlocked(host.nodeId, from) &&
        peer.incarnation === peer.host.owner.incarnation &&
        peer.host.owner.pausedUntilUs <= this.world.nowUs
      if (hears) end.heardUs = this.world.nowUs
      else if (this.world.nowUs - end.heardUs > keepaliveUs) {
        this.counts.broken++
        this.world.after(0, host.owner, () => {
          if (!end.isOpen) return
          this.close(end)
          host.links?.closed(from, end)
        })
      }
    }
  }
}

/** Field 2 of the envelope, length-delimited. */
const isQuorumFrame = (frame: Uint8Array): boolean => frame[0] === 0x12

interface Peer {
  readonly nodeId: NodeId
  isKnown: boolean
  /** The first is in use; another may exist when both sides dialled at the same time. */
  ends: End[]
  dialing: Dial | null
  suspect: boolean
  backoffUs: number
  wantedUntilUs: number
  cancelRedial: (() => void) | null
}

/** One process's links, with the manners of the links over gRPC; see there. */
export class SimLinks implements PeerLinks {
  readonly #network: SimNetwork
  readonly #host: Host
  readonly #peers = new Map<NodeId, Peer>()
  #receiver: PeerReceiver | null = null

  constructor(network: SimNetwork, host: Host) {
    this.#network = network
    this.#host = host
  }

  start(receiver: PeerReceiver): void {
    this.#receiver = receiver
    this.#host.state = 'alive'
    this.#host.links = this
  }

  learn({ nodeId }: PeerAddress): void {
    if (nodeId !== this.#host.nodeId) this.#peer(nodeId).isKnown = true
  }

  send(to: NodeId, frame: readonly Uint8Array[]): boolean {
    const peer = this.#peer(to)
    peer.wantedUntilUs = this.#network.world.nowUs + interestUs
    const [end] = peer.ends
    if (end === undefined) {
      if (peer.dialing === null && peer.cancelRedial === null) this.#dial(peer)
      return false
    }
    this.#network.send(end, concatBytes(frame))
    return true
  }

  received(from: NodeId, end: End, frame: Uint8Array): void {
    if (this.#peer(from).ends.includes(end)) this.#receiver?.frame(from, frame)
  }

  picture(): string[] {
    return [...this.#peers.values()].map(({ nodeId, ends, dialing }) => {
      const told = ends.map(({ isOpen, peer, out }) => {
        const there = peer.host.links?.has(this.#host.nodeId, peer) === true ? 'used' : 'unused'
        return `${isOpen ? 'open' : 'closed'}/${peer.isOpen ? 'open' : 'closed'} (${there} there, ${out.held.length} held)`
      })
      return `${nodeId} ${told.join(', ') || 'none'}${dialing === null ? '' : ' dialing'}`
    })
  }

  has(from: NodeId, end: End): boolean {
    return this.#peer(from).ends.includes(end)
  }

  closed(from: NodeId, end: End): void {
    const peer = this.#peer(from)
    const at = peer.ends.indexOf(end)
    if (at < 0) return
    peer.ends.splice(at, 1)
    if (peer.ends.length === 0) {
      peer.suspect = true
      this.#dial(peer)
    } else if (at === 0) this.#receiver?.reachable(from)
  }

  established(from: NodeId, end: End): void {
    const peer = this.#peer(from)
    peer.isKnown = true
    const stale = peer.ends.filter(other => other.peer.incarnation !== end.peer.incarnation)
    peer.ends = peer.ends.filter(other => other.peer.incarnation === end.peer.incarnation)
    for (const other of stale) this.#network.close(other)
    const isFirst = peer.ends.length === 0
    peer.ends.push(end)
    peer.suspect = false
    peer.backoffUs = redialBackoffMinUs
    peer.cancelRedial?.()
    peer.cancelRedial = null
    if (isFirst) this.#receiver?.reachable(from)
  }

  #dial(peer: Peer): void {
    peer.cancelRedial?.()
    peer.cancelRedial = null
    if (!peer.isKnown || peer.dialing !== null) return
    const { world } = this.#network
    const { owner } = this.#host
    const failed = (): void => {
      if (peer.dialing !== dial) return
      peer.dialing = null
      dial.isOver = true
      if (dial.end !== null) this.#network.close(dial.end)
      this.#judge(peer)
      this.#redial(peer)
    }
    const answered = (end: End): void => {
      if (peer.dialing !== dial) return
      peer.dialing = null
      dial.isOver = true
      if (end.isOpen) this.established(peer.nodeId, end)
    }
    const dial: Dial = {
      from: this.#host,
      to: peer.nodeId,
      answered,
      refused: failed,
      end: null,
      isOver: false,
    }
    peer.dialing = dial
    world.after(goneAfterUs, owner, () => {
      if (peer.dialing === dial) this.#judge(peer)
    })
    world.after(dialTimeoutUs, owner, failed)
    this.#network.dial(dial)
  }

  #redial(peer: Peer): void {
    const { world } = this.#network
    if (peer.ends.length > 0 || world.nowUs > peer.wantedUntilUs) return
    if (peer.cancelRedial !== null) return
    const waitUs = peer.backoffUs
    peer.backoffUs = Math.min(peer.backoffUs * 2, redialBackoffMaxUs)
    peer.cancelRedial = world.after(waitUs, this.#host.owner, () => this.#dial(peer))
  }

  #judge(peer: Peer): void {
    if (!peer.suspect || peer.ends.length > 0) return
    peer.suspect = false
    this.#network.counts.gone++
    this.#receiver?.gone(peer.nodeId)
  }

  #peer(nodeId: NodeId): Peer {
    let peer = this.#peers.get(nodeId)
    if (peer === undefined) {
      peer = {
        nodeId,
        isKnown: false,
        ends: [],
        dialing: null,
        suspect: false,
        backoffUs: redialBackoffMinUs,
        wantedUntilUs: 0,
        cancelRedial: null,
      }
      this.#peers.set(nodeId, peer)
    }
    return peer
  }
}
