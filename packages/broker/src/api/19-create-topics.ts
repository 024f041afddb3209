/**
 * CreateTopics v2–7: forwarded to the controller from whichever broker is asked (KIP-590).
 *
 * - −1 for partitions and replication factor: the cluster's defaults (KIP-464). validateOnly creates nothing.
 * - The same name twice: INVALID_REQUEST for it, the rest is created. The quorum's own topic cannot be created.
 * - v5+ tells the topic's configuration (KIP-525), v7+ its id (KIP-516).
 * - After a success this broker answers once its own metadata show the topic, if that comes soon: clients ask it next.
 *
 * Not done: throttling of mutations (v6, KIP-599); the throttle time is always 0.
 */
import { configSources, describeTopicConfigs } from '@trimaran/metadata'
import { apis, errorCodes, type RequestOf, type ResponseOf } from '@trimaran/protocol'
import { forward, type Forwarded, inParts } from '../forward.ts'
import { clusterMetadataTopic } from '../topics.ts'
import { duplicatesOf } from './duplicates.ts'
import { handler, type HandlerContext } from './handler.ts'

type Request = RequestOf<typeof apis.createTopics>
type TopicRequest = Request['topics'][number]
type Failure = Extract<Forwarded<'createTopics'>, { kind: 'failed' }>
type Answered = Extract<Forwarded<'createTopics'>, { kind: 'answered' }>
type TopicAnswer = ResponseOf<typeof apis.createTopics>['topics'][number]

export const createTopics = handler(
  apis.createTopics,
  { min: 2, max: 7 },
  async (request, context) => {
    const duplicates = duplicatesOf(request.topics.map(topic => topic.name))
    const answers = new Map<string, TopicAnswer>()
    const wanted: TopicRequest[] = []
    for (const topic of request.topics) {
      if (duplicates.has(topic.name)) {
        answers.set(
          topic.name,
          failed(topic.name, errorCodes.INVALID_REQUEST, 'Duplicate topic name.'),
        )
      } else if (topic.name === clusterMetadataTopic) {
        const message = `Creation of internal topic ${clusterMetadataTopic} is prohibited.`
        answers.set(topic.name, failed(topic.name, errorCodes.INVALID_REQUEST, message))
      } else wanted.push(topic)
    }
    if (wanted.length > 0) await create(wanted, request, answers, context)
    return { throttleTimeMs: 0, topics: [...answers.values()] }
  },
)

async function create(
  wanted: readonly TopicRequest[],
  request: Request,
  answers: Map<string, TopicAnswer>,
  context: HandlerContext,
): Promise<void> {
  const deadlineMs = context.clock.monotonicMs() + request.timeoutMs
  const created: string[] = []
  let failure: Failure | null = null
  // Topics of one request are created independently of each other, as in Kafka.
  for (const part of inParts(wanted, partitionCountOf)) {
    const forwarded: Forwarded<'createTopics'> =
      failure ?? (await forwardPart(part, request, deadlineMs, context))
    if (forwarded.kind === 'answered') {
      take(forwarded.response.topics, part, created, answers, context)
      continue
    }
    // Nobody answers: the rest would wait as long.
    failure = forwarded
    const { errorCode, errorMessage } = forwarded
    for (const { name } of part) answers.set(name, failed(name, errorCode, errorMessage))
  }
  if (request.validateOnly) return
  await context.imageWaiters.until(image => created.every(name => image.topicsByName.has(name)))
}

/** −1 for the default of the cluster, which is small. */
const partitionCountOf = (topic: TopicRequest): number =>
  Math.max(topic.numPartitions, topic.assignments.length)

function forwardPart(
  part: readonly TopicRequest[],
  { validateOnly }: Request,
  deadlineMs: number,
  context: HandlerContext,
): Promise<Forwarded<'createTopics'>> {
  const topics = part.map(topic => ({
    name: topic.name,
    partitionCount: topic.numPartitions,
    replicationFactor: topic.replicationFactor,
    assignments: topic.assignments.map(({ partitionIndex, brokerIds }) => ({
      partition: partitionIndex,
      brokerIds,
    })),
    configs: topic.configs,
  }))
  const leftMs = deadlineMs - context.clock.monotonicMs()
  return forward(context.controller, 'createTopics', { validateOnly, topics }, leftMs)
}

function take(
  topics: Answered['response']['topics'],
  part: readonly TopicRequest[],
  created: string[],
  answers: Map<string, TopicAnswer>,
  context: HandlerContext,
): void {
  const configsByName = new Map(part.map(topic => [topic.name, topic.configs]))
  for (const topic of topics) {
    if (topic.errorCode !== errorCodes.NONE) {
      answers.set(topic.name, failed(topic.name, topic.errorCode, topic.errorMessage))
      continue
    }
    created.push(topic.name)
    answers.set(topic.name, {
      name: topic.name,
      topicId: topic.topicId,
      errorCode: errorCodes.NONE,
      errorMessage: null,
      numPartitions: topic.partitionCount,
      replicationFactor: topic.replicationFactor,
      configs: configsOfNew(configsByName.get(topic.name) ?? [], context),
    })
  }
}

const failed = (name: string, errorCode: number, errorMessage: string | null): TopicAnswer => ({
  name,
  errorCode,
  errorMessage,
  configs: [],
})

/** As the metadata will show it: they may not have the topic yet. */
function configsOfNew(
  overrides: TopicRequest['configs'],
  context: HandlerContext,
): NonNullable<TopicAnswer['configs']> {
  const own = new Map(overrides.map(({ name, value }) => [name, value]))
  const { config, nodeId } = context
  return describeTopicConfigs(context.image(), config.properties, '', nodeId).map(
    ({ name, value, readOnly, source, isSensitive }) => {
      const override = own.get(name) ?? null
      return {
        name,
        value: override ?? value,
        readOnly,
        configSource: override === null ? source : configSources.DYNAMIC_TOPIC_CONFIG,
        isSensitive,
      }
    },
  )
}
