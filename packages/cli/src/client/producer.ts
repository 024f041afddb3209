import { setTimeout as sleep } from 'node:timers/promises'
import {
  apis,
  encodeBatch,
  errorCodes,
  errorInfo,
  sequenceAfter,
  type Compression,
} from '@trimaran/protocol'
import { ConnectionError } from './connection.ts'
import { outcomeText, type ClusterClient, type TopicMetadata } from './cluster-client.ts'
import { partitionForKey } from './partitioner.ts'

export interface ProducerOptions {
  readonly topic: string
  readonly acks: -1 | 0 | 1
  readonly compression?: Compression
  /** Target size of a batch; one that is full is sent at once. */
  readonly batchBytes?: number
  /** How long a batch is tried until it counts as failed. */
  readonly deliveryTimeoutMs?: number
  /** How long a broker may wait for replicas; who says nothing for a third longer is asked anew. */
  readonly requestTimeoutMs?: number
  readonly onDelivery?: (delivery: Delivery) => void
}

export interface OutgoingRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly timestampMs?: number
}

/** The outcome of one batch: either it has offsets, or it failed and why. */
export interface Delivery {
  readonly partition: number
  readonly records: readonly OutgoingRecord[]
  /** −1 with acks 0: nobody knows. */
  readonly baseOffset: number
  readonly error: string | null
}

interface PartitionQueue {
  readonly partition: number
  waiting: OutgoingRecord[]
  waitingBytes: number
  /** One batch at a time: order holds through every retry. */
  sending: Promise<void> | null
  nextSequence: number
  /** How far its epoch is above the producer's. */
  epochBumps: number
}

const defaultBatchBytes = 256 * 1024
const deliveryTimeoutMs = 120_000
const requestTimeoutMs = 30_000
const retryPauseMs = 20
/** Producers stop taking records while so much waits: four full batches per partition of a wide topic. */
const bufferedBytesMax = 32 * 1024 * 1024

/** What a record costs in a batch besides key and value: lengths, deltas and attributes, all of them varints. */
const recordOverheadBytes = 24
const sizeOf = (record: OutgoingRecord): number =>
  (record.key?.length ?? 0) + (record.value?.length ?? 0) + recordOverheadBytes

/** From the front of the queue, one batch: at least one record, and no more than the target size. */
function takeBatch(
  queue: PartitionQueue,
  batchBytes: number,
): { readonly records: readonly OutgoingRecord[]; readonly bytes: number } {
  let bytes = 0
  let count = 0
  for (const record of queue.waiting) {
    const size = sizeOf(record)
    if (count > 0 && bytes + size > batchBytes) break
    bytes += size
    count++
  }
  queue.waitingBytes -= bytes
  return { records: queue.waiting.splice(0, count), bytes }
}

/** An idempotent producer (with acks=all): retries are never duplicated, order within a partition holds. */
export class Producer {
  readonly #client: ClusterClient
  readonly #options: ProducerOptions
  readonly #queues = new Map<number, PartitionQueue>()
  #topic: TopicMetadata | null = null
  #producerId = -1
  #producerEpoch = -1
  #bufferedBytes = 0
  #stickyPartition = -1
  #freed: (() => void) | null = null

  constructor(client: ClusterClient, options: ProducerOptions) {
    this.#client = client
    this.#options = options
  }

  async open(): Promise<void> {
    this.#topic = await this.#client.topic(this.#options.topic, true)
    if (this.#options.acks !== -1) return
    await this.#client.retry(async () => {
      const answer = await this.#client.request(apis.initProducerId, {
        transactionalId: null,
        transactionTimeoutMs: 60_000,
      })
      if (answer.errorCode !== errorCodes.NONE)
        throw new ConnectionError(outcomeText(answer.errorCode))
      this.#producerId = answer.producerId
      this.#producerEpoch = answer.producerEpoch
    })
  }

  /** Resolves when there is room for more; the delivery itself is told to `onDelivery`. */
  async send(record: OutgoingRecord, partition?: number): Promise<void> {
    const queue = this.#queue(partition ?? this.#choosePartition(record))
    queue.waiting.push(record)
    const bytes = sizeOf(record)
    queue.waitingBytes += bytes
    this.#bufferedBytes += bytes
    if (queue.waitingBytes >= this.#batchBytes) {
      this.#kick(queue)
      this.#stickyPartition = -1
    }
    while (this.#bufferedBytes > bufferedBytesMax) {
      this.#kickAll()
      await new Promise<void>(settle => (this.#freed = settle))
    }
  }

  /** Everything given so far is delivered or has failed. */
  async flush(): Promise<void> {
    for (;;) {
      this.#kickAll()
      const sending = [...this.#queues.values()]
        .map(queue => queue.sending)
        .filter(one => one !== null)
      if (sending.length === 0) return
      await Promise.all(sending)
    }
  }

  #kickAll(): void {
    for (const queue of this.#queues.values()) this.#kick(queue)
  }

  #queue(partition: number): PartitionQueue {
    let queue = this.#queues.get(partition)
    if (queue === undefined) {
      queue = {
        ...{ partition, waiting: [], waitingBytes: 0, sending: null },
        ...{ nextSequence: 0, epochBumps: 0 },
      }
      this.#queues.set(partition, queue)
    }
    return queue
  }

  #choosePartition(record: OutgoingRecord): number {
    const partitionCount = this.#topic?.partitions.length ?? 1
    if (record.key !== null) return partitionForKey(record.key, partitionCount)
    // Sticky (KIP-480): records without a key fill one batch before they go to the next partition.
    if (this.#stickyPartition < 0)
      this.#stickyPartition = Math.floor(Math.random() * partitionCount)
    return this.#stickyPartition
  }

  #kick(queue: PartitionQueue): void {
    if (queue.sending !== null || queue.waiting.length === 0) return
    const { records, bytes } = takeBatch(queue, this.#batchBytes)
    queue.sending = this.#deliver(queue, records).then(delivery => {
      queue.sending = null
      this.#bufferedBytes -= bytes
      this.#options.onDelivery?.(delivery)
      this.#freed?.()
      this.#freed = null
      if (queue.waitingBytes >= this.#batchBytes) this.#kick(queue)
    })
  }

  get #batchBytes(): number {
    return this.#options.batchBytes ?? defaultBatchBytes
  }

  get #requestTimeoutMs(): number {
    return this.#options.requestTimeoutMs ?? requestTimeoutMs
  }

  async #deliver(queue: PartitionQueue, records: readonly OutgoingRecord[]): Promise<Delivery> {
    const batch = this.#encode(queue, records)
    const deadlineMs = performance.now() + (this.#options.deliveryTimeoutMs ?? deliveryTimeoutMs)
    let error = 'no leader was found'
    let failedId = -1
    for (;;) {
      try {
        const outcome = await this.#attempt(queue.partition, batch)
        if (outcome.errorCode === errorCodes.NONE) {
          queue.nextSequence = sequenceAfter(queue.nextSequence, records.length)
          return {
            partition: queue.partition,
            records,
            baseOffset: outcome.baseOffset,
            error: null,
          }
        }
        error = outcomeText(outcome.errorCode, outcome.errorMessage)
        if (!errorInfo(outcome.errorCode).retriable) break
      } catch (caught) {
        if (!(caught instanceof ConnectionError)) throw caught
        error = caught.message
      }
      if (performance.now() > deadlineMs) break
      await sleep(retryPauseMs)
      // Whoever failed twice and still names itself the leader is asked last.
      const leaderId = this.#leaderOf(queue.partition)
      if (leaderId === failedId) this.#client.doubt(leaderId)
      failedId = leaderId
      await this.#refresh()
    }
    // It may be stored all the same. The next batch, under its sequence numbers, would be taken for its repetition and
    // dropped; in a new epoch it counts from 0, and what is still on its way of the old one is refused (KIP-360).
    queue.epochBumps++
    queue.nextSequence = 0
    return { partition: queue.partition, records, baseOffset: -1, error }
  }

  async #refresh(): Promise<void> {
    try {
      const answer = await this.#client.metadata([this.#options.topic])
      if (answer.topics[0]?.errorCode === errorCodes.NONE) this.#topic = answer.topics[0]
    } catch {
      // The next attempt asks again; the deadline bounds it.
    }
  }

  #encode(queue: PartitionQueue, records: readonly OutgoingRecord[]): Uint8Array {
    const nowMs = Date.now()
    return encodeBatch({
      records: records.map(({ key, value, timestampMs }) => ({
        key,
        value,
        headers: [],
        timestampMs: timestampMs ?? nowMs,
      })),
      compression: this.#options.compression ?? 'none',
      producerId: this.#producerId,
      producerEpoch: this.#producerId < 0 ? -1 : this.#producerEpoch + queue.epochBumps,
      baseSequence: this.#producerId < 0 ? -1 : queue.nextSequence,
    })
  }

  /** −1: none is known. */
  #leaderOf(partition: number): number {
    const known = this.#topic?.partitions.find(one => one.partitionIndex === partition)
    return known?.leaderId ?? -1
  }

  async #attempt(
    partition: number,
    batch: Uint8Array,
  ): Promise<{ errorCode: number; errorMessage: string | null; baseOffset: number }> {
    const topic = this.#topic
    const leaderId = this.#leaderOf(partition)
    if (topic === null || leaderId < 0)
      return { errorCode: errorCodes.LEADER_NOT_AVAILABLE, errorMessage: null, baseOffset: -1 }
    const connection = await this.#client.broker(leaderId)
    const body = {
      transactionalId: null,
      acks: this.#options.acks,
      timeoutMs: this.#requestTimeoutMs,
      topicData: [
        {
          name: this.#options.topic,
          topicId: topic.topicId,
          partitionData: [{ index: partition, records: batch }],
        },
      ],
    }
    if (this.#options.acks === 0) {
      connection.sendUnanswered(apis.produce, body)
      return { errorCode: errorCodes.NONE, errorMessage: null, baseOffset: -1 }
    }
    const answer = await connection.request(
      apis.produce,
      body,
      Math.ceil((this.#requestTimeoutMs * 4) / 3),
    )
    const outcome = answer.responses[0]?.partitionResponses[0]
    if (outcome === undefined)
      throw new ConnectionError('the broker answered a produce request without its partition')
    return outcome
  }
}
