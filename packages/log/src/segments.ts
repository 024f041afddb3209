import { assert, ClusterError, type DiskFile, emptyBytes } from '@trimaran/common'
import { must, type Offset, type TopicId } from '@trimaran/common'
import type { Births } from './births.ts'
import type { LogConfig } from './config.ts'
import type { LogContext } from './context.ts'
import { PooledFile, type UnbornFile } from './file-pool.ts'
import { cleanedSuffix, deletedSuffix, segmentFileKinds, segmentFileName } from './file-names.ts'
import { swapSuffix } from './file-names.ts'
import { encodeProducerSnapshot } from './producer-snapshot.ts'
import { ProducerStates } from './producer-state.ts'
import { applyScanned, statesAt } from './replay.ts'
import { type ColdRead, type ReadLimits, Segment, type SegmentOwner } from './segment.ts'
import { readSnapshot, writeSnapshot } from './snapshots.ts'
import { contentCrc, emptyIndexes, indexBytes, loadIndexes } from './segment-indexes.ts'
import { type SegmentIndexes, type SegmentSummary, writeIndexes } from './segment-indexes.ts'

/** Readers come back every moment; one line a minute tells as much. */
const damageReportIntervalMs = 60_000

/** The data directory, for a log that is not in it yet. */
export interface LogHome {
  directoryOf(log: LogIdentity): string
  makeDirectory(path: string, log: LogIdentity): void
}

export interface LogIdentity {
  readonly topicId: TopicId
  readonly topicName: string
  readonly partition: number
}

/** The segments of one log, oldest first. Invariant: never empty once opened; the last one is the active one. */
export class Segments implements SegmentOwner, UnbornFile {
  readonly directory: string
  readonly context: LogContext
  readonly #settings: { readonly config: LogConfig }
  readonly #log: LogIdentity
  #list: Segment[] = []
  /** Who makes its directory; null: the log is on the disk. */
  #home: LogHome | null = null
  #damageReportedMs = -Infinity

  /** `settings`: shared with the log, which may change its config. */
  constructor(options: {
    readonly context: LogContext
    readonly directory: string
    readonly log: LogIdentity
    readonly settings: { readonly config: LogConfig }
  }) {
    this.context = options.context
    this.directory = options.directory
    this.#log = options.log
    this.#settings = options.settings
  }

  /** False: it never had a record, and there is nothing of it outside of memory. */
  get isOnDisk(): boolean {
    return this.#home === null
  }

  /** See PartitionLog. */
  get unwritten(): Promise<void> | null {
    return this.first.file.unwritten
  }

  get all(): readonly Segment[] {
    return this.#list
  }

  get first(): Segment {
    return must(this.#list[0], 'a log has a segment')
  }

  get active(): Segment {
    return must(this.#list.at(-1), 'a log has an active segment')
  }

  /** Compaction leaves offsets out. */
  get mayHaveGaps(): boolean {
    return this.#settings.config.cleanupCompact
  }

  get sizeBytes(): number {
    let sizeBytes = 0
    for (const segment of this.#list) sizeBytes += segment.sizeBytes
    return sizeBytes
  }

  /** A segment that is on the disk already. */
  adopt(baseOffset: Offset): Segment {
    const { files, disk } = this.context
    return this.#push(
      baseOffset,
      PooledFile.openExisting(files, disk, Segment.path(this.directory, baseOffset)),
    )
  }

  create(baseOffset: Offset): Segment {
    const { files, disk } = this.context
    this.#bear()
    const path = Segment.path(this.directory, baseOffset)
    const segment = this.#push(baseOffset, PooledFile.create(files, disk, path))
    segment.indexes = emptyIndexes(this.directory, baseOffset)
    return segment
  }

  /** The first of a new log, whose file and directory are made when it is used. */
  createUnborn(home: LogHome): Segment {
    this.#home = home
    return this.#push(0, PooledFile.unborn(this.context.files, this))
  }

  // For the file of `createUnborn`

  get births(): Births {
    return this.context.births
  }

  get path(): string {
    return Segment.path(this.directory, 0)
  }

  make(): DiskFile {
    this.#bear()
    return this.context.disk.open(this.path, { create: true })
  }

  fail(error: unknown): ClusterError {
    return this.context.fail(error, this.directory)
  }

  #bear(): void {
    this.#home?.makeDirectory(this.directory, this.#log)
    this.#home = null
  }

  #push(baseOffset: Offset, file: PooledFile): Segment {
    const last = this.#list.at(-1)
    assert(last === undefined || last.baseOffset < baseOffset, 'segments are added at the end')
    const segment = new Segment({
      baseOffset,
      file,
      owner: this,
      openedAtWallMs: this.context.clock.wallMs(),
    })
    // The first in a list of just its size: most logs never have another.
    if (last === undefined) this.#list = [segment]
    else this.#list.push(segment)
    return segment
  }

  /** Number of the segment that holds `offset`, if any does; −1 below the first. */
  floor(offset: Offset): number {
    let low = -1
    let high = this.#list.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.#list[middle] as Segment).baseOffset <= offset) low = middle
      else high = middle - 1
    }
    return low
  }

  at(number: number): Segment {
    return must(this.#list[number], `a log has segment ${number}`)
  }

  /** Exclusive end of a sealed segment; of the active one, the log's end. */
  endOffset(number: number, logEndOffset: Offset): Offset {
    return this.#list[number + 1]?.baseOffset ?? logEndOffset
  }

  indexesOf(segment: Segment): SegmentIndexes {
    const indexes = segment.indexes ?? this.#load(segment)
    this.context.indexes.used(segment, indexBytes(indexes))
    return indexes
  }

  #load(segment: Segment): SegmentIndexes {
    if (segment.file.isUnborn) return this.reset(segment)
    const summary = this.summaryOf(segment)
    if (summary !== null && summary.sizeBytes === segment.sizeBytes) {
      const loaded = loadIndexes(this.context.disk, this.directory, summary)
      if (loaded !== null) {
        segment.indexes = loaded
        segment.restoreNotes(summary)
        segment.summary = summary
        return loaded
      }
    }
    return this.rebuild(segment)
  }

  /** In memory, or in the snapshot taken where the segment ends. */
  summaryOf(segment: Segment): SegmentSummary | null {
    if (segment.summary !== null) return segment.summary
    const next = this.#list[this.#list.indexOf(segment) + 1]
    if (next === undefined) return null
    const summary =
      readSnapshot(this.context.disk, this.directory, next.baseOffset)?.summary ?? null
    if (summary !== null && summary.baseOffset !== segment.baseOffset) {
      throw new ClusterError(
        'CORRUPT',
        `${this.directory}: the segment at ${summary.baseOffset}, before ${next.baseOffset}, is missing`,
      )
    }
    return summary
  }

  /** From the log file itself, headers only; the aborted transactions need the producer state at the segment's start. */
  rebuild(segment: Segment): SegmentIndexes {
    const states = statesAt(this, segment.baseOffset)
    const intervalBytes =
      segment.summary?.indexIntervalBytes ?? this.#settings.config.indexIntervalBytes
    const indexes = this.reset(segment)
    segment.scan({ from: 0 }, batch => {
      segment.note(batch.header, intervalBytes)
      applyScanned(states, batch, indexes)
      return true
    })
    if (segment !== this.active) this.#rewriteSummary(segment, states)
    this.context.logEvent('info', 'segment indexes rebuilt', {
      path: segment.file.path,
      offsetEntries: indexes.offsets.count,
      timeEntries: indexes.times.count,
    })
    return indexes
  }

  /** The snapshot at a sealed segment's end must vouch for what the index files are now. */
  #rewriteSummary(segment: Segment, statesAtEnd: ProducerStates | null): void {
    const { disk } = this.context
    const offset = this.endOffset(this.#list.indexOf(segment), 0)
    const kept = readSnapshot(disk, this.directory, offset)
    const states = kept === null ? (statesAtEnd ?? statesAt(this, offset)) : new ProducerStates()
    if (kept !== null) states.restore(kept.entries, kept.undetermined, offset)
    const vouched = { summary: this.settle(segment), epochsCrc: kept?.epochsCrc ?? null }
    writeSnapshot(disk, { directory: this.directory, offset }, states, vouched)
  }

  reset(segment: Segment): SegmentIndexes {
    segment.forgetNotes()
    segment.summary = null
    segment.indexes = emptyIndexes(this.directory, segment.baseOffset)
    return segment.indexes
  }

  /** Largest timestamp of a sealed segment without loading its indexes, if its summary is at hand. */
  largestTimestampMs(segment: Segment): number {
    this.knowNotes(segment)
    return segment.maxTimestampMs
  }

  knowNotes(segment: Segment): void {
    if (segment.notesKnown) return
    const summary = this.summaryOf(segment)
    if (summary === null || summary.sizeBytes !== segment.sizeBytes) {
      this.indexesOf(segment)
      return
    }
    segment.restoreNotes(summary)
    segment.summary = summary
  }

  /** Index files brought up to date, and what they are now. */
  settle(segment: Segment): SegmentSummary {
    const known = segment.summary
    if (known !== null && (segment.indexes === null || !isDirty(segment.indexes))) return known
    const indexes = segment.indexes ?? this.indexesOf(segment)
    segment.file.ensureMade()
    segment.noteTime()
    writeIndexes(this.context.disk, indexes)
    const summary = {
      baseOffset: segment.baseOffset,
      sizeBytes: segment.sizeBytes,
      maxTimestampMs: segment.maxTimestampMs,
      offsetOfMaxTimestamp: segment.offsetOfMaxTimestamp,
      bytesSinceIndexEntry: segment.bytesSinceIndexEntry,
      indexIntervalBytes: this.#settings.config.indexIntervalBytes,
      offsetsCrc: contentCrc(indexes.offsets),
      timesCrc: contentCrc(indexes.times),
      abortedCrc: contentCrc(indexes.aborted),
    }
    segment.summary = summary
    return summary
  }

  /** What compaction writes, beside the segment that has the name. */
  detached(baseOffset: Offset): Segment {
    const { files, disk, clock } = this.context
    const path = `${Segment.path(this.directory, baseOffset)}${cleanedSuffix}`
    const file = PooledFile.create(files, disk, path)
    const segment = new Segment({ baseOffset, file, owner: this, openedAtWallMs: clock.wallMs() })
    segment.isDetached = true
    segment.indexes = emptyIndexes(this.directory, baseOffset)
    return segment
  }

  discard(segment: Segment): void {
    const { disk, indexes } = this.context
    indexes.forget(segment)
    segment.file.close()
    if (disk.exists(segment.file.path)) disk.removeFile(segment.file.path)
  }

  /**
   * A compacted segment takes the place of its sources. A crash before `.swap` is durable leaves the sources, one after
   * it leaves what `completeSwap` makes the same of. The snapshot at the end stops vouching first, the one at the start
   * speaks of the segment before and stays.
   */
  replace(sources: readonly Segment[], cleaned: Segment, delayMs: number): void {
    const { disk } = this.context
    const number = this.#list.indexOf(must(sources[0], 'a group has a segment'))
    this.#vouchForNothingAt(this.endOffset(number + sources.length - 1, 0))
    const path = Segment.path(this.directory, cleaned.baseOffset)
    disk.rename(cleaned.file.path, `${path}${swapSuffix}`)
    disk.syncDirectory(this.directory)
    const paths: string[] = []
    for (const source of sources) this.#retire(source, paths, source === sources[0])
    disk.rename(`${path}${swapSuffix}`, path)
    cleaned.file.renamed(path)
    disk.syncDirectory(this.directory)
    this.#list.splice(number, sources.length, cleaned)
    cleaned.isDetached = false
    this.#rewriteSummary(cleaned, null)
    this.#retired(paths, delayMs)
  }

  #vouchForNothingAt(offset: Offset): void {
    const { disk } = this.context
    const kept = readSnapshot(disk, this.directory, offset)
    if (kept === null) return
    const states = new ProducerStates()
    states.restore(kept.entries, kept.undetermined, offset)
    const bytes = encodeProducerSnapshot(states, { summary: null, epochsCrc: kept.epochsCrc })
    disk.writeFileAtomic(`${this.directory}/${segmentFileName(offset, 'snapshot')}`, bytes)
  }

  /** Renames the oldest away; their bytes go after the delay, so that reads under way can end. */
  removeOldest(count: number, delayMs: number): void {
    assert(count < this.#list.length, 'the active segment is never removed')
    const paths: string[] = []
    for (const segment of this.#list.slice(0, count)) {
      this.#retire(segment, paths)
      this.#list.shift()
    }
    this.#retired(paths, delayMs)
  }

  /** From the end backwards, so that whatever a crash leaves is a log without its tail. Durable when it returns. */
  removeFrom(number: number, delayMs: number): void {
    const paths: string[] = []
    while (this.#list.length > number) this.#retire(this.#list.pop() as Segment, paths)
    this.#retired(paths, delayMs)
    if (paths.length > 0) this.context.disk.syncDirectory(this.directory)
  }

  #retire(segment: Segment, paths: string[], keepSnapshot = false): void {
    const { disk, indexes } = this.context
    indexes.forget(segment)
    if (segment.file.isUnborn) return segment.file.close()
    for (const kind of segmentFileKinds) {
      const path = `${this.directory}/${segmentFileName(segment.baseOffset, kind)}`
      if (kind !== 'log' && !disk.exists(path)) continue
      if (kind === 'snapshot' && keepSnapshot) continue
      const retired = `${path}${deletedSuffix}`
      disk.rename(path, retired)
      if (kind === 'log') segment.file.renamed(retired)
      paths.push(retired)
    }
    segment.file.close()
  }

  #retired(paths: readonly string[], delayMs: number): void {
    if (paths.length > 0) this.context.removeLater(paths, delayMs)
  }

  /** See PartitionLog.read. Damage is reported here, for whoever asked gets no more than an error code. */
  read(offset: Offset, limits: ReadLimits): Uint8Array {
    try {
      for (let number = Math.max(0, this.floor(offset)); number < this.#list.length; number++) {
        const bytes = this.at(number).read(offset, limits)
        if (bytes !== null) return bytes
      }
      return emptyBytes
    } catch (error) {
      if (error instanceof ClusterError && error.code === 'CORRUPT') this.#reportDamage(error)
      throw error
    }
  }

  /** See PartitionLog.coldRead. */
  coldRead(offset: Offset, maxBytes: number): ColdRead | null {
    const number = this.floor(offset)
    if (number < 0) return null
    const segment = this.at(number)
    const { warmBytes } = this.context
    let behindBytes = 0
    for (let at = this.#list.length - 1; at > number && behindBytes < warmBytes; at--)
      behindBytes += this.at(at).sizeBytes
    if (behindBytes < warmBytes && behindBytes + segment.sizeBytes < warmBytes) return null
    const { start, lengthBytes } = segment.firstRange(offset, maxBytes)
    if (behindBytes + segment.sizeBytes - start < warmBytes || lengthBytes <= 0) return null
    const { file } = segment
    return {
      sizeBytes: lengthBytes,
      load: () => file.load(start, lengthBytes),
      release: () => file.unload(),
    }
  }

  #reportDamage(err: ClusterError): void {
    this.context.damaged(this.#log, err)
    const nowMs = this.context.clock.monotonicMs()
    if (nowMs - this.#damageReportedMs < damageReportIntervalMs) return
    this.#damageReportedMs = nowMs
    this.context.logEvent('error', 'damaged records are not served', {
      directory: this.directory,
      err,
      hint: 'once another replica is in sync, it takes over and this one is fetched anew',
    })
  }

  close(): void {
    for (const segment of this.#list) {
      this.context.indexes.forget(segment)
      segment.file.close()
    }
  }
}

function isDirty(indexes: SegmentIndexes): boolean {
  return indexes.offsets.isDirty || indexes.times.isDirty || indexes.aborted.isDirty
}
