/**
 * Produce v3–13: appends one record batch per partition and answers when `acks` is met.
 *
 * - acks 0: no answer; an error closes the connection, which is how the client learns of it. acks 1: the leader has it.
 *   acks −1: every in-sync replica has it, and those are at least min.insync.replicas.
 * - Validation before anything is appended, per partition (protocol's validateProduceBatch): one batch, magic 2, CRC,
 *   size, offsets, keys of compacted topics, timestamps, zstd from v7; v8+ lists the records at fault (KIP-467).
 *   Compressed records are stored unseen unless the topic or compressed.batches.inspect wants them checked; Kafka unpacks
 *   every batch.
 * - The append itself happens before this function first waits, so the order of one connection's requests holds.
 * - v10+ tells with NOT_LEADER_OR_FOLLOWER who leads now and where (KIP-951). v13 names topics by id (KIP-516).
 * - Internal topics refuse clients with INVALID_TOPIC_EXCEPTION, whatever the client calls itself.
 * - `compression.type` other than `producer`: a batch in another codec is encoded anew.
 *
 * Not done: transactions. No transactional id is handed out (22-init-producer-id.ts), so a transactional batch is
 * INVALID_TXN_STATE, or TRANSACTIONAL_ID_AUTHORIZATION_FAILED in a request without the id, as with Kafka.
 */
import { giveBack, type TopicId } from '@trimaran/common'
import type { Image, TopicImage } from '@trimaran/metadata'
import {
  apis,
  errorCodes,
  validateProduceBatch,
  type RequestOf,
  type ResponseOf,
} from '@trimaran/protocol'
import { CloseConnection } from '../connection.ts'
import { recompress } from '../recompress.ts'
import type { AppendPartition, AppendResult } from '../replication/types.ts'
import { topicConfig } from '../topic-configs.ts'
import { LeaderHints, internalTopics, partitionOf } from '../topics.ts'
import { handler, type HandlerContext } from './handler.ts'

type Request = RequestOf<typeof apis.produce>
type TopicRequest = Request['topicData'][number]
type PartitionRequest = TopicRequest['partitionData'][number]
type Response = ResponseOf<typeof apis.produce>
type TopicAnswer = Response['responses'][number]
type PartitionAnswer = TopicAnswer['partitionResponses'][number]
type RecordErrors = NonNullable<PartitionAnswer['recordErrors']>

/** A client waits no longer than this for its acknowledgement, whatever it asks for. */
const maxTimeoutMs = 15 * 60_000

interface Slot {
  readonly topic: TopicImage | undefined
  readonly index: number
  readonly sizeBytes: number
  /** Its place among the appends, or the answer it already has. */
  readonly outcome:
    | {
        readonly kind: 'appends'
        readonly at: number
        readonly topicId: TopicId
        readonly recordCount: number
      }
    | { readonly kind: 'answered'; readonly answer: PartitionAnswer }
}
/** What the answer is made of. It waits for followers, and nothing in here is a view on the request. */
interface Plan {
  readonly topics: readonly {
    readonly name: string
    readonly topicId: TopicId
    readonly slots: readonly Slot[]
  }[]
}

export const produce = handler(apis.produce, { min: 3, max: 13 }, (request, context) => {
  const image = context.image()
  const { appends, plan } = planAppends(request, image, context)
  const appended = context.replicas.append({
    acks: request.acks,
    timeoutMs: Math.min(Math.max(request.timeoutMs, 0), maxTimeoutMs),
    partitions: appends,
  })
  giveBackRecords(request)
  return request.acks === 0
    ? appended.then(results => closeOnError(plan, results, context))
    : appended.then(results => answer(plan, results, context))
})

/** They are in the log, or refused, and the answer waits for followers: the request is not held until then. */
function giveBackRecords({ topicData }: Request): void {
  for (const { partitionData } of topicData) {
    for (const { records } of partitionData) if (records !== null) giveBack(records)
  }
}

function planAppends(
  request: Request,
  image: Image,
  context: HandlerContext,
): { readonly appends: readonly AppendPartition[]; readonly plan: Plan } {
  const appends: AppendPartition[] = []
  const topics = request.topicData.map(topicRequest => {
    const byId = context.header.apiVersion >= 13
    const topic = byId
      ? image.topicsById.get(topicRequest.topicId)
      : image.topicsByName.get(topicRequest.name)
    const slots = topicRequest.partitionData.map((partition): Slot => {
      const slot = { topic, index: partition.index, sizeBytes: partition.records?.length ?? 0 }
      const checked = checkPartition(request, topic, partition, context)
      if (checked.kind === 'refused')
        return { ...slot, outcome: { kind: 'answered', answer: checked.answer } }
      appends.push(checked.append)
      const { topicId, header } = checked.append
      const at = appends.length - 1
      return { ...slot, outcome: { kind: 'appends', at, topicId, recordCount: header.recordCount } }
    })
    return { name: topicRequest.name, topicId: topicRequest.topicId, slots }
  })
  return { appends, plan: { topics } }
}

type Checked =
  | { readonly kind: 'append'; readonly append: AppendPartition }
  | { readonly kind: 'refused'; readonly answer: PartitionAnswer }

function checkPartition(
  request: Request,
  topic: TopicImage | undefined,
  partition: PartitionRequest,
  context: HandlerContext,
): Checked {
  const { index } = partition
  if (request.acks !== 0 && request.acks !== 1 && request.acks !== -1) {
    return refused(index, errorCodes.INVALID_REQUIRED_ACKS)
  }
  if (topic === undefined) {
    const byId = context.header.apiVersion >= 13
    return refused(
      index,
      byId ? errorCodes.UNKNOWN_TOPIC_ID : errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
    )
  }
  if (internalTopics.has(topic.name)) {
    return refused(
      index,
      errorCodes.INVALID_TOPIC_EXCEPTION,
      `${topic.name} is written by brokers alone`,
    )
  }
  if (partitionOf(topic, index) === undefined)
    return refused(index, errorCodes.UNKNOWN_TOPIC_OR_PARTITION)
  return checkBatch(request, topic, partition, context)
}

function checkBatch(
  request: Request,
  topic: TopicImage,
  { index, records }: PartitionRequest,
  context: HandlerContext,
): Checked {
  const config = topicConfig(context.image(), context.config, context.nodeId, topic.name)
  const nowMs = context.clock.wallMs()
  const checked = validateProduceBatch(records, {
    apiVersion: context.header.apiVersion,
    maxMessageBytes: config.maxMessageBytes,
    compactedTopic: config.cleanupPolicy.includes('compact'),
    timestampBeforeMaxMs: config.messageTimestampBeforeMaxMs,
    timestampAfterMaxMs: config.messageTimestampAfterMaxMs,
    timestampType: config.messageTimestampType === 'LogAppendTime' ? 'logAppendTime' : 'createTime',
    nowMs,
    // What will be encoded anew is unpacked then, and within bounds only if it was looked at.
    inspectCompressed: context.config.inspectCompressed || config.compressionType !== 'producer',
  })
  if (!checked.ok)
    return refused(index, checked.errorCode, checked.errorMessage, checked.recordErrors)
  if (checked.header.isTransactional) {
    return request.transactionalId === null
      ? refused(index, errorCodes.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
      : refused(index, errorCodes.INVALID_TXN_STATE, 'transactions are not supported')
  }
  const stored = recompress(records as Uint8Array, checked.header, config)
  if (stored.kind === 'refused') return refused(index, stored.errorCode, stored.errorMessage)
  const { batch, header } = stored
  return { kind: 'append', append: { topicId: topic.id, partition: index, batch, header } }
}

const refused = (
  index: number,
  errorCode: number,
  errorMessage: string | null = null,
  recordErrors: RecordErrors = [],
): Checked => ({
  kind: 'refused',
  answer: {
    index,
    errorCode,
    errorMessage,
    recordErrors,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
  },
})

function answer(plan: Plan, results: readonly AppendResult[], context: HandlerContext): Response {
  const hints = new LeaderHints(context.image(), context.connection.listenerName)
  const responses = plan.topics.map(({ name, topicId, slots }): TopicAnswer => ({
    name,
    topicId,
    partitionResponses: slots.map(slot => answerSlot(slot, results, { context, hints })),
  }))
  return { responses, throttleTimeMs: 0, nodeEndpoints: hints.nodes }
}

function answerSlot(
  slot: Slot,
  results: readonly AppendResult[],
  { context, hints }: { readonly context: HandlerContext; readonly hints: LeaderHints },
): PartitionAnswer {
  if (slot.outcome.kind === 'answered') {
    count(slot, slot.outcome.answer.errorCode, 0, context)
    return slot.outcome.answer
  }
  const { at, topicId, recordCount } = slot.outcome
  const result = results[at] as AppendResult
  count(slot, result.errorCode, recordCount, context)
  const partition: PartitionAnswer = {
    index: slot.index,
    errorCode: result.errorCode,
    errorMessage: result.errorMessage,
    recordErrors: [],
    baseOffset: result.baseOffset,
    logAppendTimeMs: result.logAppendTimeMs,
    logStartOffset: result.logStartOffset,
  }
  if (result.errorCode !== errorCodes.NOT_LEADER_OR_FOLLOWER) return partition
  const leader = result.currentLeader ?? hints.leaderOf(topicId, slot.index)
  if (leader === undefined) return partition
  hints.add(leader)
  return { ...partition, currentLeader: leader }
}

/** acks 0: there is no answer to put an error into. */
function closeOnError(plan: Plan, results: readonly AppendResult[], context: HandlerContext): null {
  const hints = new LeaderHints(context.image(), context.connection.listenerName)
  for (const { slots } of plan.topics) {
    for (const slot of slots) {
      const { errorCode } = answerSlot(slot, results, { context, hints })
      if (errorCode !== errorCodes.NONE)
        throw new CloseConnection(`produce with acks 0 failed: ${errorCode}`)
    }
  }
  return null
}

function count(
  slot: Slot,
  errorCode: number,
  recordCount: number,
  { metrics }: HandlerContext,
): void {
  const ofTopic = slot.topic === undefined ? undefined : metrics.ofTopic(slot.topic.name)
  for (const topic of ofTopic === undefined ? [metrics.allTopics] : [metrics.allTopics, ofTopic]) {
    topic.produceRequests.add()
    if (errorCode !== errorCodes.NONE) topic.failedProduceRequests.add()
    else {
      topic.messagesIn.add(recordCount)
      topic.bytesIn.add(slot.sizeBytes)
    }
  }
}
