import { apis, errorCodes } from '@trimaran/protocol'
import { outcomeText, withClient } from '../client/cluster-client.ts'
import { CliError, exitCodes, printLine, printJson } from '../output.ts'
import { reportOutcomes } from './topics.ts'

interface ElectOptions {
  readonly bootstrapServer: string
  readonly json?: boolean
  readonly type: 'preferred' | 'unclean'
  readonly topic?: string
  readonly partition?: number
}

export async function elect(options: ElectOptions): Promise<void> {
  if (options.partition !== undefined && options.topic === undefined)
    throw new CliError('--partition needs --topic.', exitCodes.usage)
  await withClient(options, async client => {
    const { topic } = options
    const partitionsOf = async (name: string): Promise<number[]> =>
      options.partition === undefined
        ? (await client.topic(name)).partitions.map(each => each.partitionIndex)
        : [options.partition]
    const topicPartitions =
      topic === undefined ? null : [{ topic, partitions: await partitionsOf(topic) }]
    const answer = await client.request(apis.electLeaders, {
      electionType: options.type === 'preferred' ? 0 : 1,
      topicPartitions,
      timeoutMs: 30_000,
    })
    if (answer.errorCode !== errorCodes.NONE) throw new CliError(outcomeText(answer.errorCode))
    const items = answer.replicaElectionResults.flatMap(result =>
      result.partitionResult
        // What already has the leader that was asked for is no failure.
        .filter(each => each.errorCode !== errorCodes.ELECTION_NOT_NEEDED)
        .map(each => ({
          name: `${result.topic}-${each.partitionId}`,
          errorCode: each.errorCode,
          errorMessage: each.errorMessage,
        })),
    )
    if (items.length > 0) reportOutcomes(options.json, 'Elected a leader for', items)
    else if (options.json === true) printJson([])
    else printLine('No election was needed.')
  })
}
