/**
 * CreatePartitions v0–3: more partitions for a topic, never fewer (KIP-195). Forwarded to the controller.
 *
 * - A topic named twice is INVALID_REQUEST. validateOnly changes nothing.
 * - Answered once this broker's own metadata show the partitions, if that comes soon.
 *
 * Not done: throttling of mutations (v3, KIP-599).
 */
import { apis, errorCodes, type RequestOf, type ResponseOf } from '@trimaran/protocol'
import { forward } from '../forward.ts'
import { duplicatesOf } from './duplicates.ts'
import { handler, type HandlerContext } from './handler.ts'

type Request = RequestOf<typeof apis.createPartitions>
type TopicRequest = Request['topics'][number]
type Answer = ResponseOf<typeof apis.createPartitions>['results'][number]

export const createPartitions = handler(
  apis.createPartitions,
  { min: 0, max: 3 },
  async (request, context) => {
    const duplicates = duplicatesOf(request.topics.map(topic => topic.name))
    const wanted = request.topics.filter(topic => !duplicates.has(topic.name))
    const refused = [...duplicates].map(name => ({
      name,
      errorCode: errorCodes.INVALID_REQUEST,
      errorMessage: 'Duplicate topic in request.',
    }))
    const results = wanted.length === 0 ? [] : await grow(wanted, request, context)
    return { throttleTimeMs: 0, results: [...refused, ...results] }
  },
)

async function grow(
  wanted: readonly TopicRequest[],
  { timeoutMs, validateOnly }: Request,
  context: HandlerContext,
): Promise<readonly Answer[]> {
  const topics = wanted.map(({ name, count, assignments }) => ({
    name,
    count,
    assignments: assignments?.map(({ brokerIds }) => brokerIds) ?? null,
  }))
  const forwarded = await forward(
    context.controller,
    'createPartitions',
    { validateOnly, topics },
    timeoutMs,
  )
  if (forwarded.kind === 'failed') {
    const { errorCode, errorMessage } = forwarded
    return wanted.map(({ name }) => ({ name, errorCode, errorMessage }))
  }
  const results = forwarded.response.topics
  if (!validateOnly) {
    const done = new Set(
      results.filter(({ errorCode }) => errorCode === errorCodes.NONE).map(({ name }) => name),
    )
    const grown = topics.filter(({ name }) => done.has(name))
    await context.imageWaiters.until(image =>
      grown.every(
        ({ name, count }) => (image.topicsByName.get(name)?.partitions.length ?? count) >= count,
      ),
    )
  }
  return results.map(({ name, errorCode, errorMessage }) => ({ name, errorCode, errorMessage }))
}
