import { randomBytes } from 'node:crypto'
import { apis } from '@trimaran/protocol'
import { latest, listOffsets } from '../client/reader.ts'
import { fetchVersionMin } from './fetch-format.ts'
import { LoadConsumer } from './load-consumer.ts'
import type { CheckedEndToEnd } from './options.ts'
import { STAMP_BYTES } from './options.ts'
import { ProduceWork } from './produce-work.ts'
import { RecordReader } from './record-reader.ts'
import { Tally, type Beat } from './tally.ts'
import type { Share, Work, WorkOutcome } from './work.ts'

/** What was acknowledged is read by then, or it is lost. */
const READ_TIMEOUT_MS = 10_000
const TIME_AT = 8

/** Produces by a schedule and reads it back in the same thread, so that both times are of one clock. */
export class EndToEndWork implements Work {
  readonly done: Promise<void>
  readonly #options: CheckedEndToEnd
  readonly #produce: ProduceWork
  readonly #tally = new Tally()
  readonly #settle: PromiseWithResolvers<void>
  /** The beginning of each value: this run's mark, then when it was due. */
  readonly #mark = randomBytes(TIME_AT)
  #consumer: LoadConsumer | null = null
  #isProduced = false
  #late: NodeJS.Timeout | null = null

  constructor(options: CheckedEndToEnd, share: Share) {
    this.#options = options
    this.#produce = new ProduceWork(options, share, {
      recordOf: dueMs => this.#value(dueMs),
      isQuiet: () => this.#tally.totalRecords >= this.#produce.tally.totalRecords,
    })
    this.#settle = Promise.withResolvers<void>()
    this.done = this.#settle.promise
    this.done.catch(() => {})
    void this.#produce.done.then(
      () => this.#produced(),
      error => this.#settle.reject(error),
    )
  }

  #value(dueMs: number): Buffer {
    const value = Buffer.alloc(this.#options.recordSizeBytes ?? STAMP_BYTES, 65)
    this.#mark.copy(value)
    value.writeDoubleBE(dueMs, TIME_AT)
    return value
  }

  async open(): Promise<void> {
    await this.#produce.open()
    const { cluster } = this.#produce
    const { topic, clientId } = this.#options
    const version = await cluster.version(apis.fetch, fetchVersionMin)
    const partitions = this.#options.partitions ?? cluster.partitions(topic)
    const ends = await listOffsets(cluster.client, topic, partitions, latest)
    this.#consumer = new LoadConsumer(
      {
        ...{ version, clientId, maxWaitMs: this.#options.fetchMaxWaitMs, minBytes: 1 },
        ...{ maxBytes: 50 * 1024 * 1024, partitionMaxBytes: 1024 * 1024 },
      },
      {
        layout: name => cluster.layout(name),
        refresh: () => cluster.refresh(),
        onFatal: error => this.#settle.reject(error),
        onRead: () => this.#tally.requests++,
        onThrottled: ms => (this.#tally.throttledMs += ms),
        onTrouble: name => this.#tally.error(name),
        reader: events =>
          new RecordReader(version, events, (bytes, at, length) => this.#read(bytes, at, length)),
      },
      partitions.map(partition => ({
        ...{ topic: cluster.topic(topic), partition, highWatermark: -1 },
        nextOffset: ends.get(partition) ?? 0,
      })),
    )
    await this.#consumer.open()
  }

  /** Records of others in the topic have another mark. */
  #read(bytes: Uint8Array, at: number, length: number): void {
    if (length < STAMP_BYTES) return
    for (let index = 0; index < TIME_AT; index++)
      if (bytes[at + index] !== this.#mark[index]) return
    const dueMs = new DataView(bytes.buffer, bytes.byteOffset + at).getFloat64(TIME_AT)
    const nowMs = performance.now()
    this.#tally.count(1, length, dueMs)
    this.#tally.lastMs = nowMs
    this.#tally.delay(nowMs - dueMs, 1, dueMs)
    this.#check()
  }

  #produced(): void {
    this.#isProduced = true
    this.#late = setTimeout(() => {
      const missing = this.#produce.tally.totalRecords - this.#tally.totalRecords
      this.#settle.reject(
        new Error(`${missing} acknowledged records were not read within ${READ_TIMEOUT_MS} ms.`),
      )
    }, READ_TIMEOUT_MS)
    this.#check()
  }

  #check(): void {
    if (this.#isProduced && this.#tally.totalRecords >= this.#produce.tally.totalRecords)
      this.#settle.resolve()
  }

  start(): void {
    this.#consumer?.start()
    this.#produce.start()
    this.#tally.fromMs = this.#produce.tally.fromMs
    this.#tally.untilMs = this.#produce.tally.untilMs
  }

  stop(): void {
    this.#produce.stop()
  }

  formed(): void {}

  tick(nowMs: number): void {
    this.#produce.tick(nowMs)
    this.#consumer?.checkTimeouts(nowMs)
  }

  beat(): Beat {
    return this.#tally.beat()
  }

  async close(): Promise<void> {
    if (this.#late !== null) clearTimeout(this.#late)
    this.#consumer?.close()
    await this.#produce.close()
  }

  outcome(): WorkOutcome {
    return { tally: this.#produce.outcome().tally, consumed: this.#tally.outcome() }
  }
}
