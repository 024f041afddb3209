import type { RaftDriver } from '../driver.ts'
import { majorityOf } from '../majority.ts'
import type { Entry, Message, VoterSet } from '../messages.ts'
import type { CommittedEntry, DurableVote, QuorumWrite, Snapshot } from '../ports.ts'
import { checkQuorumFactor } from '../limits.ts'
import { decodeVoters, noVoters } from '../voters.ts'

/** A broken invariant of the quorum: the ids are those of Raft's paper and its known traps. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

const violated = (invariant: string, what: string): never => {
  throw new Violation(`${invariant}: ${what}`)
}

/** FNV-1a, continued. */
export const mix = (hash: number, value: number): number =>
  Math.imul(hash ^ (value & 0xffff) ^ (value >>> 16), 16777619) >>> 0

function mixEntry(hash: number, entry: Entry): number {
  let mixed = mix(mix(hash, entry.epoch), entry.kind.length)
  for (const byte of entry.payload) mixed = mix(mixed, byte)
  return mixed
}

/** A log as hashes of its prefixes: equal hashes, equal logs. */
class Chain {
  base = 0
  hashes: {
    readonly epoch: number
    readonly hash: number
    /** If it is an entry of voters. */
    readonly set: VoterSet | null
  }[] = []
  #baseSet = noVoters
  /** Null: not looked up since the log changed. */
  #set: VoterSet | null = null
  readonly #committed: readonly number[]
  readonly #onAppend: (offset: number, epoch: number, hash: number) => void

  constructor(
    committed: readonly number[],
    onAppend: (offset: number, epoch: number, hash: number) => void = () => {},
  ) {
    this.#committed = committed
    this.#onAppend = onAppend
  }

  get end(): number {
    return this.base + this.hashes.length
  }

  /** Of the log below `endOffset`; null if it does not reach there. */
  hashAt(endOffset: number): number | null {
    if (endOffset <= this.base) return this.#committed[endOffset] ?? null
    return this.hashes[endOffset - this.base - 1]?.hash ?? null
  }

  epochBefore(endOffset: number): number | null {
    return this.hashes[endOffset - this.base - 1]?.epoch ?? null
  }

  /** In force at the end of the log. */
  get set(): VoterSet {
    this.#set ??= this.hashes.findLast(({ set }) => set !== null)?.set ?? this.#baseSet
    return this.#set
  }

  /** Of the voters, after the snapshot; −1: none. */
  get lastChangeOffset(): number {
    const at = this.hashes.findLastIndex(({ set }) => set !== null)
    return at < 0 ? -1 : this.base + at
  }

  apply(write: QuorumWrite): void {
    this.#set = null
    if (write.truncateTo !== undefined) {
      this.hashes.length = Math.min(this.hashes.length, Math.max(0, write.truncateTo - this.base))
    }
    for (const entry of write.append?.entries ?? []) {
      const hash = mixEntry(this.hashAt(this.end) ?? 0, entry)
      const set = entry.kind === 'voters' ? decodeVoters(entry.payload) : null
      this.hashes.push({ epoch: entry.epoch, hash, set })
      this.#onAppend(this.end - 1, entry.epoch, hash)
    }
    if (write.snapshot) {
      this.hashes.splice(0, write.snapshot.id.endOffset - this.base)
      this.base = write.snapshot.id.endOffset
      this.#baseSet = decodeVoters(write.snapshot.voters)
    }
  }

  clear(): void {
    this.base = 0
    this.hashes = []
    this.#baseSet = noVoters
    this.#set = null
  }

  copyOf(other: Chain): void {
    this.base = other.base
    this.hashes = [...other.hashes]
    this.#baseSet = other.#baseSet
    this.#set = null
  }
}

interface Watched {
  readonly nodeId: number
  driver: RaftDriver | null
  incarnation: number
  /** As this incarnation believes its log to be, and as the disk has it. */
  readonly memory: Chain
  readonly disk: Chain
  /** What it had acknowledged from the disk that it lost: the leader may hear of that before it hears of the loss. */
  readonly lostDisk: Chain
  vote: DurableVote
  epochSeen: number
  highWatermark: number
  appliedEnd: number
  appliedHash: number
  wasLeaderOf: number | null
  /** When each node's fetch last reached this leader. */
  readonly heard: Map<number, number>
}

const votersOf = ({ memory }: Watched): readonly number[] =>
  memory.set.voters.map(({ nodeId }) => nodeId)

/** Watches all nodes after every event; draws no randomness and changes nothing. */
export class QuorumChecker {
  /** Hash of the log below each committed end, and the epoch in which that was committed. */
  readonly committed: number[] = [0]
  readonly #committedInEpoch: number[] = [0]
  readonly #nodes = new Map<number, Watched>()
  /** Whom each node has voted for, by epoch, as it told. */
  readonly #votes = new Map<number, Map<number, Set<number>>>()
  /** How many requests to make each a voter may be on their way. */
  readonly #asked = new Map<number, number>()
  readonly #fetchTimeoutMs: number
  readonly #leaderOf = new Map<number, { nodeId: number; incarnation: number }>()
  readonly #byOffsetAndEpoch = new Map<number, number>()
  readonly #stateAt = new Map<number, number>()
  elections = 0
  /** That an operator asked for, and that are in a log. */
  voterChanges = 0

  constructor(options: { fetchTimeoutMs: number }) {
    this.#fetchTimeoutMs = options.fetchTimeoutMs
  }

  /** The node starts from what its disk has. */
  started(nodeId: number, driver: RaftDriver): void {
    const node = this.#nodes.get(nodeId) ?? this.#watch(nodeId)
    node.driver = driver
    node.incarnation++
    node.memory.copyOf(node.disk)
    node.highWatermark = 0
    node.appliedEnd = 0
    node.appliedHash = 0
    node.wasLeaderOf = null
    node.heard.clear()
  }

  stopped(nodeId: number): void {
    this.#node(nodeId).driver = null
  }

  /** Its disk is lost with all that was on it: under its old id it is another node from now on. */
  wiped(nodeId: number): void {
    const node = this.#node(nodeId)
    node.lostDisk.copyOf(node.disk)
    node.disk.clear()
    node.vote = { epoch: 0, votedFor: null, led: false }
    node.epochSeen = 0
  }

  /** An operator wants the node to be a voter, and may be obeyed until `addEnds` says that the request is no longer on its way. */
  askedToAdd(nodeId: number): void {
    this.#asked.set(nodeId, (this.#asked.get(nodeId) ?? 0) + 1)
  }

  addEnds(nodeId: number): void {
    this.#asked.set(nodeId, (this.#asked.get(nodeId) ?? 0) - 1)
  }

  /** The node asks its disk for this; it is not durable yet. */
  writing(nodeId: number, write: QuorumWrite): void {
    const endOffset = write.snapshot?.id.endOffset ?? 0
    const node = this.#node(nodeId)
    // What is committed in the very step that saves the snapshot was not looked at yet.
    if (write.snapshot && write.truncateTo === undefined) this.#checkCommit(node)
    if (endOffset >= this.committed.length)
      violated('R17', `a snapshot of ${endOffset}, uncommitted`)
    if (write.append?.entries.some(({ kind }) => kind === 'voters')) this.#checkChange(node, write)
    node.memory.apply(write)
  }

  /**
   * R16: what a leader appends about the voters changes one of them, after all earlier changes are committed and so is an entry of its
   * own epoch; nobody becomes a voter who was neither asked to nor lost a disk as one.
   */
  #checkChange(node: Watched, write: QuorumWrite): void {
    const { nodeId, driver, memory } = node
    const state = driver?.core.state
    if (state?.role.kind !== 'leader') return
    // So is what is committed in the very step that changes them.
    this.#checkCommit(node)
    for (const { kind, epoch, payload } of write.append?.entries ?? []) {
      if (kind !== 'voters' || epoch !== state.epoch) continue
      const { voters } = decodeVoters(payload)
      const { voters: before, lost } = memory.set
      const added = voters.filter(({ nodeId: id }) => !before.some(each => each.nodeId === id))
      const removed = before.filter(({ nodeId: id }) => !voters.some(each => each.nodeId === id))
      if (added.length + removed.length > 1) {
        violated('R16', `leader ${nodeId} changes more than one voter at once`)
      }
      const end = this.committed.length - 1
      if (memory.lastChangeOffset >= end) {
        violated(
          'R16',
          `leader ${nodeId} changes the voters again before ${memory.lastChangeOffset} is committed`,
        )
      }
      // One that is cut off leads on for a while, when others have committed more in later epochs.
      if (!this.#committedInEpoch.includes(epoch)) {
        violated(
          'R16',
          `leader ${nodeId} changes the voters before an entry of its epoch is committed`,
        )
      }
      this.voterChanges += added.length + removed.length
      for (const { nodeId: id } of added) {
        if (lost.some(each => each.nodeId === id)) continue
        if ((this.#asked.get(id) ?? 0) <= 0)
          violated('R16', `leader ${nodeId} makes ${id} a voter, which nobody asked for`)
      }
    }
  }

  durable(nodeId: number, write: QuorumWrite): void {
    const node = this.#node(nodeId)
    node.disk.apply(write)
    if (!write.vote) return
    const { epoch, votedFor } = write.vote
    if (epoch < node.vote.epoch) violated('R3', `node ${nodeId} goes back to epoch ${epoch}`)
    if (epoch === node.vote.epoch && node.vote.votedFor !== null) {
      if (votedFor !== node.vote.votedFor) violated('R2', `node ${nodeId} votes twice in ${epoch}`)
    }
    node.vote = write.vote
  }

  /** R12: nothing leaves a node before what it claims is durable. */
  sending(nodeId: number, to: number, message: Message): void {
    const { vote, disk } = this.#node(nodeId)
    if (message.epoch > vote.epoch) violated('R12', `node ${nodeId} names epoch ${message.epoch}`)
    if (message.kind === 'voteResponse' && message.granted && !message.preVote) {
      if (vote.epoch === message.epoch && vote.votedFor !== to) {
        violated('R12', `node ${nodeId} votes for ${to} before it is durable`)
      }
      this.#votesOf(message.epoch, to).add(nodeId)
    }
    if (message.kind === 'fetchRequest' && message.fetchOffset > disk.base) {
      if (disk.epochBefore(message.fetchOffset) !== message.lastFetchedEpoch) {
        violated('R12', `node ${nodeId} acknowledges ${message.fetchOffset} before it is durable`)
      }
    }
  }

  delivered(from: number, to: number, message: Message, nowMs: number): void {
    if (message.kind !== 'fetchRequest' && message.kind !== 'fetchSnapshotRequest') return
    const node = this.#node(to)
    if (node.driver?.status.role === 'leader' && node.driver.status.epoch === message.epoch) {
      node.heard.set(from, nowMs)
    }
  }

  applied(nodeId: number, entries: readonly CommittedEntry[], endOffset: number): void {
    const node = this.#node(nodeId)
    this.#checkCommit(node)
    if (endOffset <= node.appliedEnd) violated('R7', `node ${nodeId} applies ${endOffset} again`)
    for (const { offset, payload } of entries) {
      if (offset < node.appliedEnd || offset >= endOffset) {
        violated('R7', `node ${nodeId} applies ${offset} out of order`)
      }
      node.appliedHash = mix(node.appliedHash, offset)
      for (const byte of payload) node.appliedHash = mix(node.appliedHash, byte)
    }
    node.appliedEnd = endOffset
    this.#checkState(node)
  }

  /** R17: a snapshot is what the log below its end makes, and it never takes anything back. */
  loaded(nodeId: number, snapshot: Snapshot, stateHash: number): void {
    const node = this.#node(nodeId)
    const { endOffset } = snapshot.id
    if (endOffset <= node.appliedEnd && node.appliedEnd > 0) {
      violated('R17', `node ${nodeId} loads a snapshot of ${endOffset} at ${node.appliedEnd}`)
    }
    if (endOffset >= this.committed.length)
      violated('R17', `a snapshot of ${endOffset}, uncommitted`)
    node.appliedEnd = endOffset
    node.appliedHash = stateHash
    this.#checkState(node)
  }

  stateHash(nodeId: number): number {
    return this.#node(nodeId).appliedHash
  }

  /** All nodes, or the only one that can have changed. */
  afterEvent(nowMs: number, standsStill: (nodeId: number) => boolean, only?: number): void {
    if (only === undefined) {
      for (const node of this.#nodes.values()) this.#look(node, nowMs, standsStill)
      return
    }
    const node = this.#nodes.get(only)
    if (node !== undefined) this.#look(node, nowMs, standsStill)
  }

  #look(node: Watched, nowMs: number, standsStill: (nodeId: number) => boolean): void {
    if (node.driver === null) return
    const { state } = node.driver.core
    if (state.epoch < node.epochSeen && state.epoch < node.vote.epoch) {
      violated('R3', `node ${node.nodeId} is back in epoch ${state.epoch}`)
    }
    node.epochSeen = state.epoch
    if (state.role.kind === 'leader') {
      this.#checkLeader(node, state.epoch, nowMs)
      if (!standsStill(node.nodeId)) this.#checkQuorum(node, state.epoch, nowMs)
    } else node.wasLeaderOf = null
    if (state.highWatermark !== node.highWatermark) this.#checkCommit(node)
    if (state.highWatermark > state.log.endOffset) violated('R9', 'high watermark above the log')
  }

  #checkLeader(node: Watched, epoch: number, nowMs: number): void {
    if (node.wasLeaderOf !== epoch) {
      node.wasLeaderOf = epoch
      node.heard.clear()
      for (const voter of votersOf(node)) node.heard.set(voter, nowMs)
      this.elections++
      this.#checkVotes(node, epoch)
      const known = this.#leaderOf.get(epoch)
      if (known && known.nodeId !== node.nodeId) {
        violated('R1', `epoch ${epoch} is led by ${known.nodeId} and ${node.nodeId}`)
      }
      if (known && known.incarnation !== node.incarnation) {
        violated('R11', `node ${node.nodeId} leads epoch ${epoch} again after a restart`)
      }
      this.#leaderOf.set(epoch, { nodeId: node.nodeId, incarnation: node.incarnation })
      // An elected node may have slept through later epochs; it answers for what was committed before its own.
      const end = this.#committedInEpoch.findLastIndex(committedIn => committedIn < epoch)
      if (node.memory.hashAt(end) !== this.committed[end]) {
        violated(
          'R6',
          `leader ${node.nodeId} of epoch ${epoch} lacks what is committed below ${end}`,
        )
      }
    }
  }

  #checkQuorum(node: Watched, epoch: number, nowMs: number): void {
    const patienceMs = checkQuorumFactor * this.#fetchTimeoutMs + 1
    const { voters } = node.memory.set
    let alive = 0
    for (const { nodeId } of voters) {
      if (nodeId === node.nodeId || nowMs - (node.heard.get(nodeId) ?? 0) <= patienceMs) alive++
    }
    if (alive < majorityOf(voters.length)) {
      violated('R14', `node ${node.nodeId} leads epoch ${epoch} without a majority`)
    }
  }

  #checkCommit(node: Watched): void {
    const state = node.driver?.core.state
    if (state === undefined) return
    const end = state.highWatermark
    if (end < node.highWatermark) violated('R9', `node ${node.nodeId} goes back to ${end}`)
    const from = Math.max(1, state.log.startOffset, node.highWatermark)
    node.highWatermark = end
    for (let offset = from; offset <= end; offset++) {
      const hash = node.memory.hashAt(offset)
      if (hash === null) violated('R7', `node ${node.nodeId} commits ${offset} beyond its log`)
      else if (this.committed[offset] === undefined) {
        this.committed[offset] = hash
        this.#committedInEpoch[offset] = state.epoch
      } else if (this.committed[offset] !== hash) {
        violated('R7', `node ${node.nodeId} commits something else below ${offset}`)
      }
    }
    if (state.role.kind !== 'leader' || end <= state.log.startOffset) return
    if (node.memory.epochBefore(end) !== state.epoch) {
      violated('R8', `leader ${node.nodeId} commits an entry of an older epoch at ${end - 1}`)
    }
    const voters = votersOf(node)
    const durable = voters.filter(voter => {
      const watched = this.#nodes.get(voter)
      const hash = this.committed[end]
      return watched?.disk.hashAt(end) === hash || watched?.lostDisk.hashAt(end) === hash
    })
    if (durable.length < majorityOf(voters.length)) {
      violated('R8', `leader ${node.nodeId} commits ${end}, durable on ${durable.join(' ')} only`)
    }
  }

  /** R16: elected by those whom its log names, and by nobody else. */
  #checkVotes(node: Watched, epoch: number): void {
    const voters = votersOf(node)
    const votes = this.#votesOf(epoch, node.nodeId)
    const voted = voters.filter(voter => voter === node.nodeId || votes.has(voter))
    if (voted.length >= majorityOf(voters.length)) return
    violated(
      'R16',
      `leader ${node.nodeId} of epoch ${epoch} has the votes of ${voted.join(' ')} only`,
    )
  }

  #votesOf(epoch: number, candidateId: number): Set<number> {
    const ofEpoch = this.#votes.get(epoch) ?? new Map<number, Set<number>>()
    this.#votes.set(epoch, ofEpoch)
    const votes = ofEpoch.get(candidateId) ?? new Set<number>()
    ofEpoch.set(candidateId, votes)
    return votes
  }

  #checkState(node: Watched): void {
    const known = this.#stateAt.get(node.appliedEnd)
    if (known === undefined) this.#stateAt.set(node.appliedEnd, node.appliedHash)
    else if (known !== node.appliedHash) {
      violated('R7', `node ${node.nodeId} has another state at ${node.appliedEnd}`)
    }
  }

  #node(nodeId: number): Watched {
    return this.#nodes.get(nodeId) ?? this.#watch(nodeId)
  }

  #watch(nodeId: number): Watched {
    const node: Watched = {
      nodeId,
      driver: null,
      incarnation: 0,
      // R5: the same epoch at the same offset means the same log up to there.
      memory: new Chain(this.committed, (offset, epoch, hash) => {
        const key = epoch * 1_000_000 + offset
        const known = this.#byOffsetAndEpoch.get(key)
        if (known === undefined) this.#byOffsetAndEpoch.set(key, hash)
        else if (known !== hash) violated('R5', `two logs have offset ${offset} of epoch ${epoch}`)
      }),
      disk: new Chain(this.committed),
      lostDisk: new Chain(this.committed),
      vote: { epoch: 0, votedFor: null, led: false },
      epochSeen: 0,
      highWatermark: 0,
      appliedEnd: 0,
      appliedHash: 0,
      wasLeaderOf: null,
      heard: new Map(),
    }
    this.#nodes.set(nodeId, node)
    return node
  }
}
