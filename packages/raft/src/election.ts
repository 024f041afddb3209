import { assert } from '@trimaran/common'
import type { NodeId } from '@trimaran/common'
import { deferenceMs, lostRoundBackoffMs, refusedRoundMs, staggerMs } from './limits.ts'
import type { Message } from './messages.ts'
import type { Quorum } from './quorum.ts'
import {
  askForVote,
  becomeCandidate,
  becomeLeader,
  becomeProspective,
  becomeUnattached,
  succeed,
} from './transitions.ts'

/** Votes and pre-votes: KIP-595, KIP-996; Raft §5.2, §5.4.1. */

type VoteRequest = Extract<Message, { kind: 'voteRequest' }>
type VoteResponse = Extract<Message, { kind: 'voteResponse' }>
type EndQuorumEpoch = Extract<Message, { kind: 'endQuorumEpoch' }>

/** The sender's epoch is this node's or older; newer ones have been adopted before. */
export function onVoteRequest(q: Quorum, from: NodeId, request: VoteRequest): void {
  const upToDate = isUpToDate(q, request)
  const rightVoter = isRightVoter(q, from, request)
  const current = request.epoch === q.epoch && rightVoter
  const granted = current && upToDate && (request.preVote ? mayPreVote(q, from) : mayVote(q, from))
  if (granted && !request.preVote) {
    assert(
      isUpToDate(q, request) || q.bugs.noUpToDateCheck,
      'a vote goes only to a log at least as up to date',
    )
    q.voteFor(from)
    becomeUnattached(q)
  } else if (granted) defer(q)
  else if (!upToDate) standSoon(q)
  const response: Message = {
    kind: 'voteResponse',
    epoch: q.epoch,
    preVote: request.preVote,
    granted,
    // Naming a leader that is not heard any more would call the asker off.
    leaderId: granted || (request.preVote && !hearsLeader(q, from)) ? null : q.vouchedLeaderId,
    voterDirectoryId: q.config.directoryId,
  }
  if (!granted || request.preVote) q.send(from, response)
  else if (q.bugs.voteBeforeDurable) q.out.send(from, response)
  else q.sendWhenDurable(from, response)
}

export function onVoteResponse(q: Quorum, from: NodeId, response: VoteResponse): void {
  const { role } = q
  if (role.kind !== 'prospective' && role.kind !== 'candidate') return
  // A pre-vote is not a vote, and an older epoch's vote is not this one's.
  if (response.epoch !== q.epoch || response.preVote !== (role.kind === 'prospective')) return
  // One that has lost its disk has forgotten what it had and whom it voted for (R16).
  if (response.granted && q.voters.has(from, response.voterDirectoryId)) {
    role.granted.add(from)
    countVotes(q)
    return
  }
  role.refused.add(from)
  const waitMs = canStillWin(q, role) ? refusedRoundMs + q.backoffMs() : q.backoffMs()
  role.roundEndsAtMs = Math.min(role.roundEndsAtMs, q.nowMs + waitMs)
}

/** Called when a vote arrives and when the node's own becomes durable. */
export function countVotes(q: Quorum): void {
  const { role } = q
  if (role.kind !== 'prospective' && role.kind !== 'candidate') return
  if (role.kind === 'candidate' && q.epochIsDurable) role.granted.add(q.nodeId)
  const votes = q.voters.current.filter(voter => role.granted.has(voter.nodeId)).length
  if (votes < q.majority) return
  if (role.kind === 'prospective') becomeCandidate(q)
  else becomeLeader(q)
}

export function onEndQuorumEpoch(q: Quorum, from: NodeId, message: EndQuorumEpoch): void {
  const { role } = q
  // A candidate of this epoch cannot have met its leader's end.
  if (role.kind === 'leader' || role.kind === 'candidate' || role.kind === 'resigned') return
  if (q.leaderOfEpoch !== null && q.leaderOfEpoch !== from) return
  q.leaderOfEpoch = from
  succeed(q, message.preferredSuccessors)
}

/** A broken connection is evidence (design decision 15): ask the others at once whether they lost the leader, too. */
export function onPeerGone(q: Quorum, nodeId: NodeId): void {
  q.unreachable.add(nodeId)
  q.linked.delete(nodeId)
  const { role } = q
  if (role.kind === 'follower' && role.leaderId === nodeId) {
    if (!q.mayStand) becomeUnattached(q)
    else {
      const soonMs = q.nowMs + q.random.between(staggerMs.min, staggerMs.max)
      role.timesOutAtMs = Math.min(role.timesOutAtMs, soonMs)
    }
  } else if (role.kind === 'prospective' || role.kind === 'candidate') {
    if (!canStillWin(q, role)) {
      role.roundEndsAtMs = Math.min(role.roundEndsAtMs, q.nowMs + q.backoffMs())
    }
  }
}

export function onPeerReachable(q: Quorum, nodeId: NodeId): void {
  q.unreachable.delete(nodeId)
  q.linked.add(nodeId)
  const { role } = q
  const isPeer = q.peers.includes(nodeId)
  switch (role.kind) {
    case 'prospective':
    case 'candidate':
      if (isPeer && !role.granted.has(nodeId)) askForVote(q, nodeId)
      break
    case 'leader':
      if (isPeer) q.send(nodeId, { kind: 'beginQuorumEpoch', epoch: q.epoch })
      break
    case 'follower':
      if (role.leaderId === nodeId) role.fetchesAtMs = q.nowMs
      break
    case 'unattached':
      if (role.asksAtMs !== Infinity) role.asksAtMs = q.nowMs
      break
    case 'resigned':
      break
  }
}

/** Lost rounds, silent leaders and unattached voters whose patience ends. */
export function onElectionTime(q: Quorum): void {
  const { role } = q
  switch (role.kind) {
    case 'unattached':
    case 'resigned':
      if (q.nowMs >= role.standsAtMs) becomeProspective(q)
      break
    case 'prospective':
    case 'candidate':
      if (q.nowMs < role.roundEndsAtMs) break
      q.losses++
      becomeProspective(q)
      break
    case 'follower':
      if (q.nowMs < role.timesOutAtMs) break
      becomeProspective(q)
      break
    case 'leader':
      break
  }
}

/** Raft §5.4.1: the later last epoch, then the longer log. */
function isUpToDate(q: Quorum, { lastEpoch, endOffset }: VoteRequest): boolean {
  if (q.bugs.noUpToDateCheck) return true
  if (lastEpoch !== q.log.lastEpoch) return lastEpoch > q.log.lastEpoch
  return endOffset >= q.log.endOffset
}

/**
 * A candidate that this log does not name as a voter may be one by an entry not seen here yet, so it gets its vote; one
 * whose directory is another than the log says has lost its disk and does not (KIP-853).
 */
function isRightVoter(q: Quorum, from: NodeId, { candidateDirectoryId }: VoteRequest): boolean {
  const named = q.voters.current.some(voter => voter.nodeId === from)
  return !named || q.voters.has(from, candidateDirectoryId)
}

function mayVote(q: Quorum, from: NodeId): boolean {
  if (q.bugs.doubleVote) return q.role.kind !== 'leader'
  const undecided = q.role.kind === 'unattached' || q.role.kind === 'prospective'
  return undecided && q.leaderOfEpoch === null && (q.votedFor === null || q.votedFor === from)
}

function mayPreVote(q: Quorum, from: NodeId): boolean {
  return q.role.kind !== 'candidate' && !hearsLeader(q, from)
}

/**
 * A follower speaks for its leader only if it has heard it in this epoch and its own link to it holds. A leader that asks for
 * pre-votes itself leads no more.
 */
function hearsLeader(q: Quorum, from: NodeId | null): boolean {
  const { role } = q
  if (role.kind === 'leader') return true
  if (role.kind !== 'follower' || role.leaderId === from) return false
  return role.hasFetched && !q.unreachable.has(role.leaderId) && q.nowMs < role.timesOutAtMs
}

/** Two rounds at once would split the vote. */
function defer(q: Quorum): void {
  const untilMs = q.nowMs + q.random.between(deferenceMs.min, deferenceMs.max)
  const { role } = q
  if (role.kind === 'unattached') role.standsAtMs = Math.max(role.standsAtMs, untilMs)
  else if (role.kind === 'follower') role.timesOutAtMs = Math.max(role.timesOutAtMs, untilMs)
}

/** Somebody with a shorter log stands in vain: whoever knows of a longer one need not wait a timeout to win. */
function standSoon(q: Quorum): void {
  if (!q.mayStand || hearsLeader(q, null)) return
  const atMs = q.nowMs + q.random.between(lostRoundBackoffMs.min, lostRoundBackoffMs.max)
  const { role } = q
  if (role.kind === 'unattached' && role.standsAtMs !== Infinity) {
    role.standsAtMs = Math.min(role.standsAtMs, atMs)
  } else if (role.kind === 'follower' && q.unreachable.has(role.leaderId)) {
    role.timesOutAtMs = Math.min(role.timesOutAtMs, atMs)
  }
}

function canStillWin(
  q: Quorum,
  role: { readonly granted: ReadonlySet<NodeId>; readonly refused: ReadonlySet<NodeId> },
): boolean {
  const open = q.voters.current.filter(
    ({ nodeId }) =>
      nodeId === q.nodeId ||
      role.granted.has(nodeId) ||
      (!role.refused.has(nodeId) && !q.unreachable.has(nodeId)),
  )
  return open.length >= q.majority
}
