import { type Clock, ClusterError, type Disk, type LogEvent, Slots } from '@trimaran/common'
import { Births } from './births.ts'
import type { LogContext, RecoveryPointOf } from './context.ts'
import { parentOf } from './file-names.ts'
import { FilePool } from './file-pool.ts'
import type { Segment } from './segment.ts'
import { LoadedIndexes } from './segment-indexes.ts'
import { SharedSync } from './shared-sync.ts'
import { TailBudget } from './tail-cache.ts'

/** Open segment files of one directory: half of the 1,024 descriptors that small systems grant a process. */
export const openFileCountMax = 512
/** A second of one log at full speed: no page cache has given it away. */
export const warmBytes = 64 * 1024 * 1024
/** Indexes in memory: those of 64 full 1 GiB segments with entries every 4 KiB (2 MiB each), halved. */
const indexBytesMax = 64 * 1024 * 1024
/** Recently appended batches in memory: 64 logs with full tails of 1 MiB. */
const tailBytesMax = 64 * 1024 * 1024
/** As many as Node's thread pool has threads. */
const nameSyncsAtOnce = 4

/** What the logs of one data directory share. */
export class DirectoryContext implements LogContext {
  readonly disk: Disk
  readonly clock: Clock
  readonly logEvent: LogEvent
  readonly warmBytes: number
  readonly files: FilePool
  readonly births: Births
  readonly tails: TailBudget
  readonly indexes: LoadedIndexes<Segment>
  readonly #recoveryPointFell: (log: RecoveryPointOf) => void
  readonly #damaged: LogContext['damaged']
  readonly #flushed: ((elapsedMs: number) => void) | undefined
  readonly #waiting = new Set<() => void>()
  #trashCount = 0
  #failed: ClusterError | null = null

  readonly nameSyncs = new Slots(nameSyncsAtOnce)
  readonly #names: SharedSync

  constructor(options: {
    readonly disk: Disk
    readonly directory: string
    readonly clock: Clock
    readonly logEvent: LogEvent
    readonly openFileCountMax: number
    readonly birthsPerTurn: number
    readonly warmBytes: number
    readonly recoveryPointFell: (log: RecoveryPointOf) => void
    readonly damaged: LogContext['damaged']
    readonly flushed: ((elapsedMs: number) => void) | undefined
  }) {
    this.disk = options.disk
    this.clock = options.clock
    this.logEvent = options.logEvent
    this.warmBytes = options.warmBytes
    this.#names = new SharedSync(() => options.disk.syncDirectoryLater(options.directory))
    this.#recoveryPointFell = options.recoveryPointFell
    this.#damaged = options.damaged
    this.#flushed = options.flushed
    this.files = new FilePool(options.disk, options.openFileCountMax)
    this.births = new Births(options.clock, options.birthsPerTurn)
    this.tails = new TailBudget(tailBytesMax)
    this.indexes = new LoadedIndexes(indexBytesMax, segment => this.#unload(segment))
  }

  get failed(): ClusterError | null {
    return this.#failed
  }

  /** After a failed write nothing is known about what the disk holds, so the first failure is kept for good. */
  fail(error: unknown, path: string): ClusterError {
    if (this.#failed !== null) return this.#failed
    const isOperational = error instanceof ClusterError
    if (!isOperational) throw error
    this.#failed = error
    this.logEvent('error', 'log directory failed', { path, code: error.code, err: error })
    return error
  }

  damaged(...damage: Parameters<LogContext['damaged']>): void {
    this.#damaged(...damage)
  }

  recoveryPointFell(log: RecoveryPointOf): void {
    this.#recoveryPointFell(log)
  }

  flushed(elapsedMs: number): void {
    this.#flushed?.(elapsedMs)
  }

  syncNamesOfLogs(): Promise<void> {
    return this.#names.request()
  }

  #unload(segment: Segment): void {
    try {
      segment.unload()
    } catch (error) {
      this.fail(error, segment.file.path)
    }
  }

  removeLater(paths: readonly string[], delayMs: number): void {
    this.later(this.clock.monotonicMs() + delayMs, () => this.#remove(paths))
  }

  /** Until `stop`. */
  later(deadlineMs: number, work: () => void): void {
    const cancel = this.clock.wakeAt(deadlineMs, () => {
      this.#waiting.delete(cancel)
      work()
    })
    this.#waiting.add(cancel)
  }

  /** Into a directory of their own, which the disk removes off the loop. Files that went with their log are skipped. */
  #remove(paths: readonly string[]): void {
    try {
      const present = paths.filter(path => this.disk.exists(path))
      const first = present[0]
      if (first === undefined) return
      const trash = this.#trashName(parentOf(first))
      this.disk.makeDirectory(trash)
      for (const path of present) {
        this.disk.rename(path, `${trash}/${path.slice(path.lastIndexOf('/') + 1)}`)
      }
      this.removeDirectory(trash)
    } catch (error) {
      this.fail(error, paths[0] ?? '')
    }
  }

  #trashName(directory: string): string {
    let name: string
    do name = `${directory}.segments${this.#trashCount++}-delete`
    while (this.disk.exists(name))
    return name
  }

  /** What cannot be removed now is removed at the next start. */
  removeDirectory(path: string): void {
    this.disk.removeDirectory(path).catch((error: unknown) => {
      this.logEvent('warn', 'directory not removed', { path, err: error })
    })
  }

  /** Renamed files are found and removed at the next start. */
  stop(): void {
    this.births.stop()
    for (const cancel of this.#waiting) cancel()
    this.#waiting.clear()
  }
}
