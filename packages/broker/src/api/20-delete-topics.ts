/**
 * DeleteTopics v1–6: forwarded to the controller. The topic is gone from the metadata at once; brokers remove the files
 * afterwards.
 *
 * - v6 names topics by name or by id (KIP-516): both or neither is INVALID_REQUEST, and so is a topic named twice.
 * - Answered once this broker's own metadata have forgotten the topics, if that comes soon.
 *
 * Not done: throttling of mutations (v5, KIP-599).
 */
import { zeroUuid } from '@trimaran/common'
import { apis, errorCodes, type RequestOf, type ResponseOf } from '@trimaran/protocol'
import { forward, type Forwarded, inParts } from '../forward.ts'
import { duplicatesOf } from './duplicates.ts'
import { handler, type HandlerContext } from './handler.ts'

type Request = RequestOf<typeof apis.deleteTopics>
type Answer = ResponseOf<typeof apis.deleteTopics>['responses'][number]
type Failure = Extract<Forwarded<'deleteTopics'>, { kind: 'failed' }>
interface Asked {
  readonly name: string | null
  readonly topicId: string
}

export const deleteTopics = handler(
  apis.deleteTopics,
  { min: 1, max: 6 },
  async (request, context) => {
    const asked = context.header.apiVersion >= 6 ? request.topics : request.topicNames.map(byName)
    const duplicates = duplicatesOf(asked.map(topic => resolvedId(topic, context)))
    const responses: Answer[] = []
    const wanted: Asked[] = []
    const refused = new Set<string>()
    for (const topic of asked) {
      const id = resolvedId(topic, context)
      const problem = duplicates.has(id) ? 'Duplicate topic name or id.' : problemOf(topic)
      if (problem === null) wanted.push(topic)
      else if (!refused.has(id)) {
        refused.add(id)
        responses.push(failed(topic, errorCodes.INVALID_REQUEST, problem))
      }
    }
    const removed = wanted.length === 0 ? [] : await remove(wanted, request, context)
    return { throttleTimeMs: 0, responses: [...responses, ...removed] }
  },
)

const byName = (name: string): Asked => ({ name, topicId: zeroUuid })

/** The same for a topic asked for by its name and by its id. */
function resolvedId({ name, topicId }: Asked, context: HandlerContext): string {
  if (name === null) return topicId
  return context.image().topicsByName.get(name)?.id ?? `name ${name}`
}

function problemOf({ name, topicId }: Asked): string | null {
  if (name !== null && topicId !== zeroUuid)
    return 'You may not specify both topic name and topic id.'
  return name === null && topicId === zeroUuid ? 'Neither topic name nor id were specified.' : null
}

async function remove(
  wanted: readonly Asked[],
  { timeoutMs }: Request,
  context: HandlerContext,
): Promise<Answer[]> {
  const { clock, controller } = context
  const deadlineMs = clock.monotonicMs() + timeoutMs
  const answers: Answer[] = []
  let failure: Failure | null = null
  for (const part of inParts(wanted, topic => partitionCountOf(topic, context))) {
    const topics = part.map(({ name, topicId }) => ({
      name,
      topicId: name === null ? topicId : null,
    }))
    const forwarded: Forwarded<'deleteTopics'> =
      failure ??
      (await forward(controller, 'deleteTopics', { topics }, deadlineMs - clock.monotonicMs()))
    if (forwarded.kind === 'answered') {
      for (const { name, topicId, errorCode, errorMessage } of forwarded.response.topics)
        answers.push({ name, topicId, errorCode, errorMessage })
      continue
    }
    // Nobody answers: the rest would wait as long.
    failure = forwarded
    const { errorCode, errorMessage } = forwarded
    for (const topic of part) answers.push(failed(topic, errorCode, errorMessage))
  }
  const gone = answers.flatMap(({ errorCode, topicId }) =>
    errorCode === errorCodes.NONE && topicId !== undefined ? [topicId] : [],
  )
  await context.imageWaiters.until(image => gone.every(id => !image.topicsById.has(id)))
  return answers
}

function partitionCountOf(topic: Asked, context: HandlerContext): number {
  const { topicsById, topicsByName } = context.image()
  const known = topic.name ? topicsByName.get(topic.name) : topicsById.get(topic.topicId)
  return known?.partitions.length ?? 0
}

const failed = ({ name, topicId }: Asked, errorCode: number, errorMessage: string): Answer => ({
  name,
  topicId,
  errorCode,
  errorMessage,
})
