import type { NodeId, Random, VoterChange, VoterRefusal } from '@trimaran/common'
import { unreachable } from '@trimaran/common'
import { noBugs } from './bugs.ts'
import type { Bugs } from './bugs.ts'
import type { Effects, Input } from './effects.ts'
import {
  countVotes,
  onElectionTime,
  onEndQuorumEpoch,
  onPeerGone,
  onPeerReachable,
  onVoteRequest,
  onVoteResponse,
} from './election.ts'
import { fetchIfDue, onFetchResponse } from './following.ts'
import { coldStartMs, defaultLimits } from './limits.ts'
import type { Limits } from './limits.ts'
import { refusalOf } from './membership.ts'
import type { Message } from './messages.ts'
import type { DurableState, RaftConfig } from './ports.ts'
import { Quorum } from './quorum.ts'
import {
  advanceHighWatermark,
  changeVoters,
  onFetchRequest,
  onLeaderTime,
  propose,
} from './replication.ts'
import { onFetchSnapshotRequest, onFetchSnapshotResponse, saveSnapshot } from './snapshot.ts'
import { becomeFollower, becomeLeader, becomeResigned, becomeUnattached } from './transitions.ts'
import { encodeVoters } from './voters.ts'

/**
 * The quorum's step core: one input in, everything to be done out. Sees no clock, no disk, no network. This file only
 * dispatches; the rules are in `election.ts`, `replication.ts`, `following.ts` and `snapshot.ts`.
 */
export class Raft {
  readonly #q: Quorum

  constructor(options: {
    readonly config: RaftConfig
    readonly durable: DurableState
    readonly random: Random
    readonly limits?: Limits
    readonly bugs?: Bugs
  }) {
    const { limits = defaultLimits, bugs = noBugs } = options
    this.#q = new Quorum({ ...options, limits, bugs })
  }

  /** Proposals are taken: this node leads, and its listener knows. */
  get leads(): boolean {
    const { role } = this.#q
    return role.kind === 'leader' && role.announced
  }

  /** Why a change of the voters cannot begin now; null: it can. */
  refusalOf(change: VoterChange, nowMs: number): VoterRefusal | null {
    this.#q.nowMs = nowMs
    return refusalOf(this.#q, change)
  }

  /** Read-only for everyone but the core. */
  get state(): Quorum {
    return this.#q
  }

  step(input: Input, nowMs: number): Effects {
    const q = this.#q
    q.nowMs = nowMs
    this.#take(input)
    // Time passes after the input: a message that waited while the process was paused still counts.
    onElectionTime(q)
    onLeaderTime(q)
    fetchIfDue(q)
    return q.takeEffects()
  }

  /** Monotonic; Infinity if nothing is due without an input. */
  get deadlineMs(): number {
    const { role } = this.#q
    switch (role.kind) {
      case 'unattached':
        return Math.min(role.standsAtMs, role.asksAtMs)
      case 'follower':
        return Math.min(role.timesOutAtMs, role.fetchesAtMs)
      case 'prospective':
      case 'candidate':
        return role.roundEndsAtMs
      case 'leader': {
        const soonest = Math.min(role.checksQuorumAtMs, role.remindsVotersAtMs)
        for (const parked of role.parked.values()) return Math.min(soonest, parked.deadlineMs)
        return soonest
      }
      case 'resigned':
        return role.standsAtMs
    }
  }

  /** One line: who this is, in which epoch, and where its offsets are. */
  describe(): string {
    const q = this.#q
    const leader = q.leaderId === null ? '-' : String(q.leaderId)
    const vote = q.votedFor === null ? '-' : String(q.votedFor)
    return (
      `${q.role.kind === 'leader' ? '*' : ' '}${q.nodeId} ${q.role.kind} epoch=${q.epoch} leader=${leader} vote=${vote} ` +
      `log=[${q.log.startOffset},${q.log.endOffset}) durable=${q.durableEndOffset} hw=${q.highWatermark}`
    )
  }

  #take(input: Input): void {
    const q = this.#q
    switch (input.kind) {
      case 'start':
        start(q)
        break
      case 'message':
        onMessage(q, input.from, input.message)
        break
      case 'propose':
        propose(q, input.payloads)
        break
      case 'changeVoters':
        changeVoters(q, input.change)
        break
      case 'persisted':
        q.notePersisted(input.writeId)
        countVotes(q)
        advanceHighWatermark(q)
        break
      case 'peerGone':
        onPeerGone(q, input.nodeId)
        break
      case 'peerReachable':
        onPeerReachable(q, input.nodeId)
        break
      case 'saveSnapshot':
        saveSnapshot(q, input.state, input.endOffset)
        break
      case 'resign':
        q.leaving = true
        if (q.role.kind === 'leader') becomeResigned(q)
        else if (q.role.kind !== 'follower') becomeUnattached(q)
        break
      case 'deadline':
        break
      default:
        unreachable(input)
    }
  }
}

function start(q: Quorum): void {
  const { bootstrapVoters, nodeId } = q.config
  if (q.snapshot !== null) q.out.notice({ kind: 'snapshotLoaded', snapshot: q.snapshot })
  if (q.log.endOffset === 0 && bootstrapVoters.some(voter => voter.nodeId === nodeId)) {
    const voters = bootstrapVoters.map(voter => ({ directoryId: null, ...voter }))
    q.append({ epoch: 0, kind: 'voters', payload: encodeVoters({ voters, lost: [] }) })
  }
  if (q.bugs.resumeLeadership && q.led && q.votedFor === nodeId) becomeLeader(q)
  else becomeUnattached(q, q.random.between(coldStartMs.min, coldStartMs.max))
}

function onMessage(q: Quorum, from: NodeId, message: Message): void {
  q.unreachable.delete(from)
  meetEpoch(q, from, message)
  switch (message.kind) {
    case 'voteRequest':
      onVoteRequest(q, from, message)
      break
    case 'voteResponse':
      onVoteResponse(q, from, message)
      break
    case 'beginQuorumEpoch':
      if (message.epoch < q.epoch) q.send(from, q.notLeader(0))
      break
    case 'endQuorumEpoch':
      if (message.epoch < q.epoch) q.send(from, q.notLeader(0))
      else onEndQuorumEpoch(q, from, message)
      break
    case 'fetchRequest':
      onFetchRequest(q, from, message)
      break
    case 'fetchResponse':
      onFetchResponse(q, from, message)
      break
    case 'fetchSnapshotRequest':
      onFetchSnapshotRequest(q, from, message)
      break
    case 'fetchSnapshotResponse':
      onFetchSnapshotResponse(q, from, message)
      break
    default:
      unreachable(message)
  }
}

/** Before anything else of a message counts: a newer epoch deposes, and whoever names the epoch's leader is believed. */
function meetEpoch(q: Quorum, from: NodeId, message: Message): void {
  const leaderId = leaderNamedBy(from, message)
  const known = leaderId === q.nodeId ? null : leaderId
  if (message.epoch > q.epoch) {
    q.setEpoch(message.epoch)
    if (known === null) becomeUnattached(q)
    else becomeFollower(q, known)
  } else if (message.epoch === q.epoch && known !== null && lacksLeader(q)) {
    becomeFollower(q, known)
  }
}

function leaderNamedBy(from: NodeId, message: Message): NodeId | null {
  switch (message.kind) {
    case 'beginQuorumEpoch':
      return from
    case 'voteResponse':
    case 'fetchResponse':
    case 'fetchSnapshotResponse':
      return message.leaderId
    case 'voteRequest':
    case 'endQuorumEpoch':
    case 'fetchRequest':
    case 'fetchSnapshotRequest':
      return null
  }
}

function lacksLeader({ role }: Quorum): boolean {
  return role.kind === 'unattached' || role.kind === 'prospective' || role.kind === 'candidate'
}
