import type { NodeId, Offset } from '@trimaran/common'
import { askLeaderMs, lostRoundBackoffMs } from './limits.ts'
import type { Message, SnapshotId } from './messages.ts'
import type { Quorum } from './quorum.ts'
import { parkedFetchMs } from './replication.ts'
import type { Follower } from './roles.ts'
import { becomeProspective, becomeUnattached } from './transitions.ts'

/** The follower's side, observers included: one fetch at a time, the next one once what it brought is durable. */

type FetchResponse = Extract<Message, { kind: 'fetchResponse' }>

export function onFetchResponse(q: Quorum, from: NodeId, response: FetchResponse): void {
  const { role } = q
  if (role.kind !== 'follower' || from !== role.leaderId || response.epoch !== q.epoch) return
  if (response.outcome === 'notLeader') {
    // The leader itself says so: it has resigned or was restarted, and never leads this epoch again.
    if (response.fetchId !== role.fetchId) return
    if (q.mayStand) becomeProspective(q)
    else becomeUnattached(q)
    return
  }
  if (response.fetchId !== role.fetchId && !q.bugs.acceptOldAnswers) return
  noteLeaderAlive(q, role)
  switch (response.outcome) {
    case 'entries':
      appendEntries(q, role, response)
      break
    case 'diverging':
      truncateDiverging(q, role, response.hint)
      break
    case 'snapshot':
      if (response.hint !== null && response.hint.endOffset > q.highWatermark) {
        role.download = { id: response.hint, chunks: [], position: 0 }
      } else retryLater(q, role)
      break
  }
}

/** An answer came: the leader lives, and the next request is due. */
export function noteLeaderAlive(q: Quorum, role: Follower): void {
  q.losses = 0
  role.hasFetched = true
  role.timesOutAtMs = q.nowMs + role.patienceMs
  role.fetchesAtMs = q.nowMs
}

/** At the end of each step: what became due is asked. */
export function fetchIfDue(q: Quorum): void {
  const { role } = q
  if (role.kind === 'unattached') {
    if (q.nowMs >= role.asksAtMs) askWhoLeads(q)
    return
  }
  if (role.kind !== 'follower' || q.nowMs < role.fetchesAtMs) return
  role.fetchId = q.nextFetchId()
  role.fetchesAtMs = q.nowMs + fetchRetryMs(q)
  if (role.download === null) {
    const request = fetchRequest(q, role.fetchId, q.highWatermark)
    if (q.bugs.ackBeforeDurable) q.out.send(role.leaderId, request)
    else q.sendWhenDurable(role.leaderId, request)
    return
  }
  q.send(role.leaderId, {
    kind: 'fetchSnapshotRequest',
    fetchId: role.fetchId,
    epoch: q.epoch,
    snapshotId: role.download.id,
    position: role.download.position,
  })
}

/** An answer takes up to the parking time and the way; a lost one must not cost the fetch timeout. */
const fetchRetryMs = (q: Quorum): number =>
  Math.min(2 * parkedFetchMs(q.config), q.config.fetchTimeoutMs / 2)

function appendEntries(q: Quorum, role: Follower, response: FetchResponse): void {
  const { baseOffset, entries } = response
  if (baseOffset !== q.log.endOffset || !epochsFit(q, entries)) {
    retryLater(q, role)
    return
  }
  for (const entry of entries) q.append(entry)
  const highWatermark = Math.min(response.highWatermark, q.log.endOffset)
  // A new leader may not know the high watermark yet that this node has seen.
  if (highWatermark > q.highWatermark) q.setHighWatermark(highWatermark)
}

function epochsFit(q: Quorum, entries: FetchResponse['entries']): boolean {
  let epoch = q.log.lastEpoch
  for (const entry of entries) {
    if (entry.epoch < epoch || entry.epoch > q.epoch) return false
    epoch = entry.epoch
  }
  return true
}

/** KIP-595, as KIP-101 for partitions: leaves at least one epoch per round behind, never a committed entry. */
function truncateDiverging(q: Quorum, role: Follower, hint: SnapshotId | null): void {
  const target = hint === null ? q.log.endOffset : q.log.sharedEnd(hint)
  if (target >= q.log.endOffset) retryLater(q, role)
  else q.truncate(q.bugs.truncateAll ? q.log.startOffset : target)
}

/** An answer that makes no sense is not asked for again at the speed of the network. */
function retryLater(q: Quorum, role: Follower): void {
  role.fetchesAtMs = q.nowMs + q.random.between(lostRoundBackoffMs.min, lostRoundBackoffMs.max)
}

/** An observer that knows no leader asks whom it knows, one after the other, less and less often. */
function askWhoLeads(q: Quorum): void {
  const { role } = q
  if (role.kind !== 'unattached') return
  const { bootstrapNodeIds, bootstrapVoters } = q.config
  const known = new Set([
    ...q.peers,
    ...bootstrapNodeIds,
    ...bootstrapVoters.map(voter => voter.nodeId),
  ])
  known.delete(q.nodeId)
  if (known.size === 0) for (const nodeId of q.linked) known.add(nodeId)
  const to = [...known][role.asked % Math.max(1, known.size)]
  const once = q.random.between(askLeaderMs.min, askLeaderMs.max)
  const waitMs = once * 2 ** Math.min(Math.floor(role.asked / Math.max(1, known.size)), 10)
  role.asksAtMs = q.nowMs + Math.min(waitMs, q.config.electionBackoffMaxMs)
  role.asked++
  // With no high watermark to its name it is answered at once.
  if (to !== undefined) q.sendWhenDurable(to, fetchRequest(q, q.nextFetchId(), -1))
}

function fetchRequest(q: Quorum, fetchId: number, highWatermark: Offset): Message {
  return {
    kind: 'fetchRequest',
    fetchId,
    epoch: q.epoch,
    replicaDirectoryId: q.config.directoryId,
    fetchOffset: q.log.endOffset,
    lastFetchedEpoch: q.log.lastEpoch,
    highWatermark,
  }
}
