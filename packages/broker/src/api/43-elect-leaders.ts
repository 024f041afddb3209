/**
 * ElectLeaders v0–2: makes the preferred replica lead again, or (v1+, KIP-460) elects uncleanly where nothing else is
 * left. Forwarded to the controller. Null partitions: all that need it; those that do not are then not listed.
 *
 * An unknown election type is INVALID_REQUEST. v0 has no error for the whole, so every partition carries it there.
 */
import { apis, errorCodes, type RequestOf, type ResponseOf } from '@trimaran/protocol'
import { forward } from '../forward.ts'
import { handler } from './handler.ts'

type Request = RequestOf<typeof apis.electLeaders>
type Response = ResponseOf<typeof apis.electLeaders>
interface Result {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly errorMessage: string | null
}

const electionKinds = ['preferred', 'unclean'] as const

export const electLeaders = handler(
  apis.electLeaders,
  { min: 0, max: 2 },
  async (request, context) => {
    const kind = electionKinds[request.electionType]
    const partitions = partitionsOf(request)
    if (kind === undefined) {
      return failed(
        partitions,
        errorCodes.INVALID_REQUEST,
        `Unknown election type ${request.electionType}.`,
      )
    }
    const forwarded = await forward(
      context.controller,
      'electLeaders',
      { kind, partitions },
      request.timeoutMs,
    )
    if (forwarded.kind === 'failed')
      return failed(partitions, forwarded.errorCode, forwarded.errorMessage)
    const { errorCode, errorMessage, partitions: results } = forwarded.response
    if (errorCode !== errorCodes.NONE) return failed(partitions, errorCode, errorMessage)
    const listed =
      partitions === null
        ? results.filter(result => result.errorCode !== errorCodes.ELECTION_NOT_NEEDED)
        : results
    return { throttleTimeMs: 0, errorCode, replicaElectionResults: byTopic(listed) }
  },
)

const partitionsOf = ({
  topicPartitions,
}: Request): { topic: string; partition: number }[] | null =>
  topicPartitions?.flatMap(({ topic, partitions }) =>
    [...new Set(partitions)].map(partition => ({ topic, partition })),
  ) ?? null

const failed = (
  partitions: readonly { topic: string; partition: number }[] | null,
  errorCode: number,
  errorMessage: string | null,
): Response => ({
  throttleTimeMs: 0,
  errorCode,
  replicaElectionResults: byTopic(
    (partitions ?? []).map(asked => ({ ...asked, errorCode, errorMessage })),
  ),
})

function byTopic(results: readonly Result[]): Response['replicaElectionResults'] {
  const topics = new Map<
    string,
    { partitionId: number; errorCode: number; errorMessage: string | null }[]
  >()
  for (const { topic, partition, errorCode, errorMessage } of results) {
    const list = topics.get(topic) ?? []
    topics.set(topic, list)
    list.push({ partitionId: partition, errorCode, errorMessage })
  }
  return [...topics].map(([topic, partitionResult]) => ({ topic, partitionResult }))
}
