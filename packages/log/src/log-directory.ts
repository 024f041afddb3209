import { assert, type BrokerEpoch, ByPartition, ClusterError, type Clock } from '@trimaran/common'
import type { Disk } from '@trimaran/common'
import { type LogEvent, noEpoch, type Offset, partitionKey, type TopicId } from '@trimaran/common'
import { DirectoryCheckpoints } from './directory-checkpoints.ts'
import { bytesOf, type CheckpointEntry, textOf } from './checkpoints.ts'
import { formatCleanShutdown, parseCleanShutdown } from './checkpoints.ts'
import { birthsPerTurn } from './births.ts'
import type { LogConfig } from './config.ts'
import { DirectoryContext, openFileCountMax, warmBytes } from './directory-context.ts'
import * as names from './file-names.ts'
import { parentOf } from './file-names.ts'
import { PartitionLog } from './partition-log.ts'
import { openStoredLog } from './recovery.ts'
import type { LogHome, LogIdentity } from './segments.ts'
import type { StoredLog } from './stored-log.ts'

export interface LogDirectoryOptions {
  readonly disk: Disk
  readonly directory: string
  readonly clock: Clock
  readonly logEvent: LogEvent
  readonly configFor: (topicName: string) => LogConfig
  readonly openFileCountMax?: number
  /** Logs that come to the disk in one turn of the event loop; few in a simulation, which has few. */
  readonly birthsPerTurn?: number
  /** See LogContext; small where slow reads are to be met, as in a simulation. */
  readonly warmBytes?: number
  /** Told how long each fsync of a segment took. */
  readonly flushed?: (elapsedMs: number) => void
}

export interface NewLog {
  readonly topicId: TopicId
  readonly topicName: string
  readonly partition: number
  readonly config: LogConfig
}

/** A log whose stored bytes are not what they must be. It is not served; `setAside` makes room for a fresh replica. */
export type DamageListener = (topicId: TopicId, partition: number, error: ClusterError) => void

export interface DamagedLog {
  readonly topicId: TopicId
  readonly topicName: string
  readonly partition: number
  readonly directory: string
  readonly error: ClusterError
}

/** Logs closed at a time: enough to keep the device busy, few enough for the file pool. */
const closesAtOnce = 16

/** One data directory of a broker: its partition logs, checkpoints and the marker of a clean stop. */
export class LogDirectory {
  readonly directory: string
  /** The marker was there: the last process stopped in order. */
  readonly wasCleanShutdown: boolean
  /** From the marker (KIP-966); −1 if there was none. */
  readonly previousBrokerEpoch: BrokerEpoch
  readonly #disk: Disk
  readonly #context: DirectoryContext
  readonly #checkpoints: DirectoryCheckpoints
  readonly #logs = new ByPartition<PartitionLog>()
  /** Shared by all new logs. */
  readonly #home: LogHome = {
    directoryOf: ({ topicName, partition }) =>
      this.#path(names.partitionDirectoryName(topicName, partition)),
    makeDirectory: (path, log) => this.#makeDirectory(path, log),
  }
  readonly #damaged = new Map<string, DamagedLog>()
  #onDamage: DamageListener = () => {}

  private constructor(options: LogDirectoryOptions) {
    const { disk, directory } = options
    this.#disk = disk
    this.directory = directory
    this.#checkpoints = new DirectoryCheckpoints(disk, directory, options.logEvent)
    this.#context = new DirectoryContext({
      disk,
      directory,
      clock: options.clock,
      logEvent: options.logEvent,
      openFileCountMax: options.openFileCountMax ?? openFileCountMax,
      birthsPerTurn: options.birthsPerTurn ?? birthsPerTurn,
      warmBytes: options.warmBytes ?? warmBytes,
      damaged: ({ topicId, partition }, error) => {
        if (this.log(topicId, partition) !== undefined) this.#onDamage(topicId, partition, error)
      },
      recoveryPointFell: log => this.#checkpoints.lowerRecoveryPoint(log, this.#logs.values()),
      flushed: options.flushed,
    })
    makeDurable(disk, directory)
    const brokerEpoch = takeMarker(disk, directory)
    this.wasCleanShutdown = brokerEpoch !== null
    this.previousBrokerEpoch = brokerEpoch ?? noEpoch
  }

  /**
   * Opens every log in the directory, recovering after an unclean stop. The marker of a clean stop is taken away first,
   * so that a crash from here on counts as one.
   * @throws ClusterError DISK_FAILED or DISK_FULL. A log that is damaged does not keep the others from opening.
   */
  static open(options: LogDirectoryOptions): LogDirectory {
    const directory = new LogDirectory(options)
    for (const name of options.disk.list(options.directory)) directory.#openEntry(name, options)
    return directory
  }

  /** The first failed write or fsync; no log here takes an append any more. */
  get failed(): ClusterError | null {
    return this.#context.failed
  }

  log(topicId: TopicId, partition: number): PartitionLog | undefined {
    return this.#logs.get(topicId, partition)
  }

  logs(): Iterable<PartitionLog> {
    return this.#logs.values()
  }

  damaged(): Iterable<DamagedLog> {
    return this.#damaged.values()
  }

  /** `listener` hears of open logs in which a read has met damage, each time one does; it must not change logs at once. */
  onDamage(listener: DamageListener): void {
    this.#onDamage = listener
  }

  /** @throws ClusterError CORRUPT if this partition's log is here and damaged */
  create(log: NewLog): PartitionLog {
    const { topicId, topicName, partition } = log
    const isThere = this.#logs.get(topicId, partition) !== undefined
    assert(!isThere, `${topicName}-${partition} exists`)
    const damaged = this.#damaged.get(partitionKey(topicId, partition))
    if (damaged !== undefined) throw damaged.error
    if (this.#context.failed !== null) throw this.#context.failed
    this.#checkpoints.forget(topicName, partition)
    return this.#add(log, null)
  }

  #add(log: NewLog, stored: StoredLog | null): PartitionLog {
    const added = new PartitionLog({
      context: this.#context,
      home: this.#home,
      log,
      config: log.config,
      stored,
    })
    this.#logs.set(log.topicId, log.partition, added)
    return added
  }

  #makeDirectory(path: string, log: LogIdentity): void {
    // An earlier topic of this name that was never deleted here.
    if (this.#disk.exists(path)) this.#retire(path, log, 'stray')
    this.#checkpoints.forgetDurably(log.topicName, log.partition)
    this.#disk.makeDirectory(path)
    const metadata = this.#disk.open(`${path}/${names.metadataFileName}`, { create: true })
    metadata.append([bytesOf(names.formatPartitionMetadata(log.topicId))])
    metadata.close()
  }

  /** The name is free at once; the bytes go after `file.delete.delay.ms`, off the loop. */
  delete(topicId: TopicId, partition: number): void {
    const log = this.log(topicId, partition)
    if (log === undefined) return
    const retired = this.#removeLog(log, 'delete')
    if (retired === null) return
    const { clock } = this.#context
    this.#context.later(clock.monotonicMs() + log.config.fileDeleteDelayMs, () =>
      this.#context.removeDirectory(retired),
    )
  }

  /** Logs that the metadata does not know are renamed aside and never served. Returns where they are now. */
  strays(known: (topicId: TopicId, partition: number) => boolean): string[] {
    const moved: string[] = []
    for (const log of [...this.#logs.values()]) {
      if (known(log.topicId, log.partition)) continue
      const retired = this.#removeLog(log, 'stray')
      if (retired !== null) moved.push(retired)
    }
    return moved
  }

  /** Renames a damaged log aside, open or not, so that `create` can begin a fresh one to be fetched from the leader. */
  setAside(topicId: TopicId, partition: number): void {
    const open = this.log(topicId, partition)
    if (open !== undefined) {
      this.#removeLog(open, 'stray')
      return
    }
    const key = partitionKey(topicId, partition)
    const damaged = this.#damaged.get(key)
    if (damaged === undefined) return
    this.#failing(damaged.directory, () => this.#retire(damaged.directory, damaged, 'stray'))
    this.#damaged.delete(key)
    this.#checkpoints.forget(damaged.topicName, damaged.partition)
  }

  /** What was checkpointed last, within the bounds of the log; 0 if nothing was. */
  highWatermark(topicName: string, partition: number): Offset {
    return this.#checkpoints.highWatermark(topicName, partition)
  }

  /** Partitions not named keep what they had. */
  checkpointHighWatermarks(entries: Iterable<CheckpointEntry>): void {
    this.#failing(this.directory, () => this.#checkpoints.writeHighWatermarks(entries))
  }

  /** Recovery points and log start offsets. Writes nothing when nothing has moved. */
  checkpointRecoveryPoints(): void {
    this.#failing(this.directory, () => this.#checkpoints.writeOffsets(this.#logs.values()))
  }

  /**
   * Makes everything durable, then the checkpoints, then the marker. A directory that failed gets no marker: the next
   * start will recover it.
   */
  async close({ brokerEpoch }: { readonly brokerEpoch: BrokerEpoch }): Promise<void> {
    const logs = [...this.#logs.values()]
    try {
      while (logs.length > 0)
        await Promise.all(logs.splice(0, closesAtOnce).map(log => log.close()))
      if (this.failed === null) {
        this.checkpointRecoveryPoints()
        this.#disk.writeFileAtomic(
          this.#path(names.cleanShutdownFileName),
          formatCleanShutdown(brokerEpoch),
        )
      }
    } catch (error) {
      this.#context.fail(error, this.directory)
    } finally {
      for (const log of this.#logs.values()) log.abandon()
      this.#context.stop()
    }
  }

  #openEntry(name: string, options: LogDirectoryOptions): void {
    const path = this.#path(name)
    if (names.isRetiredForDeletion(name)) return this.#context.removeDirectory(path)
    const parsed = names.parsePartitionDirectoryName(name)
    if (parsed === null || !isDirectory(this.#disk, path)) return
    const topicId = this.#topicIdIn(path)
    if (topicId === null) return this.#withoutIdentity(path, parsed)
    const log = { ...parsed, topicId, config: options.configFor(parsed.topicName) }
    if (this.log(topicId, parsed.partition) !== undefined) {
      this.#retire(path, log, 'stray')
      return
    }
    try {
      this.#openLog(path, log)
    } catch (error) {
      if (!(error instanceof ClusterError) || error.code !== 'CORRUPT') throw error
      const damaged = { ...parsed, topicId, directory: path, error }
      this.#damaged.set(partitionKey(topicId, parsed.partition), damaged)
      this.#context.logEvent('error', 'log damaged', { directory: path, err: error })
    }
  }

  #topicIdIn(path: string): TopicId | null {
    const metadata = `${path}/${names.metadataFileName}`
    if (!this.#disk.exists(metadata)) return null
    return names.parsePartitionMetadata(textOf(this.#disk.readFile(metadata)))
  }

  /** A creation that power loss cut short leaves nothing of value; with records in it, it is kept aside for a human. */
  #withoutIdentity(path: string, parsed: { topicName: string; partition: number }): void {
    const hasRecords = this.#disk.list(path).some(name => {
      if (!name.endsWith('.log')) return false
      const file = this.#disk.open(`${path}/${name}`)
      const { sizeBytes } = file
      file.close()
      return sizeBytes > 0
    })
    const suffix = hasRecords ? 'stray' : 'delete'
    const retired = this.#retire(path, { ...parsed, topicId: 'unknown' }, suffix)
    if (!hasRecords) this.#context.removeDirectory(retired)
  }

  #openLog(path: string, log: NewLog): void {
    const { topicName, partition } = log
    const opened = openStoredLog({
      ...log,
      context: this.#context,
      directory: path,
      recoveryPoint: this.#checkpoints.recoveryPoint(topicName, partition),
      logStartOffset: this.#checkpoints.logStartOffset(topicName, partition),
      highWatermark: this.#checkpoints.highWatermark(topicName, partition),
      firstDirtyOffset: this.#checkpoints.firstDirtyOffset(topicName, partition),
      isClean: this.wasCleanShutdown,
    })
    this.#checkpoints.clampHighWatermark(this.#add(log, opened))
  }

  /** Null: it never came to the disk. */
  #removeLog(log: PartitionLog, suffix: 'delete' | 'stray'): string | null {
    this.#logs.delete(log.topicId, log.partition)
    log.abandon()
    this.#checkpoints.forget(log.topicName, log.partition)
    if (!log.isOnDisk) return null
    return this.#failing(log.directory, () => this.#retire(log.directory, log, suffix))
  }

  #retire(
    path: string,
    log: { readonly topicId: TopicId; readonly topicName: string; readonly partition: number },
    suffix: 'delete' | 'stray',
  ): string {
    let retired: string
    let attempt = 0
    do {
      const unique = attempt === 0 ? log.topicId : `${log.topicId}.${attempt}`
      retired = this.#path(names.retiredDirectoryName({ ...log, unique, suffix }))
      attempt++
    } while (this.#disk.exists(retired))
    this.#disk.rename(path, retired)
    if (suffix === 'stray') {
      this.#context.logEvent('warn', 'log set aside', { directory: path, now: retired })
    }
    return retired
  }

  #path(name: string): string {
    return `${this.directory}/${name}`
  }

  #failing<T>(path: string, work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw this.#context.fail(error, path)
    }
  }
}

/** The data directory and those above it that are new, so that nothing in it can vanish as a whole. */
function makeDurable(disk: Disk, directory: string): void {
  const isThere = disk.exists(directory)
  const parent = parentOf(directory)
  if (!isThere && parent !== '.' && parent !== '/') makeDurable(disk, parent)
  disk.makeDirectory(directory)
  if (!isThere) disk.syncDirectory(parent)
}

/** Broker epoch of the marker, −1 if it names none; null if there is no marker. Durably gone when it returns. */
function takeMarker(disk: Disk, directory: string): BrokerEpoch | null {
  const path = `${directory}/${names.cleanShutdownFileName}`
  if (!disk.exists(path)) return null
  const brokerEpoch = parseCleanShutdown(disk.readFile(path))
  disk.removeFile(path)
  disk.syncDirectory(directory)
  return brokerEpoch
}

/** A partition's directory holds at least its identity or a segment; a file of that name lists as nothing. */
function isDirectory(disk: Disk, path: string): boolean {
  return disk.list(path).length > 0
}
