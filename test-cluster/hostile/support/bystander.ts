import { setTimeout as sleep } from 'node:timers/promises'
import { apis } from '@trimaran/protocol'
import { ClusterClient, ConnectionError, PartitionReader, Producer } from 'trimaran/client'
import type { ConsumedRecord, Delivery, Position } from 'trimaran/client'

const topic = 'bystander'
const partitions = [0, 1, 2]
/** Between batches of one partition: a few hundred requests a second in all, light beside what is under test. */
const pauseMs = 5
const drainTimeoutMs = 30_000

export interface Verdict {
  readonly acknowledged: number
  /** The longest time in which no partition acknowledged anything. */
  readonly longestSilenceMs: number
}

/**
 * A well-behaved idempotent producer and a consumer, at work while something hostile happens beside them. `finish` says
 * that every acknowledged record is where it was acknowledged, once, and that the consumer saw each offset once and in
 * order.
 */
export class Bystander {
  readonly #client: ClusterClient
  readonly #acknowledged = new Map<string, string>()
  readonly #failed: string[] = []
  readonly #seen = new Map<string, string>()
  readonly #nextSeen = new Map<number, number>()
  readonly #loops: Promise<void>[] = []
  readonly #reader: PartitionReader
  #stopped = false
  #lastAckMs = performance.now()
  #longestSilenceMs = 0

  static async start(bootstrapServers: string): Promise<Bystander> {
    const client = new ClusterClient({ bootstrapServers, clientId: 'bystander' })
    await client.request(apis.createTopics, {
      topics: [
        { name: topic, numPartitions: 3, replicationFactor: 3, assignments: [], configs: [] },
      ],
      timeoutMs: 10_000,
      validateOnly: false,
    })
    const bystander = new Bystander(client)
    await bystander.#begin()
    return bystander
  }

  private constructor(client: ClusterClient) {
    this.#client = client
    this.#reader = new PartitionReader(client, { readCommitted: false })
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.size
  }

  /** Returns when each partition has acknowledged something new. */
  async madeProgress(count = 10): Promise<void> {
    const target = this.#acknowledged.size + count
    const deadlineMs = performance.now() + drainTimeoutMs
    while (this.#acknowledged.size < target) {
      if (performance.now() > deadlineMs) throw new Error('the bystander is stuck')
      await sleep(5)
    }
  }

  async finish(): Promise<Verdict> {
    this.#stopped = true
    await Promise.all(this.#loops)
    await this.#drain()
    await this.#client.close()
    const wrong = [...this.#failed]
    const values = new Map<string, string>()
    for (const [place, value] of this.#seen) {
      const other = values.get(value)
      if (other !== undefined) wrong.push(`${value} is at ${other} and at ${place}`)
      values.set(value, place)
    }
    for (const [place, value] of this.#acknowledged) {
      const seen = this.#seen.get(place)
      if (seen !== value) wrong.push(`${value} was acknowledged at ${place}, there is ${seen}`)
    }
    if (wrong.length > 0) {
      throw new Error(`${wrong.length} violations: ${wrong.slice(0, 5).join('; ')}`)
    }
    return { acknowledged: this.#acknowledged.size, longestSilenceMs: this.#longestSilenceMs }
  }

  async #begin(): Promise<void> {
    const producers = partitions.map(
      () => new Producer(this.#client, { topic, acks: -1, onDelivery: one => this.#took(one) }),
    )
    for (const producer of producers) await producer.open()
    this.#reader.assign(
      partitions.map(partition => ({ topic, partition, nextOffset: 0, highWatermark: -1 })),
    )
    this.#lastAckMs = performance.now()
    for (const partition of partitions) {
      this.#loops.push(this.#produce(producers[partition] as Producer, partition))
    }
    this.#loops.push(this.#consume())
  }

  async #produce(producer: Producer, partition: number): Promise<void> {
    for (let count = 0; !this.#stopped; count++) {
      const value = Buffer.from(`${partition}/${count}/${'x'.repeat(count % 300)}`)
      await producer.send({ key: null, value }, partition)
      await producer.flush()
      await sleep(pauseMs)
    }
  }

  #took({ partition, records, baseOffset, error }: Delivery): void {
    const nowMs = performance.now()
    this.#longestSilenceMs = Math.max(this.#longestSilenceMs, nowMs - this.#lastAckMs)
    this.#lastAckMs = nowMs
    if (error !== null) {
      this.#failed.push(`a record for ${partition} failed: ${error}`)
      return
    }
    for (const [at, { value }] of records.entries()) {
      this.#acknowledged.set(`${partition}@${baseOffset + at}`, Buffer.from(value ?? []).toString())
    }
  }

  async #consume(): Promise<void> {
    while (!this.#stopped) await this.#poll()
  }

  async #poll(): Promise<void> {
    let records: ConsumedRecord[]
    try {
      records = await this.#reader.poll()
    } catch (error) {
      // The broker that was asked may not have heard of the new topic yet.
      const isEarly = error instanceof Error && error.name === 'CliError' && this.#seen.size === 0
      if (!(error instanceof ConnectionError) && !isEarly) throw error
      await sleep(20)
      return
    }
    for (const { partition, offset, value } of records) {
      const expected = this.#nextSeen.get(partition) ?? 0
      if (offset !== expected)
        this.#failed.push(`offset ${offset} of ${partition} after ${expected - 1}`)
      this.#nextSeen.set(partition, offset + 1)
      this.#seen.set(`${partition}@${offset}`, Buffer.from(value ?? []).toString())
    }
  }

  /** Reads on to the last acknowledged offset. */
  async #drain(): Promise<void> {
    const ends = new Map<number, number>()
    for (const place of this.#acknowledged.keys()) {
      const [partition, offset] = place.split('@').map(Number) as [number, number]
      ends.set(partition, Math.max(ends.get(partition) ?? 0, offset + 1))
    }
    const isRead = ({ partition, nextOffset }: Position): boolean =>
      nextOffset >= (ends.get(partition) ?? 0)
    const deadlineMs = performance.now() + drainTimeoutMs
    while (!this.#reader.positions.every(isRead)) {
      if (performance.now() > deadlineMs) throw new Error('the bystander cannot read to the end')
      await this.#poll()
    }
  }
}
