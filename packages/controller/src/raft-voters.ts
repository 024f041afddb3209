import { zeroUuid } from '@trimaran/common'
import type { NodeId, Offset, VoterChange, VoterRefusal } from '@trimaran/common'
import { type ControllerRequests, errorCodes, type Outcome } from '@trimaran/metadata'
import type { Cluster, Decision } from './cluster.ts'

/** Voters of the quorum, added and removed by an operator (KIP-853). The quorum decides; here is what it says in Kafka's words. */

/** Appended, and where its entry ends; or why not. */
export type VoterChangeBegun = { readonly endOffset: Offset } | VoterRefusal

type AddRequest = ControllerRequests['addRaftVoter']['request']
type RemoveRequest = ControllerRequests['removeRaftVoter']['request']

export function addRaftVoter(cluster: Cluster, request: AddRequest): Decision<Outcome> {
  const { nodeId, directoryId, host, port, waitsForCommit } = request
  const mistake = mistakeOf(cluster, request)
  if (mistake !== null) return refused(mistake)
  if (directoryId === zeroUuid) {
    return refused(
      invalid(`A voter is a node id with a directory id, and node ${nodeId} is given without one.`),
    )
  }
  const voter = { nodeId, directoryId, host, port }
  return begin(cluster, { kind: 'add', voter }, waitsForCommit)
}

export function removeRaftVoter(cluster: Cluster, request: RemoveRequest): Decision<Outcome> {
  const { nodeId, directoryId } = request
  const mistake = mistakeOf(cluster, request)
  if (mistake !== null) return refused(mistake)
  const known = directoryId === zeroUuid ? null : directoryId
  return begin(cluster, { kind: 'remove', nodeId, directoryId: known }, true)
}

function begin(cluster: Cluster, change: VoterChange, waits: boolean): Decision<Outcome> {
  const begun = cluster.config.changeVoters(change)
  if (typeof begun === 'string') return refused(outcomeOf(begun, change))
  const response = { errorCode: errorCodes.NONE, errorMessage: null }
  return { records: [], response, waitsFor: waits ? begun.endOffset : 0 }
}

/** Nothing is waited for: what keeps a change from beginning may be that nothing is committed. */
const refused = (response: Outcome): Decision<Outcome> => ({ records: [], response, waitsFor: 0 })

const invalid = (errorMessage: string): Outcome => ({
  errorCode: errorCodes.INVALID_REQUEST,
  errorMessage,
})

function mistakeOf(
  { config }: Cluster,
  { clusterId, nodeId }: { readonly clusterId: string | null; readonly nodeId: NodeId },
): Outcome | null {
  if (clusterId !== null && clusterId !== config.clusterId) {
    const errorMessage = `The cluster id is ${config.clusterId}, not ${clusterId.slice(0, 64)}.`
    return { errorCode: errorCodes.INCONSISTENT_CLUSTER_ID, errorMessage }
  }
  return nodeId < 0 ? invalid(`${nodeId} is no node id.`) : null
}

function outcomeOf(refusal: VoterRefusal, change: VoterChange): Outcome {
  const { nodeId, directoryId } = change.kind === 'add' ? change.voter : change
  const key = `node ${nodeId} with directory ${directoryId ?? 'unknown'}`
  const later = (errorMessage: string): Outcome => ({
    errorCode: errorCodes.REQUEST_TIMED_OUT,
    errorMessage,
  })
  switch (refusal) {
    case 'notLeading':
      return later('The leader of the quorum has not committed anything in its epoch yet.')
    case 'changePending':
      return later('Another change of the voters is not committed yet.')
    case 'duplicate':
      return {
        errorCode: errorCodes.DUPLICATE_VOTER,
        errorMessage: `Node ${nodeId} is a voter already; to replace its directory, remove it first.`,
      }
    case 'notFound':
      return {
        errorCode: errorCodes.VOTER_NOT_FOUND,
        errorMessage: `No voter is ${key}.`,
      }
    case 'notFetching':
      return later(`No replica that fetches the metadata log is ${key}: start it first.`)
    case 'lagging':
      return later(`The replica ${key} has not caught up with the metadata log yet.`)
    case 'lastVoter':
      return invalid(`Node ${nodeId} is the only voter; a quorum has at least one.`)
    case 'noMajority':
      return later(
        `Without node ${nodeId} too few of the voters would be alive for a majority; remove or restart those that are not first.`,
      )
  }
}
