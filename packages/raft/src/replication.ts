import type { NodeId, Offset, VoterChange } from '@trimaran/common'
import { checkQuorumFactor, observerSessionMs, parkedFetchMaxMs } from './limits.ts'
import { majorityReached } from './majority.ts'
import { appendVoters, changed, changeVotersIfDue, refusalOf } from './membership.ts'
import type { Message, SnapshotId } from './messages.ts'
import type { RaftConfig } from './ports.ts'
import type { Quorum } from './quorum.ts'
import type { Leader, ReplicaProgress } from './roles.ts'
import { becomeResigned } from './transitions.ts'

/** The leader's side: answers fetches, counts what they acknowledge, moves the high watermark. */

type FetchRequest = Extract<Message, { kind: 'fetchRequest' }>

export const parkedFetchMs = (config: RaftConfig): number =>
  Math.min(parkedFetchMaxMs, config.fetchTimeoutMs / 4)

/** Nothing is accepted before the listener knows that it leads. Each payload commits whole; a group of them may not. */
export function propose(q: Quorum, payloads: readonly Uint8Array[]): void {
  const { role } = q
  if (role.kind !== 'leader' || !role.announced) return
  for (const payload of payloads) q.append({ epoch: q.epoch, kind: 'data', payload })
  wakeVoters(q, role)
}

export function onFetchRequest(q: Quorum, from: NodeId, request: FetchRequest): void {
  const { role } = q
  if (role.kind !== 'leader' || request.epoch !== q.epoch) {
    q.send(from, q.notLeader(request.fetchId))
    return
  }
  const replica = noteContact(q, role, from, request.replicaDirectoryId)
  releaseParked(q, role, from, request.fetchId)
  const { fetchId, fetchOffset } = request
  const divergence = q.bugs.noDivergenceCheck
    ? null
    : (bootstrapOfItsOwn(q, from, request) ??
      q.log.divergenceOf(fetchOffset, request.lastFetchedEpoch))
  if (divergence !== null) {
    respond(q, from, { fetchId, fetchOffset, outcome: 'diverging', hint: divergence })
    return
  }
  if (needsSnapshot(q, request)) {
    respond(q, from, { fetchId, fetchOffset, outcome: 'snapshot', hint: q.snapshot?.id ?? null })
    return
  }
  noteProgress(q, replica, fetchOffset)
  advanceHighWatermark(q)
  if (q.role !== role) {
    // It was removed, and that is committed now.
    q.send(from, q.notLeader(fetchId))
    return
  }
  if (changeVotersIfDue(q, role)) wakeVoters(q, role)
  const visibleEnd = visibleEndFor(q, from, replica)
  if (fetchOffset < visibleEnd || request.highWatermark < q.highWatermark) {
    respondEntries(q, from, fetchId, fetchOffset)
  } else {
    const deadlineMs = q.nowMs + parkedFetchMs(q.config)
    const { highWatermark } = request
    role.parked.set(from, { fetchId, fetchOffset, highWatermark, deadlineMs })
  }
}

/** Any fetch, of entries or of a snapshot, is a sign of life; unknown nodes become observers. */
export function noteContact(
  q: Quorum,
  role: Leader,
  from: NodeId,
  directoryId: string | null,
): ReplicaProgress {
  let replica = role.replicas.get(from)
  if (replica === undefined || (directoryId !== null && replica.directoryId !== directoryId)) {
    if (replica === undefined) makeRoomForObserver(q, role)
    // A wiped disk is another replica: what the lost one acknowledged does not count for it.
    const lost = replica !== undefined && replica.directoryId !== null
    replica = {
      nodeId: from,
      directoryId,
      endOffset: replica === undefined || lost ? 0 : replica.endOffset,
      lastFetchMs: q.nowMs,
      lastCaughtUpMs: 0,
      leaderEndOffsetAtLastFetch: Infinity,
      lastProgressMs: 0,
      downloadingSinceMs: null,
      hasFetched: true,
    }
    role.replicas.set(from, replica)
  }
  replica.hasFetched = true
  replica.lastFetchMs = q.nowMs
  return replica
}

/** Called when a voter acknowledges and when the leader's own write is durable. */
export function advanceHighWatermark(q: Quorum): void {
  const { role } = q
  if (role.kind !== 'leader') return
  const ends = q.voters.current.map(({ nodeId }) => {
    if (nodeId === q.nodeId) {
      return q.bugs.leaderCountsUnsynced ? q.log.endOffset : q.durableEndOffset
    }
    return voterProgress(q, role, nodeId)?.endOffset ?? 0
  })
  const reached = q.bugs.halfIsMajority
    ? ([...ends].sort((a, b) => b - a)[q.majority - 1] ?? 0)
    : majorityReached(ends)
  // Raft §5.4.2, figure 8: an entry of an older epoch on a majority can still be replaced.
  if (reached <= role.epochStartOffset && !q.bugs.commitOlderEpochs) return
  if (reached <= q.highWatermark) return
  q.setHighWatermark(reached)
  if (!role.announced && reached > role.epochStartOffset) {
    role.announced = true
    q.out.notice({ kind: 'leading', epoch: q.epoch })
  }
  for (const [nodeId, parked] of role.parked) {
    role.parked.delete(nodeId)
    respondEntries(q, nodeId, parked.fetchId, parked.fetchOffset)
  }
  // A leader that was removed leads until that is committed (KIP-853).
  if (!q.isVoter && q.voters.lastChangeOffset < q.highWatermark) becomeResigned(q)
}

/** What an operator asks for; ignored where `refusalOf` has an objection. */
export function changeVoters(q: Quorum, change: VoterChange): void {
  const { role } = q
  if (role.kind !== 'leader' || refusalOf(q, change) !== null) return
  appendVoters(q, role, changed(q, change))
  wakeVoters(q, role)
}

export function onLeaderTime(q: Quorum): void {
  const { role } = q
  if (role.kind !== 'leader') return
  for (const [nodeId, parked] of role.parked) {
    if (parked.deadlineMs > q.nowMs) break
    role.parked.delete(nodeId)
    respondEntries(q, nodeId, parked.fetchId, parked.fetchOffset)
  }
  if (q.nowMs >= role.remindsVotersAtMs) remindVoters(q, role)
  if (q.nowMs >= role.checksQuorumAtMs) checkQuorum(q, role)
}

/** What is committed is enough for an observer: half the messages, and it never truncates. */
function visibleEndFor(q: Quorum, nodeId: NodeId, replica: ReplicaProgress | undefined): Offset {
  return q.voters.has(nodeId, replica?.directoryId ?? null) ? q.log.endOffset : q.highWatermark
}

/** A replica with a voter's id but another directory is not that voter. */
function voterProgress(q: Quorum, role: Leader, nodeId: NodeId): ReplicaProgress | undefined {
  const replica = role.replicas.get(nodeId)
  return replica && q.voters.has(nodeId, replica.directoryId) ? replica : undefined
}

function noteProgress(q: Quorum, replica: ReplicaProgress, fetchOffset: Offset): void {
  replica.downloadingSinceMs = null
  // Never back: a repeated or late request says only what was already true.
  replica.endOffset = Math.max(replica.endOffset, fetchOffset)
  const visibleEnd = visibleEndFor(q, replica.nodeId, replica)
  if (fetchOffset >= visibleEnd) replica.lastCaughtUpMs = q.nowMs
  else if (fetchOffset >= replica.leaderEndOffsetAtLastFetch) {
    replica.lastCaughtUpMs = Math.max(replica.lastCaughtUpMs, replica.lastProgressMs)
  }
  replica.leaderEndOffsetAtLastFetch = visibleEnd
  replica.lastProgressMs = q.nowMs
}

/**
 * All that it has is the set of voters of its configuration, which may be from before these voters or name itself: an entry that
 * no epoch tells from the true one. It is no voter, so it can drop that and fetch the true one.
 */
function bootstrapOfItsOwn(q: Quorum, from: NodeId, request: FetchRequest): SnapshotId | null {
  const { fetchOffset, lastFetchedEpoch, highWatermark, replicaDirectoryId } = request
  if (fetchOffset !== 1 || lastFetchedEpoch !== 0 || highWatermark > 0) return null
  return q.voters.has(from, replicaDirectoryId) ? null : { epoch: 0, endOffset: 0 }
}

function needsSnapshot(q: Quorum, { fetchOffset, lastFetchedEpoch }: FetchRequest): boolean {
  return (
    fetchOffset < q.log.startOffset ||
    (q.snapshot !== null && q.log.endOffsetForEpoch(lastFetchedEpoch) === null)
  )
}

function wakeVoters(q: Quorum, role: Leader): void {
  for (const nodeId of q.peers) {
    const parked = role.parked.get(nodeId)
    if (parked === undefined) continue
    role.parked.delete(nodeId)
    respondEntries(q, nodeId, parked.fetchId, parked.fetchOffset)
  }
}

/** One parked fetch per replica. Which of two came late is not known, so the replaced one is answered, not dropped. */
function releaseParked(q: Quorum, role: Leader, nodeId: NodeId, fetchId: number): void {
  const parked = role.parked.get(nodeId)
  if (parked === undefined) return
  role.parked.delete(nodeId)
  if (parked.fetchId !== fetchId) respondEntries(q, nodeId, parked.fetchId, parked.fetchOffset)
}

function respondEntries(q: Quorum, to: NodeId, fetchId: number, fetchOffset: Offset): void {
  respond(q, to, { fetchId, fetchOffset, outcome: 'entries', hint: null })
}

function respond(
  q: Quorum,
  to: NodeId,
  answer: {
    readonly fetchId: number
    readonly fetchOffset: Offset
    readonly outcome: 'entries' | 'diverging' | 'snapshot'
    readonly hint: SnapshotId | null
  },
): void {
  const { fetchId, fetchOffset, outcome, hint } = answer
  const replica = q.role.kind === 'leader' ? q.role.replicas.get(to) : undefined
  const end = visibleEndFor(q, to, replica)
  const entries =
    outcome === 'entries' && fetchOffset < end && fetchOffset >= q.log.startOffset
      ? q.log.read(fetchOffset, end, q.limits.fetchResponseBytesMax)
      : []
  q.send(to, {
    kind: 'fetchResponse',
    fetchId,
    epoch: q.epoch,
    leaderId: q.nodeId,
    leaderAddress: null,
    outcome,
    highWatermark: q.highWatermark,
    logStartOffset: q.log.startOffset,
    baseOffset: fetchOffset,
    entries,
    hint,
  })
}

/** BeginQuorumEpoch may be lost, and nobody else tells a voter whom to fetch from (KIP-595). */
function remindVoters(q: Quorum, role: Leader): void {
  const silentMs = q.config.fetchTimeoutMs / 2
  role.remindsVotersAtMs = q.nowMs + silentMs
  for (const peer of q.peers) {
    const replica = role.replicas.get(peer)
    if (replica?.hasFetched && q.nowMs - replica.lastFetchMs < silentMs) continue
    q.send(peer, { kind: 'beginQuorumEpoch', epoch: q.epoch })
  }
}

/** A leader that a majority does not hear must not go on as if it led. */
function checkQuorum(q: Quorum, role: Leader): void {
  const patienceMs = checkQuorumFactor * q.config.fetchTimeoutMs
  const contacts = q.voters.current.map(({ nodeId }) =>
    nodeId === q.nodeId ? q.nowMs : (voterProgress(q, role, nodeId)?.lastFetchMs ?? 0),
  )
  role.checksQuorumAtMs = majorityReached(contacts) + patienceMs
  if (role.checksQuorumAtMs <= q.nowMs) {
    if (q.bugs.noCheckQuorum) role.checksQuorumAtMs = q.nowMs + patienceMs
    else becomeResigned(q)
    return
  }
  for (const replica of role.replicas.values()) {
    if (q.nowMs - replica.lastFetchMs < observerSessionMs) continue
    if (!q.voters.has(replica.nodeId, null)) role.replicas.delete(replica.nodeId)
  }
}

function makeRoomForObserver(q: Quorum, role: Leader): void {
  if (role.replicas.size < q.limits.replicasMax) return
  let oldest: ReplicaProgress | null = null
  for (const replica of role.replicas.values()) {
    if (q.voters.has(replica.nodeId, null)) continue
    if (oldest === null || replica.lastFetchMs < oldest.lastFetchMs) oldest = replica
  }
  if (oldest === null) return
  role.replicas.delete(oldest.nodeId)
  role.parked.delete(oldest.nodeId)
}
