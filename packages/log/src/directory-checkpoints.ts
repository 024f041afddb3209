import type { Disk, LogEvent, Offset } from '@trimaran/common'
import { type CheckpointEntry, formatOffsets, parseOffsets } from './checkpoints.ts'
import type { RecoveryPointOf } from './context.ts'
import {
  firstDirtyOffsetsFileName,
  highWatermarksFileName,
  logStartOffsetsFileName,
  recoveryPointsFileName,
} from './file-names.ts'
import type { PartitionLog } from './partition-log.ts'

/** One file of offsets by partition, and what it says. */
class OffsetsFile {
  readonly #disk: Disk
  readonly #path: string
  /** By "topic partition", as in the file. */
  #offsets = new Map<string, Offset>()
  #isDirty = false
  /** Partitions that are forgotten here, but that the file may still name. */
  readonly #ghosts = new Set<string>()

  constructor(disk: Disk, path: string, logEvent: LogEvent) {
    this.#disk = disk
    this.#path = path
    if (!disk.exists(path)) return
    const entries = parseOffsets(disk.readFile(path))
    if (entries === null) {
      // Nothing known is always safe: a longer scan, a later high watermark, an earlier start.
      logEvent('warn', 'checkpoint unreadable', { path })
      return
    }
    for (const entry of entries)
      this.#offsets.set(keyOf(entry.topicName, entry.partition), entry.offset)
  }

  get(topicName: string, partition: number): Offset {
    return this.#offsets.get(keyOf(topicName, partition)) ?? 0
  }

  /** What is not named is 0, so a log that begins there and has no record takes no room. */
  set(topicName: string, partition: number, offset: Offset): void {
    const key = keyOf(topicName, partition)
    if ((this.#offsets.get(key) ?? 0) === offset) return
    this.#offsets.set(key, offset)
    this.#isDirty = true
  }

  delete(topicName: string, partition: number): void {
    const key = keyOf(topicName, partition)
    if (!this.#offsets.delete(key)) return
    this.#ghosts.add(key)
    this.#isDirty = true
  }

  write(): void {
    if (!this.#isDirty) return
    this.#disk.writeFileAtomic(this.#path, formatOffsets(this.#entries()))
    this.#isDirty = false
    this.#ghosts.clear()
  }

  /** The file names it no more when this returns. */
  deleteDurably(topicName: string, partition: number): void {
    this.delete(topicName, partition)
    if (this.#ghosts.has(keyOf(topicName, partition))) this.write()
  }

  *#entries(): Generator<CheckpointEntry> {
    for (const [key, offset] of this.#offsets) {
      const space = key.indexOf(' ')
      yield { topicName: key.slice(0, space), partition: Number(key.slice(space + 1)), offset }
    }
  }
}

const keyOf = (topicName: string, partition: number): string => `${topicName} ${partition}`

/**
 * The checkpoint files of a data directory. A recovery point in the file never speaks of bytes that are not
 * durable: it grows after a flush, and is lowered before anything is appended where a truncation cut below it.
 */
export class DirectoryCheckpoints {
  readonly #recoveryPoints: OffsetsFile
  readonly #highWatermarks: OffsetsFile
  readonly #logStartOffsets: OffsetsFile
  readonly #firstDirtyOffsets: OffsetsFile

  constructor(disk: Disk, directory: string, logEvent: LogEvent) {
    const file = (name: string): OffsetsFile =>
      new OffsetsFile(disk, `${directory}/${name}`, logEvent)
    this.#recoveryPoints = file(recoveryPointsFileName)
    this.#highWatermarks = file(highWatermarksFileName)
    this.#logStartOffsets = file(logStartOffsetsFileName)
    this.#firstDirtyOffsets = file(firstDirtyOffsetsFileName)
  }

  recoveryPoint(topicName: string, partition: number): Offset {
    return this.#recoveryPoints.get(topicName, partition)
  }

  logStartOffset(topicName: string, partition: number): Offset {
    return this.#logStartOffsets.get(topicName, partition)
  }

  highWatermark(topicName: string, partition: number): Offset {
    return this.#highWatermarks.get(topicName, partition)
  }

  firstDirtyOffset(topicName: string, partition: number): Offset {
    return this.#firstDirtyOffsets.get(topicName, partition)
  }

  clampHighWatermark(log: PartitionLog): void {
    const { topicName, partition, logStartOffset, logEndOffset } = log
    const stored = this.highWatermark(topicName, partition)
    this.#highWatermarks.set(
      topicName,
      partition,
      Math.min(Math.max(stored, logStartOffset), logEndOffset),
    )
  }

  writeHighWatermarks(entries: Iterable<CheckpointEntry>): void {
    for (const { topicName, partition, offset } of entries) {
      this.#highWatermarks.set(topicName, partition, offset)
    }
    this.#highWatermarks.write()
  }

  writeOffsets(logs: Iterable<PartitionLog>): void {
    for (const log of logs) {
      if (!log.isOnDisk) continue
      this.#recoveryPoints.set(log.topicName, log.partition, log.recoveryPoint)
      if (log.firstDirtyOffset > 0) {
        this.#firstDirtyOffsets.set(log.topicName, log.partition, log.firstDirtyOffset)
      } else {
        this.#firstDirtyOffsets.delete(log.topicName, log.partition)
      }
      if (log.startsInsideSegment) {
        this.#logStartOffsets.set(log.topicName, log.partition, log.logStartOffset)
      } else {
        this.#logStartOffsets.delete(log.topicName, log.partition)
      }
    }
    this.#firstDirtyOffsets.write()
    this.#logStartOffsets.write()
    this.#recoveryPoints.write()
  }

  lowerRecoveryPoint(log: RecoveryPointOf, logs: Iterable<PartitionLog>): void {
    if (this.recoveryPoint(log.topicName, log.partition) <= log.recoveryPoint) return
    this.writeOffsets(logs)
  }

  /** Before a new log takes the name: after a crash it must not be taken to begin or end where the old one did. */
  forgetDurably(topicName: string, partition: number): void {
    this.#recoveryPoints.deleteDurably(topicName, partition)
    this.#highWatermarks.deleteDurably(topicName, partition)
    this.#logStartOffsets.deleteDurably(topicName, partition)
    this.#firstDirtyOffsets.deleteDurably(topicName, partition)
  }

  forget(topicName: string, partition: number): void {
    this.#recoveryPoints.delete(topicName, partition)
    this.#highWatermarks.delete(topicName, partition)
    this.#logStartOffsets.delete(topicName, partition)
    this.#firstDirtyOffsets.delete(topicName, partition)
  }
}
