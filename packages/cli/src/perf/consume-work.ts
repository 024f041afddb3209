import { apis } from '@trimaran/protocol'
import { earliest, latest, listOffsets } from '../client/reader.ts'
import {
  FetchParser,
  fetchVersionMin,
  type FetchEvents,
  type FetchPosition,
  type FetchSettings,
} from './fetch-format.ts'
import { GroupReader } from './group-reader.ts'
import { LoadCluster } from './load-cluster.ts'
import { LoadConsumer, type ConsumerHost } from './load-consumer.ts'
import type { CheckedConsume } from './options.ts'
import { Tally, type Beat } from './tally.ts'
import { sharesOf, type Membership, type Share, type Work, type WorkOutcome } from './work.ts'

/** One consumer by assignment, or the members of a group that are this thread's. */
export class ConsumeWork implements Work {
  readonly done: Promise<void>
  readonly #options: CheckedConsume
  readonly #share: Share
  readonly #tell: (membership: Membership) => void
  readonly #tally = new Tally()
  readonly #cluster: LoadCluster
  readonly #settle: PromiseWithResolvers<void>
  readonly #members: GroupReader[] = []
  #consumer: LoadConsumer | null = null
  #settings: FetchSettings | null = null
  #stop: NodeJS.Timeout | null = null
  /** Where the logs ended when reading began, by topic and partition. */
  #ends: Map<string, number> | null = null

  constructor(options: CheckedConsume, share: Share, tell: (membership: Membership) => void) {
    this.#options = options
    this.#share = share
    this.#tell = tell
    this.#cluster = new LoadCluster(options)
    this.#settle = Promise.withResolvers<void>()
    this.done = this.#settle.promise
    this.done.catch(() => {})
  }

  async open(): Promise<void> {
    const { topics, group, fromBeginning, untilEnd } = this.#options
    await this.#cluster.open(topics)
    this.#settings = {
      version: await this.#cluster.version(apis.fetch, fetchVersionMin),
      clientId: this.#options.clientId,
      maxWaitMs: this.#options.fetchMaxWaitMs,
      minBytes: this.#options.fetchMinBytes,
      maxBytes: this.#options.fetchMaxBytes,
      partitionMaxBytes: this.#options.partitionMaxBytes,
    }
    if (untilEnd) this.#ends = await this.#offsets(latest)
    if (group !== undefined) {
      const starts = await this.#offsets(fromBeginning ? earliest : latest)
      for (const member of sharesOf(this.#options.members, this.#share))
        this.#members.push(this.#member(group, member, starts))
      return
    }
    const starts = await this.#offsets(fromBeginning ? earliest : latest)
    const positions = topics.flatMap(topic =>
      this.#cluster
        .partitions(topic)
        .map(partition => this.#position(topic, partition, starts.get(key(topic, partition)) ?? 0)),
    )
    this.#consumer = new LoadConsumer(this.#settings, this.#host(this.#settings), positions)
    await this.#consumer.open()
  }

  #position(topic: string, partition: number, nextOffset: number): FetchPosition {
    return { topic: this.#cluster.topic(topic), partition, nextOffset, highWatermark: -1 }
  }

  async #offsets(timestamp: number): Promise<Map<string, number>> {
    const found = new Map<string, number>()
    for (const topic of this.#options.topics) {
      const partitions = this.#cluster.partitions(topic)
      const offsets = await listOffsets(this.#cluster.client, topic, partitions, timestamp)
      for (const [partition, offset] of offsets) found.set(key(topic, partition), offset)
    }
    return found
  }

  /** Retention is faster than this reader, or somebody deletes what it reads. */
  async #resetOffset({ topic: { topic }, partition }: FetchPosition): Promise<number> {
    const timestamp = this.#options.fromBeginning ? earliest : latest
    const offsets = await listOffsets(this.#cluster.client, topic, [partition], timestamp)
    return offsets.get(partition) ?? 0
  }

  #host(settings: FetchSettings): ConsumerHost {
    return {
      layout: topic => this.#cluster.layout(topic),
      refresh: () => this.#cluster.refresh(),
      resetOffset: position => this.#resetOffset(position),
      onFatal: error => this.#settle.reject(error),
      onRead: (records, bytes) => this.#read(records, bytes),
      onThrottled: ms => (this.#tally.throttledMs += ms),
      onTrouble: name => this.#tally.error(name),
      reader: (events: FetchEvents) => new FetchParser(settings.version, events),
    }
  }

  #member(group: string, index: number, starts: ReadonlyMap<string, number>): GroupReader {
    const settings = this.#settings as FetchSettings
    const { bootstrapServers, clientId, topics } = this.#options
    return new GroupReader({
      ...{ bootstrapServers, clientId: `${clientId}-${index}`, group, topics },
      onJoined: (generationId, partitions) =>
        this.#tell({
          ...{ member: index, generationId, partitions },
          atMs: performance.timeOrigin + performance.now(),
        }),
      onFatal: error => this.#settle.reject(error),
      positionOf: (topic, partition, committed) =>
        this.#position(topic, partition, committed ?? starts.get(key(topic, partition)) ?? 0),
      consumerOf: positions => new LoadConsumer(settings, this.#host(settings), positions),
    })
  }

  #read(records: number, bytes: number): void {
    this.#tally.count(records, bytes, performance.now())
    this.#tally.requests++
    const { numRecords } = this.#options
    if (numRecords !== undefined) {
      const { readTotal } = this.#share
      const total =
        readTotal === null
          ? this.#tally.totalRecords
          : Number(Atomics.add(readTotal, 0, BigInt(records))) + records
      if (total >= numRecords) this.#settle.resolve()
    }
    if (this.#isAtEnd()) this.#settle.resolve()
  }

  #isAtEnd(): boolean {
    const ends = this.#ends
    if (ends === null) return false
    const consumers = this.#consumer === null ? this.#members : [this.#consumer]
    return consumers.every(consumer => {
      const { positions } = consumer
      return (
        positions !== null &&
        positions.every(
          ({ topic, partition, nextOffset }) =>
            nextOffset >= (ends.get(key(topic.topic, partition)) ?? 0),
        )
      )
    })
  }

  start(): void {
    if (this.#options.group === undefined) this.#begin()
    for (const member of this.#members) member.start()
    this.#consumer?.start()
  }

  formed(): void {
    this.#begin()
    for (const member of this.#members) member.formed()
  }

  /** Time counts from here. */
  #begin(): void {
    if (this.#stop !== null) return
    this.#tally.fromMs = performance.now()
    const { durationMs } = this.#options
    if (durationMs !== undefined) {
      this.#tally.untilMs = this.#tally.fromMs + durationMs
      this.#stop = setTimeout(() => this.#settle.resolve(), durationMs)
    }
    if (this.#consumer !== null && this.#isAtEnd()) this.#settle.resolve()
  }

  stop(): void {
    this.#settle.resolve()
  }

  tick(nowMs: number): void {
    this.#consumer?.checkTimeouts(nowMs)
    for (const member of this.#members) member.checkTimeouts(nowMs)
    // Members without a partition, and partitions that are empty, end no fetch.
    if (this.#members.length > 0 && this.#isAtEnd()) this.#settle.resolve()
  }

  beat(): Beat {
    return this.#tally.beat()
  }

  async close(): Promise<void> {
    if (this.#stop !== null) clearTimeout(this.#stop)
    this.#consumer?.close()
    await Promise.all(this.#members.map(member => member.close()))
    await this.#cluster.client.close()
  }

  outcome(): WorkOutcome {
    return { tally: this.#tally.outcome(), consumed: null }
  }
}

const key = (topic: string, partition: number): string => `${topic} ${partition}`
