import { assert } from '@trimaran/common'
import type { HostPort, NodeId, Offset, QuorumEpoch, Random } from '@trimaran/common'
import type { Bugs } from './bugs.ts'
import { Outbox } from './effects.ts'
import type { Effects } from './effects.ts'
import { lostRoundBackoffMs } from './limits.ts'
import type { Limits } from './limits.ts'
import { LogView } from './log-view.ts'
import { majorityOf } from './majority.ts'
import type { Entry, Message, SnapshotId } from './messages.ts'
import type { CommittedEntry, DurableState, RaftConfig, Snapshot } from './ports.ts'
import type { Role } from './roles.ts'
import { decodeVoters, encodeVoters, noVoters, VoterHistory } from './voters.ts'

/**
 * What a node of the quorum knows, and the few ways to change it. Every change of what is durable goes through here, and
 * here stand the assertions that hold in production: R2 one vote per epoch, R4 a leader never truncates, R9 the high
 * watermark never goes back and nothing below it is truncated.
 */
export class Quorum {
  readonly config: RaftConfig
  readonly random: Random
  readonly bugs: Bugs
  readonly limits: Limits
  readonly out = new Outbox()
  readonly log: LogView
  readonly voters: VoterHistory
  /** Peers whose link is known to be broken: evidence, where silence is none. */
  readonly unreachable = new Set<NodeId>()
  /** Peers whose link is known to be up: whom to ask where nothing else is known of the cluster. */
  readonly linked = new Set<NodeId>()
  nowMs = 0
  role: Role = { kind: 'unattached', standsAtMs: Infinity, asksAtMs: Infinity, asked: 0 }
  epoch: QuorumEpoch
  votedFor: NodeId | null
  /** This node led `epoch`, before a restart perhaps. */
  led: boolean
  /** Who leads or led `epoch`, once known: it is never another. */
  leaderOfEpoch: NodeId | null = null
  snapshot: Snapshot | null
  highWatermark: Offset
  /** Exclusive end of what survives power loss here. */
  durableEndOffset: Offset
  /** Lost rounds since a leader was last heard. */
  losses = 0
  /** A clean stop is under way: never stand again. */
  leaving = false
  #durableEpoch: QuorumEpoch
  #nextWriteId = 1
  /** Oldest first; completions come in this order. */
  readonly #outstanding: { readonly id: number; readonly epoch: QuorumEpoch; endOffset: Offset }[] =
    []
  #nextFetchId = 1
  #announced: { readonly epoch: QuorumEpoch; readonly leaderId: NodeId | null }

  constructor(options: {
    readonly config: RaftConfig
    readonly durable: DurableState
    readonly random: Random
    readonly limits: Limits
    readonly bugs: Bugs
  }) {
    const { config, durable, random, limits, bugs } = options
    this.config = config
    this.random = random
    this.limits = limits
    this.bugs = bugs
    this.epoch = durable.vote.epoch
    this.votedFor = bugs.forgetVote ? null : durable.vote.votedFor
    this.led = durable.vote.led
    this.snapshot = durable.snapshot
    const snapshotEnd = durable.snapshot?.id.endOffset ?? 0
    assert(durable.logStartOffset === snapshotEnd, 'the log starts where the snapshot ends')
    this.log = new LogView(durable.snapshot?.id ?? null, durable.entries)
    this.voters = new VoterHistory(
      durable.snapshot === null ? noVoters : decodeVoters(durable.snapshot.voters),
      bugs.countLostDisks,
    )
    durable.entries.forEach((entry, at) => this.#noteVoters(snapshotEnd + at, entry))
    this.highWatermark = snapshotEnd
    this.durableEndOffset = this.log.endOffset
    this.#durableEpoch = this.epoch
    this.#announced = { epoch: this.epoch, leaderId: null }
  }

  get nodeId(): NodeId {
    return this.config.nodeId
  }

  get isVoter(): boolean {
    return this.voters.has(this.config.nodeId, this.config.directoryId)
  }

  /**
   * A voter, or one until a change that may never be committed: its log may be the longest of all, and nobody else can be
   * elected then (Raft §4.2.2). It does not count itself.
   */
  get mayStand(): boolean {
    if (this.isVoter) return true
    const { nodeId, directoryId } = this.config
    const isPending = this.voters.lastChangeOffset >= this.highWatermark
    return isPending && this.voters.had(nodeId, directoryId)
  }

  /** Voters other than this node. */
  get peers(): readonly NodeId[] {
    return this.voters.current.map(voter => voter.nodeId).filter(id => id !== this.nodeId)
  }

  get majority(): number {
    const count = this.voters.current.length
    return this.bugs.halfIsMajority ? Math.max(1, Math.floor(count / 2)) : majorityOf(count)
  }

  get leaderId(): NodeId | null {
    switch (this.role.kind) {
      case 'leader':
        return this.nodeId
      case 'follower':
      case 'prospective':
        return this.role.leaderId
      case 'unattached':
      case 'candidate':
      case 'resigned':
        return null
    }
  }

  /** Whom to name to others: a leader that this node has no reason to think gone. */
  get vouchedLeaderId(): NodeId | null {
    if (this.role.kind === 'prospective') return null
    const { leaderId } = this
    return leaderId !== null && this.unreachable.has(leaderId) ? null : leaderId
  }

  /** For what claims nothing but its epoch. */
  send(to: NodeId, message: Message): void {
    if (message.epoch <= this.#durableEpoch) this.out.send(to, message)
    else this.out.sendAfterWrite(to, message)
  }

  /** For what claims a vote or entries to be durable. */
  sendWhenDurable(to: NodeId, message: Message): void {
    this.out.sendAfterWrite(to, message)
  }

  setEpoch(epoch: QuorumEpoch): void {
    assert(epoch > this.epoch, 'an epoch never decreases')
    this.epoch = epoch
    this.votedFor = null
    this.led = false
    this.leaderOfEpoch = null
    this.#persistVote()
  }

  voteFor(nodeId: NodeId): void {
    assert(
      this.votedFor === null || this.votedFor === nodeId || this.bugs.doubleVote,
      'one vote per epoch',
    )
    if (this.votedFor === nodeId) return
    this.votedFor = nodeId
    this.#persistVote()
  }

  /** Durable before this node can lead the epoch a second time. */
  markLed(): void {
    assert(this.votedFor === this.nodeId, 'a leader has voted for itself')
    assert(!this.led || this.bugs.resumeLeadership, 'nobody leads an epoch twice')
    this.led = true
    this.leaderOfEpoch = this.nodeId
    this.#persistVote()
  }

  /** Leaving leadership answers everyone who waits: they learn it at once. */
  become(role: Role): void {
    const before = this.role
    this.role = role
    if (before.kind !== 'leader' || role.kind === 'leader') return
    for (const [nodeId, parked] of before.parked) this.send(nodeId, this.notLeader(parked.fetchId))
    if (before.announced) this.out.notice({ kind: 'resigned', epoch: before.epoch })
  }

  notLeader(fetchId: number): Message {
    return {
      kind: 'fetchResponse',
      fetchId,
      epoch: this.epoch,
      leaderId: this.vouchedLeaderId,
      leaderAddress: this.#addressOf(this.vouchedLeaderId),
      outcome: 'notLeader',
      highWatermark: this.highWatermark,
      logStartOffset: this.log.startOffset,
      baseOffset: this.log.endOffset,
      entries: [],
      hint: null,
    }
  }

  append(entry: Entry): void {
    const offset = this.log.endOffset
    this.log.append(entry)
    this.out.append(offset, entry)
    this.#noteVoters(offset, entry)
  }

  truncate(offset: Offset): void {
    assert(this.role.kind !== 'leader', 'a leader never truncates its log')
    assert(offset >= this.highWatermark, 'nothing below the high watermark is truncated')
    this.log.truncate(offset)
    this.voters.truncate(offset)
    this.out.truncate(offset)
    this.#limitDurable(offset)
  }

  /** `endOffset` is committed and applied. */
  saveSnapshot(state: Uint8Array, endOffset: Offset): void {
    const id = { endOffset, epoch: this.log.epochBefore(endOffset) }
    const voters = encodeVoters(this.voters.asOf(endOffset))
    this.snapshot = {
      id: this.bugs.snapshotEndOffByOne ? this.#oneTooMany(id) : id,
      voters,
      state,
    }
    this.log.dropPrefix(this.snapshot.id)
    this.voters.dropPrefix(this.snapshot.id.endOffset)
    this.out.saveSnapshot(this.snapshot)
  }

  /** Takes a leader's snapshot in place of the whole log. */
  installSnapshot(snapshot: Snapshot): void {
    const { id } = snapshot
    assert(this.role.kind !== 'leader', 'a leader never replaces its log')
    assert(id.endOffset > this.highWatermark, 'a snapshot never takes back what was applied')
    const voters = decodeVoters(snapshot.voters)
    this.snapshot = snapshot
    this.log.restartAfter(id)
    this.voters.restart(voters)
    this.out.truncate(id.endOffset)
    this.out.saveSnapshot(snapshot)
    this.#limitDurable(0)
    this.highWatermark = id.endOffset
    this.out.notice({ kind: 'snapshotLoaded', snapshot })
  }

  setHighWatermark(offset: Offset): void {
    assert(offset >= this.highWatermark, 'the high watermark never goes back')
    assert(offset <= this.log.endOffset, 'the high watermark lies in the log')
    if (offset === this.highWatermark) return
    const entries: CommittedEntry[] = []
    this.log.slice(this.highWatermark, offset).forEach(({ kind, epoch, payload }, at) => {
      if (kind === 'data') entries.push({ offset: this.highWatermark + at, epoch, payload })
    })
    this.highWatermark = offset
    this.out.notice({ kind: 'committed', entries, endOffset: offset })
  }

  nextFetchId(): number {
    return this.#nextFetchId++
  }

  /** Time until the next try after a lost round: random, growing. */
  backoffMs(): number {
    const once = this.random.between(lostRoundBackoffMs.min, lostRoundBackoffMs.max)
    return Math.min(this.config.electionBackoffMaxMs, once * 2 ** Math.min(this.losses, 10))
  }

  /** Silence that long ends a round or an unattached voter's patience; random, so that voters differ. */
  electionTimeoutMs(): number {
    const { electionTimeoutMs } = this.config
    return electionTimeoutMs + this.random.between(0, electionTimeoutMs)
  }

  /** A stale or unknown id is harmless: it says nothing new. */
  notePersisted(writeId: number): void {
    while (this.#outstanding[0] !== undefined && this.#outstanding[0].id <= writeId) {
      const { epoch, endOffset } = this.#outstanding[0]
      this.#durableEpoch = Math.max(this.#durableEpoch, epoch)
      this.durableEndOffset = endOffset
      this.#outstanding.shift()
    }
  }

  /** This node's vote in this epoch survives power loss. */
  get epochIsDurable(): boolean {
    return this.#durableEpoch >= this.epoch
  }

  takeEffects(): Effects {
    const { epoch, leaderId } = this
    if (this.#announced.epoch !== epoch || this.#announced.leaderId !== leaderId) {
      this.#announced = { epoch, leaderId }
      this.out.notice({ kind: 'leaderChanged', epoch, leaderId })
    }
    const effects = this.out.take(this.#nextWriteId)
    if (effects.write !== null) {
      this.#outstanding.push({ id: this.#nextWriteId++, epoch, endOffset: this.log.endOffset })
    }
    return effects
  }

  #addressOf(nodeId: NodeId | null): HostPort | null {
    const voter = this.voters.current.find(each => each.nodeId === nodeId)
    return voter === undefined ? null : { host: voter.host, port: voter.port }
  }

  #persistVote(): void {
    this.out.persistVote({ epoch: this.epoch, votedFor: this.votedFor, led: this.led })
  }

  #noteVoters(offset: Offset, entry: Entry): void {
    if (entry.kind === 'voters') this.voters.append(offset, decodeVoters(entry.payload))
  }

  /** What is cut is not durable, whatever writes of it still complete. */
  #limitDurable(offset: Offset): void {
    this.durableEndOffset = Math.min(this.durableEndOffset, offset)
    for (const write of this.#outstanding) write.endOffset = Math.min(write.endOffset, offset)
  }

  #oneTooMany({ endOffset }: SnapshotId): SnapshotId {
    const end = Math.min(endOffset + 1, this.log.endOffset)
    return { endOffset: end, epoch: this.log.epochBefore(end) }
  }
}
