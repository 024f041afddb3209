import type { NodeId, Uuid, Voter, VoterChange, VoterRefusal } from '@trimaran/common'
import { majorityOf } from './majority.ts'
import type { VoterSet } from './messages.ts'
import type { Quorum } from './quorum.ts'
import type { Leader, ReplicaProgress } from './roles.ts'
import { encodeVoters } from './voters.ts'

/**
 * Voters are disks, not numbers (KIP-853). They change one at a time, so that a majority of the set before and one of the
 * set after have a voter in common (Raft §4.1).
 *
 * - An operator adds a replica that has caught up, and removes a voter.
 * - The leader writes down which directory each voter has, once it has heard of it. A voter that comes back with another one
 *   has forgotten its vote and its entries, so it counts for nothing. As soon as it has everything again, the leader takes the
 *   lost disk out of the set and the new one in: two changes, the second when the first is committed.
 */

export function refusalOf(q: Quorum, change: VoterChange): VoterRefusal | null {
  const { role } = q
  if (role.kind !== 'leader' || !role.announced) return 'notLeading'
  if (!mayChange(q, role)) return 'changePending'
  return change.kind === 'add'
    ? objectionToAdding(q, role, change.voter)
    : objectionToRemoving(q, role, change)
}

/** The set after it. */
export function changed(q: Quorum, change: VoterChange): VoterSet {
  const { voters, lost } = q.voters.currentSet
  const nodeId = change.kind === 'add' ? change.voter.nodeId : change.nodeId
  const others = voters.filter(voter => voter.nodeId !== nodeId)
  return {
    voters: change.kind === 'add' ? [...others, change.voter] : others,
    lost: lost.filter(voter => voter.nodeId !== nodeId),
  }
}

/** True if the voters changed: the entry is for all of them. */
export function changeVotersIfDue(q: Quorum, role: Leader): boolean {
  if (!mayChange(q, role)) return false
  const set = withDirectories(q, role) ?? withoutLost(q, role) ?? withReturned(q, role)
  if (set === null) return false
  appendVoters(q, role, set)
  return true
}

/** From here on it counts, for the majority that a leader has to hear, too. */
export function appendVoters(q: Quorum, role: Leader, set: VoterSet): void {
  q.append({ epoch: q.epoch, kind: 'voters', payload: encodeVoters(set) })
  role.checksQuorumAtMs = q.nowMs
}

/** Raft §4.1: one change at a time, and none before an entry of the own epoch is committed. */
function mayChange(q: Quorum, role: Leader): boolean {
  if (!role.announced) return false
  return q.voters.lastChangeOffset < q.highWatermark || q.bugs.manyChangesAtOnce
}

function objectionToAdding(q: Quorum, role: Leader, voter: Voter): VoterRefusal | null {
  if (q.voters.current.some(({ nodeId }) => nodeId === voter.nodeId)) return 'duplicate'
  const replica = role.replicas.get(voter.nodeId)
  if (replica === undefined || replica.directoryId !== voter.directoryId) return 'notFetching'
  if (!isHeard(q, replica)) return 'notFetching'
  return q.nowMs - replica.lastCaughtUpMs < q.config.fetchTimeoutMs ? null : 'lagging'
}

function objectionToRemoving(
  q: Quorum,
  role: Leader,
  { nodeId, directoryId }: { readonly nodeId: NodeId; readonly directoryId: Uuid | null },
): VoterRefusal | null {
  const { voters, lost } = q.voters.currentSet
  const voter = voters.find(each => each.nodeId === nodeId)
  // It has no directory while its disk is lost; what is taken from it is the right to come back.
  if (voter === undefined) return lost.some(each => each.nodeId === nodeId) ? null : 'notFound'
  if (voter.directoryId !== directoryId) return 'notFound'
  const others = voters.filter(each => each !== voter)
  if (others.length === 0) return 'lastVoter'
  const heard = others.filter(each => {
    if (each.nodeId === q.nodeId) return true
    const replica = role.replicas.get(each.nodeId)
    if (replica === undefined || !q.voters.has(each.nodeId, replica.directoryId)) return false
    return isHeard(q, replica)
  })
  return heard.length >= majorityOf(others.length) ? null : 'noMajority'
}

function withDirectories(q: Quorum, role: Leader): VoterSet | null {
  const { voters: before, lost } = q.voters.currentSet
  const voters = before.map(voter => {
    if (voter.directoryId !== null) return voter
    const directoryId =
      voter.nodeId === q.nodeId
        ? q.config.directoryId
        : (role.replicas.get(voter.nodeId)?.directoryId ?? null)
    return directoryId === null ? voter : { ...voter, directoryId }
  })
  return voters.some((voter, at) => voter !== before[at]) ? { voters, lost } : null
}

function withoutLost(q: Quorum, role: Leader): VoterSet | null {
  const { voters, lost } = q.voters.currentSet
  const gone = voters.find(({ nodeId }) => {
    const replica = role.replicas.get(nodeId)
    return replica?.directoryId != null && !q.voters.has(nodeId, replica.directoryId)
      ? hasAll(q, replica)
      : false
  })
  if (gone === undefined) return null
  return { voters: voters.filter(voter => voter !== gone), lost: [...lost, gone] }
}

/** The log says who lost its disk and may come back; so a leader that was elected in between goes on where the last one was. */
function withReturned(q: Quorum, role: Leader): VoterSet | null {
  const { voters, lost } = q.voters.currentSet
  for (const { nodeId, host, port } of q.bugs.removedReturns ? q.config.bootstrapVoters : lost) {
    if (voters.some(voter => voter.nodeId === nodeId)) continue
    const replica = role.replicas.get(nodeId)
    if (replica === undefined || replica.directoryId === null || !hasAll(q, replica)) continue
    return {
      voters: [...voters, { nodeId, directoryId: replica.directoryId, host, port }],
      lost: lost.filter(voter => voter.nodeId !== nodeId),
    }
  }
  return null
}

/** As a voter it must not hold the others up: it has what is committed, and has just said so. */
const hasAll = (q: Quorum, replica: ReplicaProgress): boolean =>
  replica.endOffset >= q.highWatermark && isHeard(q, replica)

const isHeard = (q: Quorum, { hasFetched, lastFetchMs }: ReplicaProgress): boolean =>
  hasFetched && q.nowMs - lastFetchMs < q.config.fetchTimeoutMs
