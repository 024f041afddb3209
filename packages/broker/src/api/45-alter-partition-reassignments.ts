/**
 * AlterPartitionReassignments v0–1: moves partitions to other replicas, or (null replicas) stops a move and goes back
 * (KIP-455). v1 can hold the replication factor (KIP-860). Forwarded to the controller; each partition by itself.
 *
 * - A partition named twice is INVALID_REQUEST: which of the two was meant?
 * - Answered when the move has begun, or is over already, and this broker's own metadata show it, if that comes soon:
 *   ListPartitionReassignments here tells the truth then.
 * - A controller that does not answer is the error of the partitions asked of it, and of the whole if nothing was done.
 *
 * Not done: throttled replication. `leader.` and `follower.replication.throttled.rate` and `.replicas` limit nothing.
 */
import type { Image, PartitionImage } from '@trimaran/metadata'
import { apis, errorCodes, type RequestOf, type ResponseOf } from '@trimaran/protocol'
import { forward, type Forwarded, inParts } from '../forward.ts'
import { duplicatesOf } from './duplicates.ts'
import { handler, type HandlerContext } from './handler.ts'

type Request = RequestOf<typeof apis.alterPartitionReassignments>
type TopicAnswer = ResponseOf<typeof apis.alterPartitionReassignments>['responses'][number]
type Failure = Extract<Forwarded<'alterPartitionReassignments'>, { kind: 'failed' }>

interface Asked {
  readonly topic: string
  readonly partition: number
  readonly replicas: readonly number[] | null
}
interface Answer {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly errorMessage: string | null
}

export const alterPartitionReassignments = handler(
  apis.alterPartitionReassignments,
  { min: 0, max: 1 },
  async (request, context) => {
    const { allowReplicationFactorChange } = request
    const asked = request.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, replicas }) => ({
        topic: name,
        partition: partitionIndex,
        replicas,
      })),
    )
    const duplicates = duplicatesOf(asked.map(keyOf))
    const wanted = asked.filter(each => !duplicates.has(keyOf(each)))
    const { answers, failure } = await reassign(wanted, request, context)
    for (const each of asked) {
      const errorMessage = `${each.topic}-${each.partition} is named more than once.`
      if (duplicates.has(keyOf(each)))
        answers.push({ ...each, errorCode: errorCodes.INVALID_REQUEST, errorMessage })
    }
    return {
      throttleTimeMs: 0,
      allowReplicationFactorChange,
      errorCode: failure?.errorCode ?? errorCodes.NONE,
      errorMessage: failure?.errorMessage ?? null,
      responses: failure === null ? byTopic(request, answers) : [],
    }
  },
)

const keyOf = ({ topic, partition }: Pick<Asked, 'topic' | 'partition'>): string =>
  `${topic}/${partition}`

/** `failure`: of the whole, nothing was asked of the controller with an answer. */
async function reassign(
  wanted: readonly Asked[],
  { timeoutMs, allowReplicationFactorChange }: Request,
  context: HandlerContext,
): Promise<{ answers: Answer[]; failure: Failure | null }> {
  const { clock, controller, imageWaiters } = context
  const deadlineMs = clock.monotonicMs() + timeoutMs
  const answers: Answer[] = []
  let failure: Failure | null = null
  for (const partitions of inParts(wanted, () => 1)) {
    const forwarded: Forwarded<'alterPartitionReassignments'> =
      failure ??
      (await forward(
        controller,
        'alterPartitionReassignments',
        { allowReplicationFactorChange, partitions },
        deadlineMs - clock.monotonicMs(),
      ))
    if (forwarded.kind === 'answered') {
      answers.push(...forwarded.response.partitions)
      continue
    }
    if (answers.length === 0) return { answers, failure: forwarded }
    // Nobody answers: the rest would wait as long.
    failure = forwarded
    const { errorCode, errorMessage } = forwarded
    for (const each of partitions) answers.push({ ...each, errorCode, errorMessage })
  }
  const done = new Set(answers.filter(({ errorCode }) => errorCode === errorCodes.NONE).map(keyOf))
  const begun = wanted.filter(each => done.has(keyOf(each)))
  await imageWaiters.until(image => begun.every(each => isShown(image, each)))
  return { answers, failure: null }
}

function isShown(image: Image, { topic, partition, replicas }: Asked): boolean {
  const found = image.topicsByName.get(topic)?.partitions[partition]
  return found === undefined || (replicas === null ? !isMoving(found) : isTarget(found, replicas))
}

const isMoving = ({ addingReplicas, removingReplicas }: PartitionImage): boolean =>
  addingReplicas.length + removingReplicas.length > 0

function isTarget(
  { replicas, removingReplicas }: PartitionImage,
  target: readonly number[],
): boolean {
  const staying = replicas.filter(id => !removingReplicas.includes(id))
  return staying.join() === target.join()
}

/** In the order of the request. */
function byTopic(request: Request, answers: readonly Answer[]): TopicAnswer[] {
  const topics = new Map<string, TopicAnswer['partitions'][number][]>()
  for (const { name } of request.topics) topics.set(name, [])
  for (const { topic, partition, errorCode, errorMessage } of answers)
    topics.get(topic)?.push({ partitionIndex: partition, errorCode, errorMessage })
  return [...topics].map(([name, partitions]) => ({ name, partitions }))
}
