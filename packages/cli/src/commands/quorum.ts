import { apis, errorCodes } from '@trimaran/protocol'
import { outcomeText, withClient } from '../client/cluster-client.ts'
import { CliError, bold, printJson, printLine, table } from '../output.ts'

const ago = (timestampMs: number, nowMs: number): string =>
  timestampMs < 0 ? '-' : `${Math.max(0, nowMs - timestampMs)} ms ago`

export async function status(options: {
  readonly bootstrapServer: string
  readonly json?: boolean
}): Promise<void> {
  await withClient(options, async client => {
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
    const leaderEnd =
      quorum.currentVoters.find(voter => voter.replicaId === quorum.leaderId)?.logEndOffset ??
      quorum.highWatermark
    const replicas = [
      ...quorum.currentVoters.map(voter => ({
        ...voter,
        role: voter.replicaId === quorum.leaderId ? 'leader' : 'voter',
      })),
      ...quorum.observers.map(observer => ({ ...observer, role: 'observer' })),
    ].map(replica => ({
      id: replica.replicaId,
      role: replica.role,
      directoryId: replica.replicaDirectoryId,
      logEndOffset: replica.logEndOffset,
      lag: replica.logEndOffset < 0 ? null : Math.max(0, leaderEnd - replica.logEndOffset),
      lastFetchTimestampMs: replica.lastFetchTimestamp,
      lastCaughtUpTimestampMs: replica.lastCaughtUpTimestamp,
    }))
    const { leaderId, leaderEpoch, highWatermark } = quorum
    if (options.json === true) {
      printJson({ leaderId, leaderEpoch, highWatermark, replicas })
      return
    }
    const nowMs = Date.now()
    printLine(
      `${bold(`leader ${leaderId}`)}, epoch ${leaderEpoch}, high watermark ${highWatermark}`,
    )
    printLine(
      table(
        ['NODE', 'ROLE', 'LOG END', 'LAG', 'LAST FETCH', 'CAUGHT UP'],
        replicas.map(replica => [
          replica.id,
          replica.role,
          replica.logEndOffset,
          replica.lag ?? '-',
          replica.role === 'leader' ? '-' : ago(replica.lastFetchTimestampMs, nowMs),
          replica.role === 'leader' ? '-' : ago(replica.lastCaughtUpTimestampMs, nowMs),
        ]),
      ),
    )
  })
}
