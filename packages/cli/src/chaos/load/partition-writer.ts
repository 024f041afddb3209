import { setTimeout as sleep } from 'node:timers/promises'
import { Producer, type ClusterClient, type Delivery } from '../../client/index.ts'
import type { HistoryFile } from '../history-file.ts'
import type { LoadCounters } from './counters.ts'

export interface PartitionWriterOptions {
  readonly client: ClusterClient
  readonly process: string
  readonly topic: string
  readonly partition: number
  readonly acks: -1 | 1
  readonly recordsPerSecond: number
  readonly file: HistoryFile
  readonly counters: LoadCounters
  readonly isStopped: () => boolean
}

/** A partition that was away takes what is due in sends of this size, and does not make up for more than one of them. */
const recordsPerSendMax = 100
/** Who says nothing for two seconds is asked anew, where the leader is by then; Kafka's own clients take 30. */
const requestTimeoutMs = 1500
/** Longer than a cluster needs to get over any single fault; after it the outcome is unknown. */
const deliveryTimeoutMs = 60_000
const errorPauseMs = 100
const pauseMaxMs = 50

/** One send after the other, by a schedule; each is in the history before its first byte leaves. */
export async function writePartition(options: PartitionWriterOptions): Promise<void> {
  const { recordsPerSecond, counters, isStopped } = options
  const intervalMs = 1000 / recordsPerSecond
  let sender: Sender | null = null
  let nextDueMs = performance.now()
  while (!isStopped()) {
    const waitMs = nextDueMs - performance.now()
    if (waitMs > 0) {
      await sleep(Math.min(waitMs, pauseMaxMs))
      continue
    }
    try {
      sender ??= await Sender.open(options)
    } catch (error) {
      counters.failed((error as Error).message)
      await sleep(errorPauseMs)
      continue
    }
    const due = Math.floor(-waitMs / intervalMs) + 1
    const count = Math.min(due, recordsPerSendMax)
    nextDueMs = due > count ? performance.now() : nextDueMs + count * intervalMs
    if (await writeOnce(options, sender, count)) continue
    // A batch of unknown outcome may have taken its sequence numbers: a new producer id has no such doubt.
    sender = null
  }
}

/** False: nobody knows whether it was written. */
async function writeOnce(
  { process, topic, partition, acks, file, counters }: PartitionWriterOptions,
  sender: Sender,
  count: number,
): Promise<boolean> {
  const values = counters.takeValues(count)
  const name = `${topic}/${partition}`
  const op = file.beginSend({ process, partition: name, values, acks, atMostOnce: acks === -1 })
  const { baseOffset, error } = await sender.send(values)
  if (error === null) {
    file.acknowledged(op, baseOffset)
    counters.acknowledged(partition, count)
    return true
  }
  file.unknown(op, error)
  counters.unknown += count
  counters.failed(error)
  return false
}

class Sender {
  readonly #producer: Producer
  readonly #partition: number
  #delivery: Delivery | null = null

  private constructor({ client, topic, partition, acks }: PartitionWriterOptions) {
    this.#partition = partition
    this.#producer = new Producer(client, {
      topic,
      acks,
      deliveryTimeoutMs,
      requestTimeoutMs,
      onDelivery: delivery => (this.#delivery = delivery),
    })
  }

  static async open(options: PartitionWriterOptions): Promise<Sender> {
    const sender = new Sender(options)
    await sender.#producer.open()
    return sender
  }

  async send(values: readonly number[]): Promise<Pick<Delivery, 'baseOffset' | 'error'>> {
    this.#delivery = null
    try {
      for (const value of values) {
        await this.#producer.send({ key: null, value: Buffer.from(String(value)) }, this.#partition)
      }
      await this.#producer.flush()
      return this.#delivery ?? { baseOffset: -1, error: 'the producer told nothing' }
    } catch (error) {
      return { baseOffset: -1, error: (error as Error).message }
    }
  }
}
