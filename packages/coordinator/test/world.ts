import { must, Prng } from '@trimaran/common'
import type { Clock, LogEvent } from '@trimaran/common'
import { decodeBatch, forEachBatch, stampBatch } from '@trimaran/protocol'
import { GroupCoordinator } from '../src/index.ts'
import type { AppendOutcome, GroupConfig, LogBounds, OffsetsLog } from '../src/index.ts'
import { decodeGroupRecord } from '../src/group/records.ts'
import type { GroupRecord } from '../src/group/records.ts'

/** Virtual time: nothing happens but what is due. */
export class SimClock implements Clock {
  #nowMs = 0
  #sequence = 0
  readonly #alarms: {
    readonly atMs: number
    readonly sequence: number
    readonly wake: () => void
  }[] = []

  monotonicMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return 1_700_000_000_000 + Math.floor(this.#nowMs)
  }

  wakeAt(deadlineMs: number, wake: () => void): () => void {
    const alarm = { atMs: Math.max(deadlineMs, this.#nowMs), sequence: this.#sequence++, wake }
    this.#alarms.push(alarm)
    return () => {
      const at = this.#alarms.indexOf(alarm)
      if (at >= 0) this.#alarms.splice(at, 1)
    }
  }

  after(ms: number): Promise<void> {
    return new Promise(resolve => this.wakeAt(this.#nowMs + ms, resolve))
  }

  /** Everything due in the next `ms`, in order, with all promises that follow from it. */
  async run(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await settle()
    for (;;) {
      let next = this.#alarms[0]
      for (const alarm of this.#alarms) {
        if (
          next === undefined ||
          alarm.atMs < next.atMs ||
          (alarm.atMs === next.atMs && alarm.sequence < next.sequence)
        ) {
          next = alarm
        }
      }
      if (next === undefined || next.atMs > endMs) break
      this.#nowMs = next.atMs
      this.#alarms.splice(this.#alarms.indexOf(next), 1)
      next.wake()
      await settle()
    }
    this.#nowMs = endMs
  }
}

/** Lets every promise that can go on do so. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await Promise.resolve()
}

interface SimPartition {
  batches: { readonly baseOffset: number; readonly endOffset: number; readonly bytes: Uint8Array }[]
  logStartOffset: number
  /** What the leader knows; a new one may know less than what is committed. */
  highWatermark: number
  committed: number
  leader: number
  epoch: number
  waiting: {
    readonly endOffset: number
    readonly baseOffset: number
    readonly settle: (outcome: AppendOutcome) => void
  }[]
}

export interface Faults {
  /** Replication of a batch takes this long; null: it hangs until `replicate`. */
  delayMs: () => number | null
  /** A Kafka error code that appends are refused with; 0: none. */
  refuse: () => number
}

/** The partitions of `__consumer_offsets`, replicated to all nodes, led by one. */
export class SimLog {
  readonly clock: SimClock
  readonly faults: Faults = { delayMs: () => 0, refuse: () => 0 }
  readonly partitions: SimPartition[]
  readonly maxMessageBytes = 1 << 20

  constructor(clock: SimClock, partitionCount: number) {
    this.clock = clock
    this.partitions = Array.from({ length: partitionCount }, () => ({
      batches: [],
      logStartOffset: 0,
      highWatermark: 0,
      committed: 0,
      leader: -1,
      epoch: 0,
      waiting: [],
    }))
  }

  partition(index: number): SimPartition {
    return must(this.partitions[index], 'a partition')
  }

  endOffset(index: number): number {
    const { batches, logStartOffset } = this.partition(index)
    return batches.at(-1)?.endOffset ?? logStartOffset
  }

  /** All in-sync replicas have everything now. */
  replicate(index: number): void {
    this.advance(index, this.endOffset(index))
  }

  advance(index: number, highWatermark: number): void {
    const partition = this.partition(index)
    partition.highWatermark = Math.max(
      partition.highWatermark,
      Math.min(highWatermark, this.endOffset(index)),
    )
    partition.committed = Math.max(partition.committed, partition.highWatermark)
    const due = partition.waiting.filter(each => each.endOffset <= partition.highWatermark)
    partition.waiting = partition.waiting.filter(each => each.endOffset > partition.highWatermark)
    for (const { baseOffset, settle: done } of due) done({ kind: 'committed', baseOffset })
  }

  /** Another node leads, with at least what is committed and at most what is in the log. */
  lead(
    index: number,
    node: number,
    options: { readonly keepTo?: number; readonly knownTo?: number } = {},
  ): number {
    const partition = this.partition(index)
    const keepTo = Math.max(options.keepTo ?? this.endOffset(index), partition.committed)
    partition.batches = partition.batches.filter(batch => batch.endOffset <= keepTo)
    partition.highWatermark = Math.min(
      options.knownTo ?? partition.highWatermark,
      partition.highWatermark,
    )
    partition.leader = node
    partition.epoch++
    for (const { settle: done } of partition.waiting.splice(0)) done({ kind: 'lost' })
    return partition.epoch
  }

  records(index: number): GroupRecord[] {
    const records: GroupRecord[] = []
    for (const { bytes } of this.partition(index).batches) {
      forEachBatch(bytes, (_header, at) => {
        for (const { key, value } of decodeBatch(bytes, at).records) {
          const record = key === null ? null : decodeGroupRecord(key, value)
          if (record !== null) records.push(record)
        }
      })
    }
    return records
  }

  put(index: number, bytes: Uint8Array, baseOffset: number = this.endOffset(index)): void {
    stampBatch(bytes, 0, baseOffset, this.partition(index).epoch)
    forEachBatch(bytes, header => {
      this.partition(index).batches.push({ baseOffset, endOffset: header.lastOffset + 1, bytes })
    })
  }

  of(node: number): OffsetsLog {
    return {
      append: (index, epoch, batch) => this.#append(node, index, epoch, batch),
      read: async (index, from, maxBytes) => this.#read(node, index, from, maxBytes),
      bounds: (index, epoch) => this.#bounds(node, index, epoch),
    }
  }

  #append(node: number, index: number, epoch: number, batch: Uint8Array): Promise<AppendOutcome> {
    const partition = this.partition(index)
    if (partition.leader !== node || partition.epoch !== epoch)
      return Promise.resolve({ kind: 'lost' })
    const errorCode = batch.length > this.maxMessageBytes ? 10 : this.faults.refuse()
    if (errorCode !== 0) return Promise.resolve({ kind: 'refused', errorCode })
    const baseOffset = this.endOffset(index)
    this.put(index, batch, baseOffset)
    const endOffset = this.endOffset(index)
    const delayMs = this.faults.delayMs()
    if (delayMs !== null) {
      this.clock.wakeAt(this.clock.monotonicMs() + delayMs, () => {
        if (partition.epoch === epoch) this.advance(index, endOffset)
      })
    }
    return new Promise(resolve =>
      partition.waiting.push({ baseOffset, endOffset, settle: resolve }),
    )
  }

  #read(node: number, index: number, from: number, maxBytes: number): Uint8Array | null {
    const partition = this.partition(index)
    if (partition.leader !== node) return null
    const parts: Uint8Array[] = []
    let size = 0
    for (const { endOffset, bytes } of partition.batches) {
      if (endOffset <= from || endOffset > partition.highWatermark) continue
      if (parts.length > 0 && size + bytes.length > maxBytes) break
      parts.push(bytes)
      size += bytes.length
    }
    const joined = new Uint8Array(size)
    let at = 0
    for (const part of parts) {
      joined.set(part, at)
      at += part.length
    }
    return joined
  }

  #bounds(node: number, index: number, epoch: number): LogBounds | null {
    const { leader, epoch: current, logStartOffset, highWatermark } = this.partition(index)
    if (leader !== node || epoch !== current) return null
    return { logStartOffset, highWatermark, logEndOffset: this.endOffset(index) }
  }
}

export const testConfig: GroupConfig = {
  offsetsPartitionCount: () => 1,
  minSessionTimeoutMs: 6000,
  maxSessionTimeoutMs: 1_800_000,
  maxSize: 1000,
  initialRebalanceDelayMs: 0,
  offsetMetadataMaxBytes: 4096,
  offsetsRetentionMs: 7 * 24 * 3_600_000,
  offsetsRetentionCheckIntervalMs: 600_000,
  offsetsCommitTimeoutMs: 5000,
  offsetsLoadBufferBytes: 4096,
}

/** One partition, some nodes; node 0 leads at first. */
export class World {
  readonly clock = new SimClock()
  readonly log: SimLog
  readonly coordinators: GroupCoordinator[]
  readonly events: { readonly level: string; readonly phrase: string; readonly fields: unknown }[] =
    []
  leader = 0

  constructor(
    options: {
      readonly nodes?: number
      readonly seed?: number
      readonly config?: Partial<GroupConfig>
    } = {},
  ) {
    this.log = new SimLog(this.clock, 1)
    const logEvent: LogEvent = (level, phrase, fields) =>
      void this.events.push({ level, phrase, fields })
    this.coordinators = Array.from(
      { length: options.nodes ?? 1 },
      (_, node) =>
        new GroupCoordinator({
          clock: this.clock,
          random: new Prng(options.seed ?? 1, node),
          config: { ...testConfig, ...options.config },
          log: this.log.of(node),
          logEvent,
        }),
    )
  }

  get coordinator(): GroupCoordinator {
    return must(this.coordinators[this.leader], 'a coordinator')
  }

  elect(node: number, options: { readonly keepTo?: number; readonly knownTo?: number } = {}): void {
    const epoch = this.log.lead(0, node, options)
    const old = this.leader
    this.leader = node
    if (old !== node) this.coordinators[old]?.resigned(0)
    this.coordinator.elected(0, epoch)
  }

  async start(): Promise<this> {
    this.elect(0)
    await this.clock.run(10)
    return this
  }

  /** Runs time until the promise settles. */
  async wait<T>(promise: Promise<T>, maxMs = 600_000): Promise<T> {
    let outcome: { readonly value: T } | undefined
    void promise.then(value => (outcome = { value }))
    await settle()
    for (let leftMs = maxMs; outcome === undefined && leftMs > 0; leftMs -= 5)
      await this.clock.run(5)
    return must(outcome, 'an answer in time').value
  }
}
