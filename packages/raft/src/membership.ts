import type { Voter } from './messages.ts'
import type { Quorum } from './quorum.ts'
import type { Leader, ReplicaProgress } from './roles.ts'
import { encodeVoters } from './voters.ts'

/**
 * Voters are disks, not numbers (KIP-853). The leader writes down which directory each voter has, once it has heard of it. A
 * voter that comes back with another one has forgotten its vote and its entries, so it counts for nothing. As soon as it
 * has everything again, the leader takes the lost disk out of the set and the new one in: two changes of one voter each,
 * the second when the first is committed.
 *
 * True if the voters changed: the entry is for all of them.
 */
export function changeVotersIfDue(q: Quorum, role: Leader): boolean {
  // Raft §4.1: one change at a time, and none before an entry of the own epoch is committed.
  if (!role.announced || q.voters.lastChangeOffset >= q.highWatermark) return false
  const voters = withDirectories(q, role) ?? withoutLost(q, role) ?? withReturned(q, role)
  if (voters === null) return false
  q.append({ epoch: q.epoch, kind: 'voters', payload: encodeVoters(voters) })
  return true
}

function withDirectories(q: Quorum, role: Leader): readonly Voter[] | null {
  const voters = q.voters.current.map(voter => {
    if (voter.directoryId !== null) return voter
    const directoryId =
      voter.nodeId === q.nodeId
        ? q.config.directoryId
        : (role.replicas.get(voter.nodeId)?.directoryId ?? null)
    return directoryId === null ? voter : { ...voter, directoryId }
  })
  return voters.some((voter, at) => voter !== q.voters.current[at]) ? voters : null
}

function withoutLost(q: Quorum, role: Leader): readonly Voter[] | null {
  const lost = q.voters.current.find(({ nodeId }) => {
    const replica = role.replicas.get(nodeId)
    return replica?.directoryId != null && !q.voters.has(nodeId, replica.directoryId)
      ? hasAll(q, replica)
      : false
  })
  return lost === undefined ? null : q.voters.current.filter(voter => voter !== lost)
}

/** The configuration says who shall be a voter; so a leader that was elected in between goes on where the last one was. */
function withReturned(q: Quorum, role: Leader): readonly Voter[] | null {
  for (const { nodeId, host, port } of q.config.bootstrapVoters) {
    if (q.voters.current.some(voter => voter.nodeId === nodeId)) continue
    const replica = role.replicas.get(nodeId)
    if (replica === undefined || replica.directoryId === null || !hasAll(q, replica)) continue
    return [...q.voters.current, { nodeId, directoryId: replica.directoryId, host, port }]
  }
  return null
}

/** As a voter it must not hold the others up: it has what is committed, and has just said so. */
const hasAll = (q: Quorum, replica: ReplicaProgress): boolean =>
  replica.endOffset >= q.highWatermark && q.nowMs - replica.lastFetchMs < q.config.fetchTimeoutMs
