import type { Clock, LogEvent, NodeId, Offset, QuorumEpoch, Random, Uuid } from '@trimaran/common'
import type { Voter, VoterChange, VoterRefusal } from '@trimaran/common'
import type { Bugs } from './bugs.ts'
import type { Envelope, Input, Notice } from './effects.ts'
import { defaultLimits, entryOverheadBytes, type Limits } from './limits.ts'
import { describe as describeMajority } from './majority.ts'
import type { Message, SnapshotId } from './messages.ts'
import type { DurableState, QuorumStore, RaftConfig, RaftListener, RaftNetwork } from './ports.ts'
import { Raft } from './raft.ts'
import type { Role } from './roles.ts'

export interface RaftDriverOptions {
  readonly config: RaftConfig
  readonly durable: DurableState
  readonly clock: Clock
  readonly random: Random
  readonly network: RaftNetwork
  readonly store: QuorumStore
  readonly listener: RaftListener
  readonly logEvent?: LogEvent
  /** Narrower in simulations. */
  readonly limits?: Limits
  /** For tests of the tests only. */
  readonly bugs?: Bugs
}

export interface Proposal {
  readonly epoch: QuorumEpoch
  readonly baseOffset: Offset
  /** Exclusive: committed once the high watermark is at or above it and this node still leads `epoch`. */
  readonly endOffset: Offset
}

export interface RaftStatus {
  readonly epoch: QuorumEpoch
  readonly leaderId: NodeId | null
  readonly role: Role['kind']
  readonly highWatermark: Offset
  readonly logEndOffset: Offset
  readonly logStartOffset: Offset
  readonly snapshot: SnapshotId | null
  readonly voters: readonly Voter[]
  /** On the leader, itself included; empty elsewhere. Times are monotonic. */
  readonly replicas: readonly ReplicaStatus[]
}

export interface ReplicaStatus {
  readonly nodeId: NodeId
  readonly directoryId: Uuid | null
  readonly isVoter: boolean
  readonly endOffset: Offset
  readonly lastFetchMs: number
  readonly lastCaughtUpMs: number
}

type Committed = Extract<Notice, { kind: 'committed' }>

/**
 * The only impure thing about the quorum: turns effects into port calls and completions into inputs.
 *
 * Ports and listener may call back while they are being called: a step is over before any of its effects is performed,
 * and notices wait in line, so the listener hears everything once and in order.
 */
export class RaftDriver {
  readonly #raft: Raft
  readonly #options: RaftDriverOptions
  readonly #notices: Notice[] = []
  #notifying = false
  /** The rest of the notices is for the next turn. */
  #resume: (() => void) | null = null
  #bytesLeft: number
  /** Writes not durable yet, oldest first, each with what may leave once it is. */
  readonly #writes: { readonly id: number; readonly send: Envelope[] }[] = []
  #armedMs = Infinity
  #disarm: () => void = () => {}
  #stopped = false
  #resigning: (() => void)[] = []
  #lastRole = ''
  #lastVoters: readonly Voter[] | null = null

  constructor(options: RaftDriverOptions) {
    this.#options = options
    this.#raft = new Raft(options)
    this.#bytesLeft = this.#bytesPerTurn
  }

  get #bytesPerTurn(): number {
    return (this.#options.limits ?? defaultLimits).committedBytesPerTurn
  }

  start(): void {
    this.#feed({ kind: 'start' })
  }

  receive(from: NodeId, message: Message): void {
    this.#feed({ kind: 'message', from, message })
  }

  peerGone(nodeId: NodeId): void {
    this.#feed({ kind: 'peerGone', nodeId })
  }

  peerReachable(nodeId: NodeId): void {
    this.#feed({ kind: 'peerReachable', nodeId })
  }

  /** Null: this node does not lead, or does not know yet that everything before its epoch is applied. */
  propose(payloads: readonly Uint8Array[]): Proposal | null {
    if (this.#stopped) return null
    const { epoch, log } = this.#raft.state
    const baseOffset = log.endOffset
    if (!this.#raft.leads) return null
    this.#feed({ kind: 'propose', payloads })
    return { epoch, baseOffset, endOffset: baseOffset + payloads.length }
  }

  /** One voter more or less. Committed as any proposal is; nothing has changed where there is a refusal. */
  changeVoters(change: VoterChange): Proposal | VoterRefusal {
    if (this.#stopped) return 'notLeading'
    const refusal = this.#raft.refusalOf(change, this.#options.clock.monotonicMs())
    if (refusal !== null) return refusal
    const { epoch, log } = this.#raft.state
    const baseOffset = log.endOffset
    this.#feed({ kind: 'changeVoters', change })
    // It is looked at once more, a moment later: then nothing was appended.
    if (log.endOffset === baseOffset) return 'lagging'
    return { epoch, baseOffset, endOffset: baseOffset + 1 }
  }

  /** The listener's state after applying everything below `endOffset`. An older one than the present is ignored. */
  saveSnapshot(state: Uint8Array, endOffset: Offset): void {
    this.#feed({ kind: 'saveSnapshot', state, endOffset })
  }

  /** Hands leadership over before a stop; resolves once another leads, or after the election timeout. */
  resign(): Promise<void> {
    const { clock, config } = this.#options
    const hadToHandOver =
      this.#raft.state.role.kind === 'leader' && this.#raft.state.peers.length > 0
    this.#feed({ kind: 'resign' })
    if (!hadToHandOver || this.#stopped) return Promise.resolve()
    return new Promise(resolve => {
      const cancel = clock.wakeAt(clock.monotonicMs() + config.electionTimeoutMs, resolve)
      this.#resigning.push(() => {
        cancel()
        resolve()
      })
    })
  }

  /** As kill -9: nothing is sent, written or told afterwards. */
  stop(): void {
    this.#stopped = true
    this.#disarm()
    this.#resume?.()
    this.#settleResigning()
  }

  get status(): RaftStatus {
    const q = this.#raft.state
    return {
      epoch: q.epoch,
      leaderId: q.leaderId,
      role: q.role.kind,
      highWatermark: q.highWatermark,
      logEndOffset: q.log.endOffset,
      logStartOffset: q.log.startOffset,
      snapshot: q.snapshot?.id ?? null,
      voters: q.voters.current,
      replicas: this.#replicas(),
    }
  }

  /** For tests and tools: the core's state, not to be changed. */
  get core(): Raft {
    return this.#raft
  }

  describe(): string {
    const voters = this.#replicas().filter(replica => replica.isVoter)
    const line = this.#raft.describe()
    return voters.length === 0 ? line : `${line}\n${describeMajority(voters)}`
  }

  #feed(input: Input): void {
    if (this.#stopped) return
    const { clock, network, store } = this.#options
    const effects = this.#raft.step(input, clock.monotonicMs())
    this.#logRole()
    this.#notices.push(...effects.notices)
    for (const { to, message } of effects.send) network.send(to, message)
    const { write, sendAfterWrite } = effects
    if (write !== null) {
      this.#writes.push({ id: write.id, send: [...sendAfterWrite] })
      store.write(write.content, () => this.#persisted(write.id))
    } else if (this.#writes.length > 0) this.#writes.at(-1)?.send.push(...sendAfterWrite)
    else for (const { to, message } of sendAfterWrite) network.send(to, message)
    this.#notify()
    this.#arm()
  }

  #persisted(writeId: number): void {
    if (this.#stopped) return
    while (this.#writes[0] !== undefined && this.#writes[0].id <= writeId) {
      const { send } = this.#writes.shift() as { send: Envelope[] }
      for (const { to, message } of send) this.#options.network.send(to, message)
    }
    this.#feed({ kind: 'persisted', writeId })
  }

  #notify(): void {
    if (this.#notifying || this.#resume !== null) return
    this.#notifying = true
    try {
      for (let next = this.#notices.shift(); next !== undefined; next = this.#notices.shift()) {
        if (this.#stopped) return
        this.#tell(next.kind === 'committed' ? this.#partForThisTurn(next) : next)
        if (this.#bytesLeft > 0) continue
        this.#putOff()
        return
      }
    } finally {
      this.#notifying = false
    }
  }

  /** Much may be committed at once, and whoever applies it must not keep the event loop from votes and heartbeats. */
  #partForThisTurn(notice: Committed): Committed {
    const { entries, endOffset } = notice
    let count = 0
    while (count < entries.length && this.#bytesLeft > 0) {
      this.#bytesLeft -= entryOverheadBytes + (entries[count++]?.payload.length ?? 0)
    }
    const next = entries[count]
    if (next === undefined) return notice
    this.#notices.unshift({ kind: 'committed', entries: entries.slice(count), endOffset })
    return { kind: 'committed', entries: entries.slice(0, count), endOffset: next.offset }
  }

  #putOff(): void {
    const { clock } = this.#options
    this.#resume = clock.wakeAt(clock.monotonicMs(), () => {
      this.#resume = null
      this.#bytesLeft = this.#bytesPerTurn
      this.#notify()
    })
  }

  #tell(notice: Notice): void {
    const { listener } = this.#options
    switch (notice.kind) {
      case 'committed':
        listener.committed(notice.entries, notice.endOffset)
        break
      case 'snapshotLoaded':
        listener.snapshotLoaded(notice.snapshot)
        break
      case 'leading':
        listener.leading(notice.epoch)
        break
      case 'resigned':
        listener.resigned(notice.epoch)
        break
      case 'leaderChanged':
        listener.leaderChanged(notice.epoch, notice.leaderId)
        if (notice.leaderId !== null) this.#settleResigning()
        break
    }
  }

  #settleResigning(): void {
    for (const settle of this.#resigning.splice(0)) settle()
  }

  #arm(): void {
    const { deadlineMs } = this.#raft
    if (this.#stopped || deadlineMs === this.#armedMs) return
    this.#disarm()
    this.#armedMs = deadlineMs
    this.#disarm =
      deadlineMs === Infinity
        ? () => {}
        : this.#options.clock.wakeAt(deadlineMs, () => {
            this.#armedMs = Infinity
            this.#feed({ kind: 'deadline' })
          })
  }

  #logRole(): void {
    const { epoch, leaderId, role, nodeId, voters } = this.#raft.state
    if (voters.current !== this.#lastVoters) {
      // A lost disk shows here: its voter goes, and comes back with another directory.
      const before = this.#lastVoters
      this.#lastVoters = voters.current
      this.#options.listener.votersChanged?.(voters.current)
      if (before !== null && before.length > 0) {
        const now = voters.current.map(each => `${each.nodeId}:${each.directoryId ?? 'unknown'}`)
        this.#options.logEvent?.('info', 'quorum voters changed', { nodeId, epoch, voters: now })
      }
    }
    const seen = `${role.kind} ${epoch} ${leaderId}`
    if (seen === this.#lastRole) return
    this.#lastRole = seen
    const fields = { nodeId, role: role.kind, epoch, leaderId }
    this.#options.logEvent?.('info', 'quorum role changed', fields)
  }

  #replicas(): readonly ReplicaStatus[] {
    const q = this.#raft.state
    if (q.role.kind !== 'leader') return []
    const nowMs = this.#options.clock.monotonicMs()
    const self: ReplicaStatus = {
      nodeId: q.nodeId,
      directoryId: q.config.directoryId,
      isVoter: q.isVoter,
      endOffset: q.log.endOffset,
      lastFetchMs: nowMs,
      lastCaughtUpMs: nowMs,
    }
    const others = [...q.role.replicas.values()].map(replica => ({
      nodeId: replica.nodeId,
      directoryId: replica.directoryId,
      isVoter: q.voters.has(replica.nodeId, replica.directoryId),
      endOffset: replica.endOffset,
      lastFetchMs: replica.lastFetchMs,
      lastCaughtUpMs: replica.lastCaughtUpMs,
    }))
    return [self, ...others]
  }
}
