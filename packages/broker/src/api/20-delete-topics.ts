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
import { forward } from '../forward.ts'
import { duplicatesOf } from './duplicates.ts'
import { handler, type HandlerContext } from './handler.ts'

type Request = RequestOf<typeof apis.deleteTopics>
type Answer = ResponseOf<typeof apis.deleteTopics>['responses'][number]
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
  const topics = wanted.map(({ name, topicId }) => ({
    name,
    topicId: name === null ? topicId : null,
  }))
  const forwarded = await forward(context.controller, 'deleteTopics', { topics }, timeoutMs)
  if (forwarded.kind === 'failed') {
    return wanted.map(topic => failed(topic, forwarded.errorCode, forwarded.errorMessage))
  }
  const results = forwarded.response.topics
  const gone = results
    .filter(topic => topic.errorCode === errorCodes.NONE)
    .map(topic => topic.topicId)
  await context.imageWaiters.until(image => gone.every(id => !image.topicsById.has(id)))
  return results.map(topic => ({
    name: topic.name,
    topicId: topic.topicId,
    errorCode: topic.errorCode,
    errorMessage: topic.errorMessage,
  }))
}

const failed = ({ name, topicId }: Asked, errorCode: number, errorMessage: string): Answer => ({
  name,
  topicId,
  errorCode,
  errorMessage,
})
