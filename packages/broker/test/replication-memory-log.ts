import { assert, emptyBytes, concatBytes, partitionKey } from '@trimaran/common'
import type { Offset, TopicId } from '@trimaran/common'
import type { DamageListener, LogConfig, LogDirectory, PartitionLog } from '@trimaran/log'
import { forEachBatch, readBatchHeader, stampBatch } from '@trimaran/protocol'

interface StoredBatch {
  readonly bytes: Uint8Array
  readonly baseOffset: Offset
  readonly lastOffset: Offset
  readonly epoch: number
  /** The record's identity in the simulation: its timestamp. */
  readonly value: number
}

/**
 * What replication sees of a log, in memory and without its own rules, so that a simulated second is cheap. What was
 * flushed survives every crash, the rest only those of the process.
 */
export class MemoryLog {
  readonly topicId: TopicId
  readonly topicName: string
  readonly partition: number
  config: LogConfig
  batches: StoredBatch[] = []
  logStartOffset = 0
  recoveryPoint = 0

  constructor(topicId: TopicId, topicName: string, partition: number, config: LogConfig) {
    this.topicId = topicId
    this.topicName = topicName
    this.partition = partition
    this.config = config
  }

  /** Where reads are slow, and how; null: nowhere. */
  cold: { readonly below: Offset; readonly load: () => Promise<void> } | null = null
  releases = 0

  coldRead(offset: Offset) {
    const { cold } = this
    if (cold === null || offset >= cold.below) return null
    return {
      sizeBytes: 1,
      load: cold.load,
      release: () => {
        this.releases++
      },
    }
  }

  /** Set: the first records are in memory alone until it resolves. */
  birth: PromiseWithResolvers<void> | null = null

  get unwritten(): Promise<void> | null {
    return this.batches.length > 0 ? (this.birth?.promise ?? null) : null
  }

  born(): void {
    const { birth } = this
    this.birth = null
    birth?.resolve()
  }

  get logEndOffset(): Offset {
    return (this.batches.at(-1)?.lastOffset ?? this.logStartOffset - 1) + 1
  }
  get latestEpoch(): number {
    return this.batches.at(-1)?.epoch ?? -1
  }
  get sizeBytes(): number {
    return this.batches.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  appendAsLeader(batch: Uint8Array, leaderEpoch: number) {
    assert(leaderEpoch >= this.latestEpoch, 'epochs ascend')
    stampBatch(batch, 0, this.logEndOffset, leaderEpoch)
    const { baseOffset, lastOffset } = this.#store(batch)
    return { kind: 'appended' as const, baseOffset, lastOffset, logAppendTimeMs: -1 }
  }

  appendAsFollower(records: Uint8Array) {
    const firstOffset = this.logEndOffset
    forEachBatch(records, (header, at) => {
      assert(header.baseOffset === this.logEndOffset, 'a follower appends without gaps')
      assert(header.partitionLeaderEpoch >= this.latestEpoch, 'epochs ascend')
      this.#store(records.slice(at, at + header.sizeBytes))
    })
    return { firstOffset, endOffset: this.logEndOffset }
  }

  #store(bytes: Uint8Array): StoredBatch {
    const header = readBatchHeader(bytes, 0)
    const stored = {
      bytes,
      baseOffset: header.baseOffset,
      lastOffset: header.lastOffset,
      epoch: header.partitionLeaderEpoch,
      value: header.baseTimestampMs,
    }
    this.batches.push(stored)
    return stored
  }

  at(offset: Offset): StoredBatch | undefined {
    let low = 0
    let high = this.batches.length - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const batch = this.batches[middle] as StoredBatch
      if (batch.lastOffset < offset) low = middle + 1
      else if (batch.baseOffset > offset) high = middle - 1
      else return batch
    }
    return undefined
  }

  read(
    offset: Offset,
    limits: { maxBytes: number; endOffset: Offset; minOneBatch: boolean },
  ): Uint8Array {
    assert(offset >= this.logStartOffset && offset <= this.logEndOffset, 'read within the log')
    const found = this.at(offset)
    if (!found) return emptyBytes
    const parts: Uint8Array[] = []
    let sizeBytes = 0
    for (let index = this.batches.indexOf(found); index < this.batches.length; index++) {
      const batch = this.batches[index] as StoredBatch
      if (batch.lastOffset >= limits.endOffset) break
      sizeBytes += batch.bytes.length
      if (sizeBytes > limits.maxBytes && !(parts.length === 0 && limits.minOneBatch)) break
      parts.push(batch.bytes)
    }
    return parts.length === 0 ? emptyBytes : concatBytes(parts).slice()
  }

  endOffsetForEpoch(epoch: number): { epoch: number; endOffset: Offset } {
    if (epoch < 0 || epoch > this.latestEpoch) return { epoch: -1, endOffset: -1 }
    const last = this.batches.findLast(batch => batch.epoch <= epoch)
    return last
      ? { epoch: last.epoch, endOffset: last.lastOffset + 1 }
      : { epoch: -1, endOffset: -1 }
  }

  leaderEpochAt(offset: Offset): number {
    return this.batches.findLast(batch => batch.baseOffset <= offset)?.epoch ?? -1
  }

  truncateTo(offset: Offset): void {
    assert(offset >= this.logStartOffset, 'truncation within the log')
    this.batches = this.batches.filter(batch => batch.lastOffset < offset)
    this.recoveryPoint = Math.min(this.recoveryPoint, this.logEndOffset)
  }

  truncateFullyAndStartAt(offset: Offset): void {
    this.batches = []
    this.logStartOffset = offset
    this.recoveryPoint = offset
  }

  lastStableOffset(highWatermark: Offset): Offset {
    return highWatermark
  }
  abortedTransactions(): [] {
    return []
  }
  offsetForTimestamp(timestampMs: number) {
    const found = this.batches.find(batch => batch.value >= timestampMs)
    return found && positionOf(found)
  }
  maxTimestamp() {
    const found = this.batches.at(-1)
    return found && positionOf(found)
  }

  incrementLogStartOffset(to: Offset): void {
    assert(to <= this.logEndOffset, 'a log starts before its end')
    const endOffset = this.logEndOffset
    this.logStartOffset = Math.max(this.logStartOffset, to)
    assert(this.logEndOffset === endOffset, 'batches stay until retention')
  }
  enforceRetention(): number {
    return 0
  }
  rollIfDue(): void {}
  flushDue(): boolean {
    return false
  }
  flush(): Promise<void> {
    const endOffset = this.logEndOffset
    return Promise.resolve().then(() => {
      this.recoveryPoint = Math.max(this.recoveryPoint, Math.min(endOffset, this.logEndOffset))
    })
  }

  loseUnflushed(): void {
    this.batches = this.batches.filter(batch => batch.lastOffset < this.recoveryPoint)
  }
}

const positionOf = (batch: StoredBatch) => ({
  offset: batch.baseOffset,
  timestampMs: batch.value,
  leaderEpoch: batch.epoch,
})

export class MemoryLogs {
  readonly logsByKey = new Map<string, MemoryLog>()
  readonly deleted: string[] = []
  readonly aside: string[] = []
  /** A read has met it. */
  foundDamage: DamageListener = () => {}
  highWatermarks = new Map<string, Offset>()
  failed = null

  log(topicId: TopicId, partition: number): MemoryLog | undefined {
    return this.logsByKey.get(partitionKey(topicId, partition))
  }
  create(options: {
    topicId: TopicId
    topicName: string
    partition: number
    config: LogConfig
  }): MemoryLog {
    const { topicId, topicName, partition } = options
    for (const log of this.logsByKey.values()) {
      const isTaken = log.topicName === topicName && log.partition === partition
      assert(!isTaken, 'a directory holds one log')
    }
    const log = new MemoryLog(topicId, topicName, partition, options.config)
    this.logsByKey.set(partitionKey(topicId, partition), log)
    return log
  }
  delete(topicId: TopicId, partition: number): void {
    const key = partitionKey(topicId, partition)
    this.logsByKey.delete(key)
    this.deleted.push(key)
  }
  strays(known: (topicId: TopicId, partition: number) => boolean): void {
    for (const log of this.logsByKey.values()) {
      if (!known(log.topicId, log.partition)) this.delete(log.topicId, log.partition)
    }
  }
  checkpointHighWatermarks(
    entries: readonly { topicName: string; partition: number; offset: Offset }[],
  ): void {
    this.highWatermarks = new Map(
      entries.map(({ topicName, partition, offset }) => [`${topicName}-${partition}`, offset]),
    )
  }
  highWatermark(topicName: string, partition: number): Offset | undefined {
    return this.highWatermarks.get(`${topicName}-${partition}`)
  }
  checkpointRecoveryPoints(): void {}
  /** Of an open log; a test that has damaged ones from the start replaces it. */
  setAside(topicId: TopicId, partition: number): void {
    const key = partitionKey(topicId, partition)
    if (this.logsByKey.delete(key)) this.aside.push(key)
  }
  onDamage(listener: DamageListener): void {
    this.foundDamage = listener
  }
  damaged(): [] {
    return []
  }

  /** A power loss. */
  loseUnflushed(): void {
    for (const log of this.logsByKey.values()) log.loseUnflushed()
  }

  /** The classes of the log package have private fields; replication uses none of them. */
  get directory(): LogDirectory {
    return this as unknown as LogDirectory
  }
}

export const asPartitionLog = (log: MemoryLog): PartitionLog => log as unknown as PartitionLog
