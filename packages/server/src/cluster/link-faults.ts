import type { HostPort, NodeId } from '@trimaran/common'
import type { PeerAddress, PeerLinks, PeerReceiver } from '../rpc/peer-links.ts'
import { sizeOf } from '../rpc/wire.ts'
import type { PauseGate } from './pause-gate.ts'

/** Frames that wait for a paused node, as in the buffers of its kernel and of who sends; beyond, they are dropped. */
const HELD_BYTES_MAX = 64 * 1024 * 1024

/** One direction between two nodes that delivers nothing. */
export interface Cut {
  readonly from: NodeId
  readonly to: NodeId
}

const keyOf = (from: NodeId, to: NodeId): string => `${from}→${to}`

/**
 * What of the links between the nodes does not work at the moment. Nodes see silence and nothing else: a frame into a cut
 * is taken and lost, no link breaks, and what happens at the other end stays unknown until it is healed.
 */
export class LinkFaults {
  readonly #cuts = new Map<string, Cut>()
  readonly #ends = new Map<NodeId, FaultyLinks>()
  /** Frames sent and not received yet. */
  readonly #underWay = new Map<string, number>()

  /** The links of a node that starts. */
  wrap(nodeId: NodeId, links: PeerLinks, gate: PauseGate): PeerLinks {
    const end = new FaultyLinks(nodeId, links, gate, this)
    this.#ends.set(nodeId, end)
    return end
  }

  get cuts(): readonly Cut[] {
    return [...this.#cuts.values()]
  }

  get framesUnderWay(): number {
    let count = 0
    for (const frames of this.#underWay.values()) count += frames
    return count
  }

  isCut(from: NodeId, to: NodeId): boolean {
    return this.#cuts.has(keyOf(from, to))
  }

  cut(from: NodeId, to: NodeId): void {
    if (from !== to) this.#cuts.set(keyOf(from, to), { from, to })
  }

  heal(): void {
    const healed = this.cuts
    this.#cuts.clear()
    const pairs = new Map<string, Cut>()
    for (const { from, to } of healed) {
      pairs.set(keyOf(from, to), { from, to })
      pairs.set(keyOf(to, from), { from: to, to: from })
    }
    for (const { from, to } of pairs.values()) this.#ends.get(to)?.healed(from)
  }

  /** It speaks again: who connected to it meanwhile has its answer. */
  resumed(nodeId: NodeId): void {
    for (const end of this.#ends.values()) end.tell(nodeId)
  }

  /** What was on the way from it or to it is lost. */
  killed(nodeId: NodeId): void {
    this.#ends.delete(nodeId)
    for (const other of this.#ends.keys()) this.lost(nodeId, other)
  }

  isPaused(nodeId: NodeId): boolean {
    return this.#ends.get(nodeId)?.isPaused === true
  }

  sent(from: NodeId, to: NodeId): void {
    const key = keyOf(from, to)
    this.#underWay.set(key, (this.#underWay.get(key) ?? 0) + 1)
  }

  received(from: NodeId, to: NodeId): void {
    const key = keyOf(from, to)
    const left = (this.#underWay.get(key) ?? 0) - 1
    if (left > 0) this.#underWay.set(key, left)
    else this.#underWay.delete(key)
  }

  lost(one: NodeId, other: NodeId): void {
    this.#underWay.delete(keyOf(one, other))
    this.#underWay.delete(keyOf(other, one))
  }
}

/** One node's links, with whatever fails them on command. Used by startCluster only. */
class FaultyLinks implements PeerLinks {
  readonly #nodeId: NodeId
  readonly #links: PeerLinks
  readonly #gate: PauseGate
  readonly #faults: LinkFaults
  readonly #linked = new Set<NodeId>()
  /** What became of a peer, behind a cut. */
  readonly #untold = new Map<NodeId, 'gone' | 'reachable'>()
  #receiver: PeerReceiver | null = null
  #heldBytes = 0

  constructor(nodeId: NodeId, links: PeerLinks, gate: PauseGate, faults: LinkFaults) {
    this.#nodeId = nodeId
    this.#links = links
    this.#gate = gate
    this.#faults = faults
  }

  get isPaused(): boolean {
    return this.#gate.isPaused
  }

  learn(peer: PeerAddress): void {
    this.#links.learn(peer)
  }

  seek(servers: readonly HostPort[]): void {
    this.#links.seek?.(servers)
  }

  addressOf(nodeId: NodeId): HostPort | null {
    return this.#links.addressOf?.(nodeId) ?? null
  }

  send(to: NodeId, frame: readonly Uint8Array[]): boolean {
    // What a paused node had under way when it was stopped may still end; its words wait.
    if (this.#gate.isPaused) return this.#hold(sizeOf(frame), () => this.send(to, frame))
    if (this.#faults.isCut(this.#nodeId, to)) return true
    const isSent = this.#links.send(to, frame)
    if (isSent) this.#faults.sent(this.#nodeId, to)
    return isSent
  }

  start(receiver: PeerReceiver): void {
    this.#receiver = receiver
    this.#links.start({
      frame: (from, frame) => this.#received(from, frame),
      gone: nodeId => {
        this.#faults.lost(this.#nodeId, nodeId)
        this.#linked.delete(nodeId)
        this.#untold.set(nodeId, 'gone')
        this.tell(nodeId)
      },
      reachable: nodeId => {
        this.#faults.lost(this.#nodeId, nodeId)
        this.#linked.add(nodeId)
        this.#untold.set(nodeId, 'reachable')
        this.tell(nodeId)
      },
    })
  }

  /** The peer can be heard again; what was sent before and not answered is lost, and that is what `reachable` says. */
  healed(peer: NodeId): void {
    if (!this.#untold.has(peer) && this.#linked.has(peer)) this.#untold.set(peer, 'reachable')
    this.tell(peer)
  }

  /** A broken stream arrives like a word, a connection needs an answer; behind a cut neither comes. */
  tell(peer: NodeId): void {
    const news = this.#untold.get(peer)
    if (news === undefined || this.#faults.isCut(peer, this.#nodeId)) return
    const isSilent = this.#faults.isCut(this.#nodeId, peer) || this.#faults.isPaused(peer)
    if (news === 'reachable' && isSilent) return
    this.#untold.delete(peer)
    this.#gate.run(() => this.#receiver?.[news](peer))
  }

  #received(from: NodeId, frame: Uint8Array): void {
    this.#faults.received(from, this.#nodeId)
    if (this.#faults.isCut(from, this.#nodeId)) return
    if (this.#gate.isPaused) this.#hold(frame.length, () => this.#receiver?.frame(from, frame))
    else this.#gate.run(() => this.#receiver?.frame(from, frame))
  }

  #hold(sizeBytes: number, action: () => void): boolean {
    if (this.#heldBytes + sizeBytes > HELD_BYTES_MAX) return false
    this.#heldBytes += sizeBytes
    this.#gate.run(() => {
      this.#heldBytes -= sizeBytes
      action()
    })
    return true
  }
}
