import { apis, encodeBatch, errorCodes } from '@trimaran/protocol'
import type { Send } from 'trimaran/history'
import { violated } from '../../checkers/violation.ts'
import { NoAnswer } from './kafka-client.ts'
import type { KafkaClient, PartitionAddress } from './kafka-client.ts'
import { encodeValue } from './values.ts'
import type { Values } from './values.ts'

/**
 * Sends batches of the very size that a topic takes at most, of one byte less and of one byte more, each once. What is too
 * large is refused and never written, what is not is never refused for its size. They are also larger than what some fetches
 * ask for, and have to be replicated and read all the same.
 */
export class GiantProducer {
  readonly #client: KafkaClient
  readonly #topic: string
  readonly #maxMessageBytes: number
  readonly #values: Values

  constructor(client: KafkaClient, topic: string, maxMessageBytes: number, values: Values) {
    this.#client = client
    this.#topic = topic
    this.#maxMessageBytes = maxMessageBytes
    this.#values = values
  }

  async run(): Promise<void> {
    const { random, shared } = this.#client
    while (!shared.isDraining) {
      await this.#client.sleep(random.between(100, 900))
      if (shared.isDraining) return
      const address = random.pick(this.#client.topics.get(this.#topic)?.partitions ?? [null])
      if (address === null || address.leader < 0) await this.#client.refresh([this.#topic])
      else await this.#send(address)
    }
  }

  async #send(address: PartitionAddress): Promise<void> {
    const { random, shared, name, nowUs } = this.#client
    const values = this.#values.take(1)
    const excessBytes = random.pick([-1, 0, 1])
    const send: Send = {
      process: name,
      partition: `${address.topicId}/${address.partition}`,
      values,
      acks: -1,
      atMostOnce: true,
      invokedAt: nowUs,
      endedAt: 0,
      status: 'open',
      baseOffset: -1,
    }
    shared.history.sends.push(send)
    const records = batchOf(values[0] as number, this.#maxMessageBytes + excessBytes)
    const told = await this.#ask(address, records)
    send.endedAt = this.#client.nowUs
    send.status = 'unknown'
    if (told === null) return
    const { errorCode, baseOffset } = told
    shared.marks.told('produce', errorCode)
    const isRefused = errorCode === errorCodes.MESSAGE_TOO_LARGE
    if (isRefused ? excessBytes <= 0 : errorCode === errorCodes.NONE && excessBytes > 0) {
      violated(
        'K5',
        `a batch of ${records.length} bytes of at most ${this.#maxMessageBytes} is answered with ${errorCode}`,
      )
    }
    if (isRefused) send.status = 'failed'
    if (errorCode !== errorCodes.NONE) {
      if (!isRefused) await this.#client.refresh([this.#topic])
      return
    }
    shared.marks.hit('produce: as large as may be')
    send.status = 'acked'
    send.baseOffset = baseOffset
    const { topicId, partition } = address
    shared.oracle.acked({ topicId, partition, baseOffset, values, acks: -1 })
  }

  async #ask(
    address: PartitionAddress,
    records: Uint8Array,
  ): Promise<{ readonly errorCode: number; readonly baseOffset: number } | null> {
    const partitionData = [{ index: address.partition, records }]
    try {
      const answer = await this.#client.call(address.leader, apis.produce, {
        transactionalId: null,
        acks: -1,
        timeoutMs: 1_500,
        topicData: [{ name: this.#topic, topicId: address.topicId, partitionData }],
      })
      return answer.responses[0]?.partitionResponses[0] ?? null
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
      return null
    }
  }
}

/** Of exactly this size: filler makes up for what the lengths before it take. */
function batchOf(value: number, sizeBytes: number): Uint8Array {
  const encoded = (fillerBytes: number): Uint8Array =>
    encodeBatch({
      records: [{ value: encodeValue(value, fillerBytes), timestampMs: 1_700_000_000_000 }],
      compression: 'none',
      producerId: -1,
      producerEpoch: -1,
      baseSequence: -1,
    })
  let fillerBytes = sizeBytes - encoded(0).length
  let batch = encoded(fillerBytes)
  for (let tries = 0; batch.length !== sizeBytes && tries < 8; tries++) {
    fillerBytes += sizeBytes - batch.length
    batch = encoded(fillerBytes)
  }
  if (batch.length !== sizeBytes) throw new Error(`no batch has ${sizeBytes} bytes`)
  return batch
}
