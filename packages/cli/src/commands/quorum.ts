import type { HostPort } from '@trimaran/common'
import { apis, errorCodes } from '@trimaran/protocol'
import { outcomeText, withClient } from '../client/cluster-client.ts'
import type { ClusterClient } from '../client/cluster-client.ts'
import { CliError, bold, dim, printJson, printLine, table } from '../output.ts'

export interface QuorumMember {
  readonly id: number
  readonly directoryId: string
  /** −1: not known. */
  readonly logEndOffset: number
  readonly lastFetchTimestampMs: number
  readonly lastCaughtUpTimestampMs: number
  /** Where other nodes reach it; null: not known. */
  readonly address: HostPort | null
}

export interface Quorum {
  readonly leaderId: number
  readonly leaderEpoch: number
  readonly highWatermark: number
  readonly voters: readonly QuorumMember[]
  readonly observers: readonly QuorumMember[]
}

/** As its leader tells it; voters and observers each in the order of their ids. */
export async function describedQuorum(client: ClusterClient): Promise<Quorum> {
  const answer = await client.request(apis.describeQuorum, {
    topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }],
  })
  const quorum = answer.topics[0]?.partitions[0]
  const errorCode =
    answer.errorCode === errorCodes.NONE
      ? (quorum?.errorCode ?? errorCodes.UNKNOWN_SERVER_ERROR)
      : answer.errorCode
  if (quorum === undefined || errorCode !== errorCodes.NONE)
    throw new CliError(outcomeText(errorCode, answer.errorMessage))
  const member = (replica: (typeof quorum.currentVoters)[number]): QuorumMember => {
    const [place] =
      answer.nodes?.find(({ nodeId }) => nodeId === replica.replicaId)?.listeners ?? []
    return {
      id: replica.replicaId,
      directoryId: replica.replicaDirectoryId,
      logEndOffset: replica.logEndOffset,
      lastFetchTimestampMs: replica.lastFetchTimestamp,
      lastCaughtUpTimestampMs: replica.lastCaughtUpTimestamp,
      address: place === undefined ? null : { host: place.host, port: place.port },
    }
  }
  const { leaderId, leaderEpoch, highWatermark } = quorum
  return {
    leaderId,
    leaderEpoch,
    highWatermark,
    voters: quorum.currentVoters.map(member).toSorted(byId),
    observers: quorum.observers.map(member).toSorted(byId),
  }
}

const byId = (a: QuorumMember, b: QuorumMember): number => a.id - b.id

const ago = (timestampMs: number, nowMs: number): string =>
  timestampMs < 0 ? '-' : `${Math.max(0, nowMs - timestampMs)} ms ago`

export async function status(options: {
  readonly bootstrapServer: string
  readonly json?: boolean
}): Promise<void> {
  await withClient(options, async client => {
    const quorum = await describedQuorum(client)
    const { clusterId } = await client.metadata([])
    const { leaderId, leaderEpoch, highWatermark } = quorum
    const leaderEnd = quorum.voters.find(({ id }) => id === leaderId)?.logEndOffset ?? highWatermark
    const replicas = [
      ...quorum.voters.map(each => ({ ...each, role: each.id === leaderId ? 'leader' : 'voter' })),
      ...quorum.observers.map(each => ({ ...each, role: 'observer' })),
    ].map(({ id, role, directoryId, logEndOffset, ...times }) => ({
      id,
      role,
      directoryId,
      logEndOffset,
      lag: logEndOffset < 0 ? null : Math.max(0, leaderEnd - logEndOffset),
      lastFetchTimestampMs: times.lastFetchTimestampMs,
      lastCaughtUpTimestampMs: times.lastCaughtUpTimestampMs,
    }))
    if (options.json === true) {
      printJson({ clusterId, leaderId, leaderEpoch, highWatermark, replicas })
      return
    }
    const nowMs = Date.now()
    printLine(
      `${bold(`leader ${leaderId}`)}, epoch ${leaderEpoch}, high watermark ${highWatermark} ${dim(`(cluster ${clusterId})`)}`,
    )
    printLine(
      table(
        ['NODE', 'ROLE', 'DIRECTORY', 'LOG END', 'LAG', 'LAST FETCH', 'CAUGHT UP'],
        replicas.map(replica => [
          replica.id,
          replica.role,
          replica.directoryId,
          replica.logEndOffset < 0 ? '-' : replica.logEndOffset,
          replica.lag ?? '-',
          replica.role === 'leader' ? '-' : ago(replica.lastFetchTimestampMs, nowMs),
          replica.role === 'leader' ? '-' : ago(replica.lastCaughtUpTimestampMs, nowMs),
        ]),
      ),
    )
  })
}
