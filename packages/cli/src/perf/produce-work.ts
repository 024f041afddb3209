import { apis } from '@trimaran/protocol'
import { CliError, exitCodes } from '../output.ts'
import { PreparedSource, ScheduledSource, type BatchSource } from './batch-source.ts'
import { LoadCluster } from './load-cluster.ts'
import { LoadProducer } from './load-producer.ts'
import type { CheckedProduce } from './options.ts'
import { payloads, prepareBatches, prepareRest } from './payload.ts'
import type { PreparedBatch, ProducerIdentity } from './prepared-batch.ts'
import { ProduceFormat, produceVersionMin } from './produce-format.ts'
import { Tally, type Beat } from './tally.ts'
import { sharesOf, type Share, type Work, type WorkOutcome } from './work.ts'

/** A broker that cannot get all replicas to answer says so after this time. */
const REPLICATION_TIMEOUT_MS = 30_000

export interface ProduceExtras {
  /** Makes the value of each record. */
  readonly recordOf?: (dueMs: number) => Buffer
  /** Nothing else is expected in this thread: it may sleep. */
  readonly isQuiet?: () => boolean
}

/** Producers of one thread, as fast as it goes or by a schedule. */
export class ProduceWork implements Work {
  readonly tally = new Tally()
  readonly cluster: LoadCluster
  readonly done: Promise<void>
  readonly #options: CheckedProduce
  readonly #share: Share
  readonly #extras: ProduceExtras
  readonly #settle: PromiseWithResolvers<void>
  readonly #producers: LoadProducer[] = []
  readonly #scheduled: ScheduledSource[] = []
  readonly #sources: BatchSource[] = []
  #busy = 0
  #isClosed = false
  #pump: NodeJS.Timeout | null = null
  #stop: NodeJS.Timeout | null = null
  /** Nobody else has it: waiting on it is a sleep. */
  readonly #sleeper = new Int32Array(new SharedArrayBuffer(4))

  constructor(options: CheckedProduce, share: Share, extras: ProduceExtras = {}) {
    this.#options = options
    this.#share = share
    this.#extras = extras
    this.cluster = new LoadCluster(options)
    this.#settle = Promise.withResolvers<void>()
    this.done = this.#settle.promise
    this.done.catch(() => {})
  }

  async open(): Promise<void> {
    const { topic } = this.#options
    await this.cluster.open([topic])
    const partitions = this.#options.partitions ?? this.cluster.partitions(topic)
    const known = this.cluster.partitions(topic)
    const unknown = partitions.find(partition => !known.includes(partition))
    if (unknown !== undefined || partitions.length === 0) {
      throw new CliError(
        `Topic ${topic} has no partition ${unknown ?? 0}; it has ${known.length}.`,
        exitCodes.usage,
      )
    }
    const { clientId, acks } = this.#options
    const format = new ProduceFormat({
      version: await this.cluster.version(apis.produce, produceVersionMin),
      ...{ clientId, acks, topic, topicId: this.cluster.topic(topic).topicId },
      timeoutMs: REPLICATION_TIMEOUT_MS,
    })
    const values = payloads(this.#options)
    const isThrottled = this.#options.throughput > 0
    const batches = isThrottled
      ? []
      : prepareBatches(values, this.#options.batchBytes, this.#options.compression)
    for (const producer of sharesOf(this.#options.producers, this.#share)) {
      const identity = await this.cluster.identity(this.#options.idempotence)
      const source = isThrottled
        ? this.#schedule(producer, identity, values, partitions.length)
        : this.#preparedSource(producer, identity, values, batches)
      this.#sources.push(source)
      this.#producers.push(this.#producer(format, source, partitions))
    }
    await Promise.all(this.#producers.map(producer => producer.open()))
  }

  /** Of all records, this producer's. */
  #recordsOf(producer: number): number {
    const { numRecords, producers } = this.#options
    if (numRecords === undefined) return Infinity
    return Math.floor(numRecords / producers) + (producer < numRecords % producers ? 1 : 0)
  }

  #preparedSource(
    producer: number,
    identity: ProducerIdentity,
    values: readonly Buffer[],
    batches: readonly PreparedBatch[],
  ): BatchSource {
    return new PreparedSource(
      batches.map(batch => batch.by(identity)),
      this.#recordsOf(producer),
      count => prepareRest(values, count, this.#options.compression).by(identity),
    )
  }

  #schedule(
    producer: number,
    identity: ProducerIdentity,
    values: readonly Buffer[],
    partitions: number,
  ): BatchSource {
    const { throughput, producers, compression, batchBytes, lingerMs, partitioner } = this.#options
    const source = new ScheduledSource({
      ...{ values, identity, compression, batchBytes, lingerMs, partitioner, partitions },
      phaseMs: (producer * 1000) / throughput,
      intervalMs: (producers * 1000) / throughput,
      records: this.#recordsOf(producer),
      recordOf: this.#extras.recordOf,
    })
    this.#scheduled.push(source)
    return source
  }

  #producer(
    format: ProduceFormat,
    source: BatchSource,
    partitions: readonly number[],
  ): LoadProducer {
    const { topic, idempotence, ...options } = this.#options
    this.#busy++
    return new LoadProducer(
      { ...options, format, isIdempotent: idempotence },
      {
        tally: this.tally,
        layout: () => this.cluster.layout(topic),
        refresh: () => this.cluster.refresh(),
        onDone: () => {
          if (--this.#busy === 0) this.#settle.resolve()
        },
        onFatal: error => this.#settle.reject(error),
      },
      source,
      partitions,
    )
  }

  start(): void {
    const nowMs = performance.now()
    const { warmUpMs, durationMs } = this.#options
    this.tally.fromMs = nowMs + warmUpMs
    if (durationMs !== undefined) {
      this.tally.untilMs = this.tally.fromMs + durationMs
      this.#stop = setTimeout(() => this.stop(), warmUpMs + durationMs)
    }
    for (const source of this.#scheduled) source.begin(nowMs)
    if (this.#scheduled.length > 0) this.#advance()
    else for (const producer of this.#producers) producer.fillAll()
  }

  #advance(): void {
    this.#pump = null
    if (this.#isClosed) return
    const nowMs = performance.now()
    let nextMs = Infinity
    for (const source of this.#scheduled) nextMs = Math.min(nextMs, source.advance(nowMs))
    for (const producer of this.#producers) producer.fillAll()
    if (nextMs < Infinity) this.#sleepUntil(nextMs)
  }

  /**
   * Timers are up to two milliseconds late, which would be most of a short latency. So the last part of the way is
   * slept, if nothing is under way that could arrive meanwhile.
   */
  #sleepUntil(nextMs: number): void {
    const leftMs = nextMs - performance.now()
    const isIdle =
      this.#producers.every(producer => !producer.hasUnderWay) && this.#extras.isQuiet?.() !== false
    if (leftMs > 0 && leftMs < SLEPT_MS && isIdle) Atomics.wait(this.#sleeper, 0, 0, leftMs)
    const timerMs = nextMs - performance.now()
    if (timerMs <= 0) setImmediate(() => this.#advance())
    else this.#pump = setTimeout(() => this.#advance(), Math.max(1, timerMs - (SLEPT_MS - 0.5)))
  }

  stop(): void {
    // The timer may have come late to what was due before the end.
    for (const source of this.#scheduled) source.advance(performance.now())
    for (const source of this.#sources) source.stop()
    if (this.#pump !== null) clearTimeout(this.#pump)
    // What waits for the end of its linger or for room is sent yet.
    if (this.#scheduled.length > 0) this.#advance()
    else for (const producer of this.#producers) producer.fillAll()
  }

  formed(): void {}

  tick(nowMs: number): void {
    for (const producer of this.#producers) producer.checkTimeouts(nowMs)
  }

  beat(): Beat {
    return this.tally.beat()
  }

  async close(): Promise<void> {
    if (this.#pump !== null) clearTimeout(this.#pump)
    if (this.#stop !== null) clearTimeout(this.#stop)
    this.#isClosed = true
    for (const producer of this.#producers) producer.close()
    await this.cluster.client.close()
  }

  outcome(): WorkOutcome {
    return { tally: this.tally.outcome(), consumed: null }
  }
}

/** Two timers' lateness. */
const SLEPT_MS = 2
