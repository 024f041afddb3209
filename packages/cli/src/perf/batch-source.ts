import { encodeBatch, type Compression } from '@trimaran/protocol'
import { RECORD_OVERHEAD_BYTES } from './payload.ts'
import type { PreparedBatch, ProducerIdentity } from './prepared-batch.ts'

/** What a partition of one producer has to send next. */
export interface LoadBatch {
  readonly recordCount: number
  readonly payloadBytes: number
  readonly sizeBytes: number
  /** Null: `body` is the whole batch, encoded for this one sequence. */
  readonly prepared: PreparedBatch | null
  readonly body: Buffer
  /** When each of its records was due; null: now, when it is sent. */
  readonly dueMs: readonly number[] | null
}

export interface BatchSource {
  /** Null: nothing to send now. `at`: position in the producer's list of partitions. */
  take(at: number, sequence: number, nowMs: number): LoadBatch | null
  /** Nothing comes any more. */
  readonly isDone: boolean
  stop(): void
}

/** As fast as it goes: prepared batches in turn, until there were `records`. */
export class PreparedSource implements BatchSource {
  readonly #batches: readonly LoadBatch[]
  readonly #rest: (recordCount: number) => PreparedBatch
  #left: number
  #next = 0

  constructor(
    batches: readonly PreparedBatch[],
    records: number,
    rest: (recordCount: number) => PreparedBatch,
  ) {
    this.#batches = batches.map(loadBatch)
    this.#left = records
    this.#rest = rest
  }

  get isDone(): boolean {
    return this.#left <= 0
  }

  take(): LoadBatch | null {
    if (this.#left <= 0) return null
    let batch = this.#batches[this.#next] as LoadBatch
    if (batch.recordCount > this.#left) batch = loadBatch(this.#rest(this.#left))
    this.#next = this.#next + 1 === this.#batches.length ? 0 : this.#next + 1
    this.#left -= batch.recordCount
    return batch
  }

  stop(): void {
    this.#left = 0
  }
}

const loadBatch = (prepared: PreparedBatch): LoadBatch => ({
  recordCount: prepared.recordCount,
  payloadBytes: prepared.payloadBytes,
  sizeBytes: prepared.sizeBytes,
  prepared,
  body: prepared.body,
  dueMs: null,
})

export interface ScheduleOptions {
  /** The first record after the beginning. */
  readonly phaseMs: number
  /** Between two records of this producer. */
  readonly intervalMs: number
  readonly records: number
  readonly values: readonly Buffer[]
  /** Makes the value of a record, instead of `values` in turn. */
  readonly recordOf?: ((dueMs: number) => Buffer) | undefined
  readonly identity: ProducerIdentity
  readonly compression: Compression
  readonly batchBytes: number
  readonly lingerMs: number
  readonly partitions: number
  readonly partitioner: 'sticky' | 'round-robin'
}

/** Kafka's buffer.memory: with more waiting, the schedule stands still; its records' latency goes on counting. */
const WAITING_BYTES_MAX = 32 * 1024 * 1024

/** With no room for what is due, it is looked for again after this time. */
const FULL_PAUSE_MS = 5

interface Queue {
  readonly dueMs: number[]
  readonly values: Buffer[]
  bytes: number
}

/** Records that are due at set times, wait in the batch of their partition, and are encoded when it is sent. */
export class ScheduledSource implements BatchSource {
  readonly #options: ScheduleOptions
  readonly #queues: readonly Queue[]
  #scheduled = 0
  #startMs = 0
  #records: number
  #waitingBytes = 0
  #partition = 0
  #partitionBytes = 0

  constructor(options: ScheduleOptions) {
    this.#options = options
    this.#records = options.records
    this.#queues = Array.from({ length: options.partitions }, () => ({
      dueMs: [],
      values: [],
      bytes: 0,
    }))
  }

  get isDone(): boolean {
    return this.#scheduled >= this.#records && this.#waitingBytes === 0
  }

  stop(): void {
    this.#records = Math.min(this.#records, this.#scheduled)
  }

  begin(nowMs: number): void {
    this.#startMs = nowMs + this.#options.phaseMs
  }

  /** Puts what is due into the queues; returns when to look again: the next record, or the end of a linger. */
  advance(nowMs: number): number {
    const { intervalMs, values, recordOf } = this.#options
    let dueMs = this.#startMs + this.#scheduled * intervalMs
    while (
      dueMs <= nowMs &&
      this.#scheduled < this.#records &&
      this.#waitingBytes < WAITING_BYTES_MAX
    ) {
      const value = recordOf?.(dueMs) ?? (values[this.#scheduled % values.length] as Buffer)
      const queue = this.#queues[this.#choose(value.length)] as Queue
      queue.dueMs.push(dueMs)
      queue.values.push(value)
      queue.bytes += value.length + RECORD_OVERHEAD_BYTES
      this.#waitingBytes += value.length + RECORD_OVERHEAD_BYTES
      this.#scheduled++
      dueMs = this.#startMs + this.#scheduled * intervalMs
    }
    let nextMs = this.#scheduled < this.#records ? dueMs : Infinity
    if (this.#waitingBytes >= WAITING_BYTES_MAX) nextMs = nowMs + FULL_PAUSE_MS
    if (this.#options.lingerMs > 0 && this.#waitingBytes > 0) {
      for (const queue of this.#queues) {
        const ripeMs = (queue.dueMs[0] ?? Infinity) + this.#options.lingerMs
        if (ripeMs > nowMs && ripeMs < nextMs) nextMs = ripeMs
      }
    }
    return nextMs
  }

  #choose(valueBytes: number): number {
    const { partitioner, partitions, batchBytes } = this.#options
    if (partitioner === 'round-robin') return this.#scheduled % partitions
    if (this.#partitionBytes >= batchBytes) {
      this.#partition = (this.#partition + 1) % partitions
      this.#partitionBytes = 0
    }
    this.#partitionBytes += valueBytes + RECORD_OVERHEAD_BYTES
    return this.#partition
  }

  take(at: number, sequence: number, nowMs: number): LoadBatch | null {
    const queue = this.#queues[at] as Queue
    const { lingerMs, batchBytes, compression, identity } = this.#options
    const firstMs = queue.dueMs[0]
    if (firstMs === undefined) return null
    if (queue.bytes < batchBytes && nowMs - firstMs < lingerMs) return null
    let count = 0
    let bytes = 0
    let payloadBytes = 0
    for (const value of queue.values) {
      const size = value.length + RECORD_OVERHEAD_BYTES
      if (count > 0 && bytes + size > batchBytes) break
      bytes += size
      payloadBytes += value.length
      count++
    }
    const timestampMs = Date.now()
    const records = queue.values.splice(0, count).map(value => ({ value, timestampMs }))
    const encoded = encodeBatch({
      records,
      compression,
      ...identity,
      baseSequence: identity.producerId < 0 ? -1 : sequence,
    })
    queue.bytes -= bytes
    this.#waitingBytes -= bytes
    return {
      recordCount: count,
      payloadBytes,
      sizeBytes: encoded.length,
      prepared: null,
      body: Buffer.from(encoded.buffer, encoded.byteOffset, encoded.length),
      dueMs: queue.dueMs.splice(0, count),
    }
  }
}
