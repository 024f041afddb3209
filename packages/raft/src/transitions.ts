import { assert } from '@trimaran/common'
import type { NodeId, Offset } from '@trimaran/common'
import { checkQuorumFactor, successorStepMs } from './limits.ts'
import type { Quorum } from './quorum.ts'
import type { ReplicaProgress } from './roles.ts'
import { encodeLeaderChange } from './voters.ts'

/** Who may become what, and what each does on the way in. */

export function becomeUnattached(q: Quorum, standsInMs: number = q.electionTimeoutMs()): void {
  const stands = q.mayStand && !q.leaving
  q.become({
    kind: 'unattached',
    standsAtMs: stands ? q.nowMs + standsInMs : Infinity,
    asksAtMs: q.mayStand ? Infinity : q.nowMs,
    asked: 0,
  })
}

/** Fetches at the end of the step: the leader's word reaches a follower no sooner than it asks. */
export function becomeFollower(q: Quorum, leaderId: NodeId): void {
  assert(leaderId !== q.nodeId, 'nobody follows itself')
  assert(q.leaderOfEpoch === null || q.leaderOfEpoch === leaderId, 'one leader per epoch')
  q.leaderOfEpoch = leaderId
  const { fetchTimeoutMs } = q.config
  const patienceMs = fetchTimeoutMs + q.random.between(0, Math.floor(fetchTimeoutMs / 8))
  // With the link to the leader broken, others may still hear it: ask them again soon, at a growing distance.
  const linkIsBroken = q.unreachable.has(leaderId)
  const timesOutInMs = linkIsBroken ? q.backoffMs() : patienceMs
  if (linkIsBroken) q.losses++
  q.become({
    kind: 'follower',
    leaderId,
    hasFetched: false,
    patienceMs,
    timesOutAtMs: q.nowMs + timesOutInMs,
    fetchesAtMs: q.nowMs,
    fetchId: 0,
    download: null,
  })
}

/** Pre-vote (KIP-996): nothing is persisted and no epoch grows until a majority says that it would vote for this node. */
export function becomeProspective(q: Quorum): void {
  if (!q.mayStand || q.leaving) {
    becomeUnattached(q)
    return
  }
  q.become({
    kind: 'prospective',
    leaderId: q.leaderId,
    granted: new Set([q.nodeId]),
    refused: new Set(),
    roundEndsAtMs: q.nowMs + q.electionTimeoutMs(),
  })
  for (const peer of q.peers) askForVote(q, peer)
  if (q.majority === 1 && q.isVoter) becomeCandidate(q)
}

/** The vote for itself counts once it is durable, like any other. */
export function becomeCandidate(q: Quorum): void {
  q.setEpoch(q.epoch + 1)
  q.voteFor(q.nodeId)
  q.become({
    kind: 'candidate',
    granted: new Set(),
    refused: new Set(),
    roundEndsAtMs: q.nowMs + q.electionTimeoutMs(),
  })
  for (const peer of q.peers) askForVote(q, peer)
}

export function askForVote(q: Quorum, peer: NodeId): void {
  const preVote = q.role.kind === 'prospective'
  const message = {
    kind: 'voteRequest',
    epoch: q.epoch,
    preVote,
    candidateDirectoryId: q.config.directoryId,
    lastEpoch: q.log.lastEpoch,
    endOffset: q.log.endOffset,
  } as const
  if (preVote) q.send(peer, message)
  else q.sendWhenDurable(peer, message)
}

export function becomeLeader(q: Quorum): void {
  q.markLed()
  q.losses = 0
  const epochStartOffset = q.log.endOffset
  const replicas = new Map<NodeId, ReplicaProgress>()
  for (const voter of q.voters.current) {
    if (voter.nodeId === q.nodeId) continue
    replicas.set(voter.nodeId, {
      nodeId: voter.nodeId,
      directoryId: voter.directoryId,
      endOffset: 0,
      lastFetchMs: q.nowMs,
      lastCaughtUpMs: 0,
      leaderEndOffsetAtLastFetch: Infinity,
      lastProgressMs: 0,
      downloadingSinceMs: null,
      hasFetched: false,
    })
  }
  q.become({
    kind: 'leader',
    epoch: q.epoch,
    epochStartOffset,
    announced: false,
    replicas,
    parked: new Map(),
    checksQuorumAtMs: q.nowMs + checkQuorumFactor * q.config.fetchTimeoutMs,
    remindsVotersAtMs: q.nowMs + q.config.fetchTimeoutMs / 2,
  })
  // Commits everything before it, once committed (Raft §5.4.2).
  q.append({ epoch: q.epoch, kind: 'leaderChange', payload: encodeLeaderChange(q.nodeId) })
  for (const peer of q.peers) q.send(peer, { kind: 'beginQuorumEpoch', epoch: q.epoch })
}

/** Voters that hold most of the log first: they lose the least and win the most likely. */
export function becomeResigned(q: Quorum): void {
  const { role } = q
  assert(role.kind === 'leader', 'only a leader resigns')
  const endOf = (nodeId: NodeId): Offset => role.replicas.get(nodeId)?.endOffset ?? 0
  const preferredSuccessors = [...q.peers].sort((a, b) => endOf(b) - endOf(a))
  for (const peer of q.peers) {
    q.send(peer, { kind: 'endQuorumEpoch', epoch: q.epoch, preferredSuccessors })
  }
  q.become({
    kind: 'resigned',
    standsAtMs: q.leaving ? Infinity : q.nowMs + q.electionTimeoutMs(),
  })
}

/** The leader said that it resigns: no pre-vote needed, the first successor stands at once. */
export function succeed(q: Quorum, preferredSuccessors: readonly NodeId[]): void {
  const at = preferredSuccessors.indexOf(q.nodeId)
  if (at === 0 && q.isVoter && !q.leaving) {
    becomeCandidate(q)
    return
  }
  const rank = at < 0 ? preferredSuccessors.length : at
  becomeUnattached(q, rank * successorStepMs + q.random.between(0, successorStepMs))
}
