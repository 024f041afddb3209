import type { Offset } from '@trimaran/common'
import { formatEpochs } from './checkpoints.ts'
import type { LogConfig } from './config.ts'
import type { LogContext } from './context.ts'
import { epochsFileName, metadataFileName, parentOf } from './file-names.ts'
import type { LeaderEpochs } from './leader-epochs.ts'
import type { Segment } from './segment.ts'
import type { Segments } from './segments.ts'
import { SharedSync } from './shared-sync.ts'

const noFlushes: readonly { end: Offset }[] = []

/**
 * Makes one log durable, in groups: a flush covers all that was appended before it began, and all who ask while one is
 * under way share the next. The indexes and snapshots of the log are not synced: they are verified when they are used.
 */
export class Flusher {
  readonly #context: LogContext
  readonly #segments: Segments
  readonly #epochs: LeaderEpochs
  #recoveryPoint: Offset
  #logEndOffset: Offset
  /** The partition's own directory and its identity are perhaps not durable. */
  #isNew: boolean
  #isDirectoryDirty: boolean
  #isAbandoned = false
  #unflushedSinceMs: number | null = null
  /** Per flush under way, the lowest end that a truncation left since it began: it makes no more than that durable. */
  #ends: readonly { end: Offset }[] = noFlushes
  /** Names that are being made durable: who must know that they are waits for it, too. */
  #namesUnderWay: Promise<void> | null = null
  /** Null: never asked for a flush. */
  #flushes: SharedSync | null = null

  constructor(options: {
    readonly context: LogContext
    readonly segments: Segments
    readonly epochs: LeaderEpochs
    readonly recoveryPoint: Offset
    readonly logEndOffset: Offset
    readonly isNew: boolean
  }) {
    this.#context = options.context
    this.#segments = options.segments
    this.#epochs = options.epochs
    this.#recoveryPoint = options.recoveryPoint
    this.#logEndOffset = options.logEndOffset
    this.#isNew = options.isNew
    this.#isDirectoryDirty = options.isNew
  }

  /** Everything below is durable. */
  get recoveryPoint(): Offset {
    return this.#recoveryPoint
  }

  grewTo(logEndOffset: Offset): void {
    this.#logEndOffset = logEndOffset
    this.#unflushedSinceMs ??= this.#context.clock.monotonicMs()
  }

  cutTo(logEndOffset: Offset): void {
    this.#logEndOffset = logEndOffset
    this.#recoveryPoint = Math.min(this.#recoveryPoint, logEndOffset)
    for (const flush of this.#ends) flush.end = Math.min(flush.end, logEndOffset)
  }

  /** An empty log, durably so. */
  beganAt(offset: Offset): void {
    this.#logEndOffset = offset
    this.#recoveryPoint = offset
  }

  namesChanged(): void {
    this.#isDirectoryDirty = true
  }

  isDue(config: LogConfig, nowMonotonicMs: number): boolean {
    if (this.#logEndOffset - this.#recoveryPoint >= config.flushMessages) return true
    const sinceMs = this.#unflushedSinceMs
    return sinceMs !== null && nowMonotonicMs - sinceMs >= config.flushMs
  }

  flush(): Promise<void> {
    this.#flushes ??= new SharedSync(() => this.flushTo(this.#logEndOffset))
    return this.#flushes.request()
  }

  /** Not past `target`: what is sealed is flushed without the active segment. */
  async flushTo(target: Offset): Promise<void> {
    if (this.#context.failed !== null) throw this.#context.failed
    // Without a record there is nothing to lose.
    if (!this.#segments.isOnDisk && this.#segments.unwritten === null) return
    const flush = { end: target }
    this.#ends = [...this.#ends, flush]
    try {
      if (this.#segments.unwritten !== null) await this.#segments.unwritten
      if (this.#isAbandoned) return
      await this.#namesSynced()
      const startedMs = this.#context.clock.monotonicMs()
      for (const segment of this.#segments.all.slice()) {
        if (this.#needsSync(segment, target)) await this.#sync(segment)
      }
      if (this.#isAbandoned) return
      this.writeEpochs()
      this.#recoveryPoint = Math.max(this.#recoveryPoint, flush.end)
      this.#unflushedSinceMs = this.#recoveryPoint < this.#logEndOffset ? startedMs : null
    } catch (error) {
      // A log that was deleted meanwhile has nothing left to make durable.
      if (this.#isAbandoned) return
      throw this.#context.fail(error, this.#segments.directory)
    } finally {
      this.#ends = this.#ends.filter(other => other !== flush)
    }
  }

  async #sync(segment: Segment): Promise<void> {
    const { clock } = this.#context
    const startedMs = clock.monotonicMs()
    await segment.file.sync()
    this.#context.flushed(clock.monotonicMs() - startedMs)
  }

  /** Asked anew after each wait: retention and truncation may have taken the segment meanwhile. */
  #needsSync(segment: Segment, target: Offset): boolean {
    const number = this.#segments.all.indexOf(segment)
    if (number < 0 || this.#isAbandoned || segment.isEmpty || segment.baseOffset >= target) {
      return false
    }
    return this.#segments.endOffset(number, target) > this.#recoveryPoint
  }

  writeEpochs(): void {
    if (!this.#epochs.isDirty) return
    const path = `${this.#segments.directory}/${epochsFileName}`
    this.#context.disk.writeFileAtomic(path, formatEpochs(this.#epochs.starts))
    this.#epochs.written()
  }

  /** Names of files are durable only when their directory is. */
  syncNames(): void {
    const { disk } = this.#context
    const { directory } = this.#segments
    if (this.#isNew) {
      const metadata = disk.open(`${directory}/${metadataFileName}`)
      metadata.syncNow()
      metadata.close()
      disk.syncDirectory(parentOf(directory))
      this.#isNew = false
    }
    if (this.#isDirectoryDirty) {
      disk.syncDirectory(directory)
      this.#isDirectoryDirty = false
    }
  }

  async #namesSynced(): Promise<void> {
    while (this.#namesUnderWay !== null || this.#isNew || this.#isDirectoryDirty) {
      if (this.#isAbandoned) return
      this.#namesUnderWay ??= this.#syncNamesLater().finally(() => {
        this.#namesUnderWay = null
      })
      await this.#namesUnderWay
    }
  }

  /** Off the loop: with thousands of new logs, their first flushes would stop it for seconds. */
  async #syncNamesLater(): Promise<void> {
    const isNew = this.#isNew
    this.#isNew = false
    this.#isDirectoryDirty = false
    await Promise.all([
      this.#context.nameSyncs.run(() => this.#syncOwnNames(isNew)),
      isNew && this.#context.syncNamesOfLogs(),
    ])
  }

  async #syncOwnNames(isNew: boolean): Promise<void> {
    if (this.#isAbandoned) return
    const { directory } = this.#segments
    // Both are opened before anything is waited for: the directory may be renamed meanwhile.
    const names = this.#context.disk.syncDirectoryLater(directory)
    await Promise.all([names, isNew && this.#syncIdentity(directory)])
  }

  async #syncIdentity(directory: string): Promise<void> {
    const metadata = this.#context.disk.open(`${directory}/${metadataFileName}`)
    try {
      await metadata.sync()
    } finally {
      metadata.close()
    }
  }

  abandon(): void {
    this.#isAbandoned = true
  }
}
