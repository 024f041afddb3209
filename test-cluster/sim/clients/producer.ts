import { apis, encodeBatch, errorCodes } from '@trimaran/protocol'
import type { Compression } from '@trimaran/protocol'
import type { Send } from 'trimaran/history'
import { violated } from '../../checkers/violation.ts'
import { NoAnswer } from './kafka-client.ts'
import type { KafkaClient, PartitionAddress } from './kafka-client.ts'
import { encodeValue } from './values.ts'
import type { Values } from './values.ts'

export interface ProducerProfile {
  readonly topic: string
  readonly acks: -1 | 0 | 1
  /** With sequence numbers and retries; else every batch is sent once. */
  readonly isIdempotent: boolean
  readonly inFlightMax: number
  readonly pauseMinMs: number
  readonly pauseMaxMs: number
  readonly recordsMax: number
  readonly fillerBytesMax: number
  readonly compression: Compression
  /** The topic may be deleted and created again: only by its id is it clear which of them a record went to. */
  readonly isByTopicId: boolean
  /** After this a batch is given up, outcome unknown. */
  readonly deliveryTimeoutMs: number
}

/** Definitely not written. */
const refusals: ReadonlySet<number> = new Set([
  errorCodes.NOT_ENOUGH_REPLICAS,
  errorCodes.UNKNOWN_TOPIC_ID,
  errorCodes.FENCED_LEADER_EPOCH,
])

interface Batch {
  readonly send: Send
  readonly values: readonly number[]
  readonly fillerBytes: number
  readonly timestampMs: number
  readonly sequence: number
  readonly ordinal: number
}

/** The sequence numbers of one partition. */
class Line {
  readonly topicId: string
  readonly partition: number
  nextSequence = 0
  nextOrdinal = 0
  readonly queue: Batch[] = []
  isBusy = false
  /** Of the newest leader that has acknowledged anything. */
  ackedEpoch = -1

  constructor(topicId: string, partition: number) {
    this.topicId = topicId
    this.partition = partition
  }
}

/** One producer of one topic. Idempotent ones retry in order until a batch is acknowledged or given up. */
export class Producer {
  readonly acked = { batches: 0, records: 0 }
  unknown = 0
  readonly #client: KafkaClient
  readonly #profile: ProducerProfile
  readonly #values: Values
  readonly #lines = new Map<string, Line>()
  #producerId = -1
  #producerEpoch = -1
  #open = 0
  /** Changes with each new producer id: what was planned under the old one is off. */
  #era = 0

  constructor(client: KafkaClient, profile: ProducerProfile, values: Values) {
    this.#client = client
    this.#profile = profile
    this.#values = values
  }

  get name(): string {
    return this.#client.name
  }

  get isIdle(): boolean {
    return this.#open === 0
  }

  async run(): Promise<void> {
    const { pauseMinMs, pauseMaxMs, topic } = this.#profile
    const { random, shared } = this.#client
    while (!shared.isDraining) {
      await this.#client.sleep(random.between(pauseMinMs, pauseMaxMs))
      if (shared.isDraining) return
      const known = this.#client.topics.get(topic)
      if (known === undefined || known.partitions.length === 0) {
        await this.#client.refresh([topic])
        continue
      }
      if (this.#profile.isIdempotent && this.#producerId < 0) {
        // As clients do: whoever cannot give an id now is not asked again at once.
        if (!(await this.#init())) await this.#client.sleep(random.between(20, 120))
        continue
      }
      this.#produce(random.pick(known.partitions))
    }
  }

  #produce(address: PartitionAddress): void {
    const { random, shared } = this.#client
    const { acks, isIdempotent, recordsMax, fillerBytesMax, inFlightMax } = this.#profile
    const line = this.#line(address)
    if (isIdempotent && line.queue.length >= 3 * inFlightMax) return
    const values = this.#values.take(random.between(1, recordsMax))
    const send: Send = {
      process: this.#client.name,
      partition: `${address.topicId}/${address.partition}`,
      values,
      acks,
      atMostOnce: true,
      invokedAt: this.#client.nowUs,
      endedAt: 0,
      status: 'open',
      baseOffset: -1,
    }
    shared.history.sends.push(send)
    this.#open++
    const batch: Batch = {
      send,
      values,
      fillerBytes: random.between(0, fillerBytesMax),
      timestampMs: 1_700_000_000_000 + Math.floor(shared.world.nowMs),
      sequence: isIdempotent ? line.nextSequence : -1,
      ordinal: line.nextOrdinal++,
    }
    if (!isIdempotent) {
      this.#sendOnce(address, batch)
      return
    }
    line.nextSequence += values.length
    line.queue.push(batch)
    if (!line.isBusy) void this.#deliver(line)
  }

  #line({ topicId, partition }: PartitionAddress): Line {
    const key = `${topicId}/${partition}`
    const known = this.#lines.get(key)
    if (known) return known
    const line = new Line(topicId, partition)
    this.#lines.set(key, line)
    return line
  }

  #sendOnce(address: PartitionAddress, batch: Batch): void {
    if (this.#profile.acks === 0) {
      this.#client.cast(
        address.leader,
        apis.produce,
        this.#request(address, batch),
        this.#version(),
      )
      this.#end(batch, 'unknown', -1)
      return
    }
    void this.#attempt(address, batch).then(outcome => {
      if (outcome !== null) this.#client.shared.marks.told('produce', outcome.errorCode)
      if (outcome === null) this.#end(batch, 'unknown', -1)
      else if (outcome.errorCode === 0) this.#end(batch, 'acked', outcome.baseOffset)
      else this.#end(batch, refusals.has(outcome.errorCode) ? 'failed' : 'unknown', -1)
      if (outcome?.errorCode !== 0) void this.#client.refresh([this.#profile.topic])
    })
  }

  /** Rounds: all that is queued leaves pipelined, what is not acknowledged leaves again in the same order. */
  async #deliver(line: Line): Promise<void> {
    line.isBusy = true
    const era = this.#era
    while (line.queue.length > 0 && era === this.#era) {
      if (this.#isLate(line)) {
        this.#reset()
        break
      }
      const address = this.#address(line)
      if (address === 'gone') {
        // Or so a broker says that is ahead; one that is behind may say otherwise, and the sequences are used up.
        this.#reset()
        break
      }
      if (address !== null && address.leader >= 0) {
        const round = this.#round(line)
        const outcomes = await Promise.all(round.map(batch => this.#attempt(address, batch)))
        if (era !== this.#era) break
        const isDone = round.map((batch, at) =>
          this.#judge(line, batch, address.leaderEpoch, outcomes[at] ?? null),
        )
        if (era !== this.#era) break
        if (isDone.every(Boolean)) continue
      }
      await this.#client.refresh([this.#profile.topic])
      await this.#client.sleep(this.#client.random.between(20, 120))
    }
    line.isBusy = false
  }

  /** As many as brokers remember of a producer, counted from the oldest that is not acknowledged. */
  #round(line: Line): Batch[] {
    const first = line.queue[0]?.ordinal ?? 0
    return line.queue.filter(({ ordinal }) => ordinal < first + this.#profile.inFlightMax)
  }

  /** True when nothing is left to be done for the batch. */
  #judge(
    line: Line,
    batch: Batch,
    leaderEpoch: number,
    outcome: { errorCode: number; baseOffset: number } | null,
  ): boolean {
    if (outcome === null) return false
    const { errorCode, baseOffset } = outcome
    this.#client.shared.marks.told('produce', errorCode)
    switch (errorCode) {
      case errorCodes.NONE:
      case errorCodes.DUPLICATE_SEQUENCE_NUMBER:
        line.ackedEpoch = Math.max(line.ackedEpoch, leaderEpoch)
        line.queue.splice(line.queue.indexOf(batch), 1)
        this.#end(batch, 'acked', errorCode === 0 ? baseOffset : -1)
        return true
      case errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER:
      case errorCodes.UNKNOWN_PRODUCER_ID:
        // Behind a batch that failed it is to be expected.
        if (line.queue[0] !== batch) return false
        // One that is cut off and does not know yet that another one leads has missed what that one has acknowledged.
        if (leaderEpoch < line.ackedEpoch) return false
        // A leader without any state of the producer takes whatever sequence comes first, as Kafka does: if the first
        // batch was refused and the second one not, then the first one comes too late. So does one that was deleted before
        // anybody told that it was stored, once a leader is rebuilt from what is left. The producer begins anew.
        if (batch.sequence === 0 || this.#mayBeDeleted(line)) {
          this.#reset()
          return false
        }
        violated(
          'I3',
          `${this.#client.name}: error ${errorCode} for sequence ${batch.sequence} of ${batch.send.partition}, ` +
            'although all before it is acknowledged',
        )
        return false
      case errorCodes.INVALID_PRODUCER_EPOCH:
        return violated('I5', `${this.#client.name} is fenced, although nobody has its id`)
      default:
        return false
    }
  }

  #mayBeDeleted({ topicId, partition }: Line): boolean {
    return this.#client.shared.oracle.mayBeginAt(topicId, partition) > 0
  }

  #isLate(line: Line): boolean {
    const [first] = line.queue
    const ageUs = this.#client.nowUs - (first?.send.invokedAt ?? 0)
    return first !== undefined && ageUs > this.#profile.deliveryTimeoutMs * 1000
  }

  /**
   * Sequence numbers that may or may not be used up cannot be gone on with: a new producer id begins at 0, and so does a
   * new epoch of the same id (KIP-360).
   */
  #reset(): void {
    this.#era++
    const { random, shared } = this.#client
    if (random.chance(1, 2)) {
      this.#producerEpoch++
      shared.marks.hit('producer: new epoch')
    } else this.#producerId = -1
    for (const line of this.#lines.values()) this.#abandon(line)
    this.#lines.clear()
  }

  #abandon(line: Line): void {
    for (const batch of line.queue.splice(0)) this.#end(batch, 'unknown', -1)
  }

  #address(line: Line): PartitionAddress | 'gone' | null {
    const topic = this.#client.topics.get(this.#profile.topic)
    if (topic === undefined) return null
    if (topic.topicId !== line.topicId) return 'gone'
    return topic.partitions[line.partition] ?? null
  }

  #version(): number {
    const firstWithIds = 13
    return this.#client.version(apis.produce as never, this.#profile.isByTopicId ? firstWithIds : 0)
  }

  /** Null: no answer. */
  async #attempt(
    address: PartitionAddress,
    batch: Batch,
  ): Promise<{ errorCode: number; baseOffset: number } | null> {
    try {
      const request = this.#request(address, batch)
      const version = this.#version()
      const answer = await this.#client.call(address.leader, apis.produce, request, { version })
      const partition = answer.responses[0]?.partitionResponses[0]
      return partition ?? null
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
      return null
    }
  }

  #request(address: PartitionAddress, batch: Batch) {
    const { compression, acks, topic } = this.#profile
    const records = encodeBatch({
      records: batch.values.map(value => ({
        value: encodeValue(value, batch.fillerBytes),
        timestampMs: batch.timestampMs,
      })),
      compression,
      producerId: batch.sequence >= 0 ? this.#producerId : -1,
      producerEpoch: batch.sequence >= 0 ? this.#producerEpoch : -1,
      baseSequence: batch.sequence,
    })
    const partitionData = [{ index: address.partition, records }]
    return {
      transactionalId: null,
      acks,
      timeoutMs: 1_500,
      topicData: [{ name: topic, topicId: address.topicId, partitionData }],
    }
  }

  #end(batch: Batch, status: 'acked' | 'failed' | 'unknown', baseOffset: number): void {
    const { send, values } = batch
    // Given up because of another one of its round, and answered all the same.
    if (send.status === 'open') this.#open--
    send.endedAt = this.#client.nowUs
    send.status = status
    send.baseOffset = baseOffset
    if (status !== 'acked') {
      this.unknown++
      return
    }
    this.acked.batches++
    this.acked.records += values.length
    if (baseOffset < 0) return
    const [topicId = '', partition] = send.partition.split('/')
    const { acks } = send
    this.#client.shared.oracle.acked({
      topicId,
      partition: Number(partition),
      baseOffset,
      values,
      acks,
    })
  }

  /** False: no id yet. */
  async #init(): Promise<boolean> {
    try {
      const answer = await this.#client.call(this.#client.anyNode(), apis.initProducerId, {
        transactionalId: null,
        transactionTimeoutMs: 60_000,
      } as never)
      if (answer.errorCode !== 0) return false
      this.#producerId = answer.producerId
      this.#producerEpoch = answer.producerEpoch
      this.#client.shared.oracle.producerId(answer.producerId)
      return true
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
      return false
    }
  }
}
