import type { Clock, ClusterError, Disk, LogEvent } from '@trimaran/common'
import type { Offset, Slots, TopicId } from '@trimaran/common'
import type { Births } from './births.ts'
import type { FilePool } from './file-pool.ts'
import type { Segment } from './segment.ts'
import type { LoadedIndexes } from './segment-indexes.ts'
import type { TailBudget } from './tail-cache.ts'

export interface RecoveryPointOf {
  readonly topicName: string
  readonly partition: number
  readonly recoveryPoint: Offset
}

/** What all logs of one data directory share: its ports, its budgets and its health. */
export interface LogContext {
  readonly disk: Disk
  readonly clock: Clock
  readonly logEvent: LogEvent
  readonly files: FilePool
  readonly births: Births
  readonly tails: TailBudget
  readonly indexes: LoadedIndexes<Segment>
  /** The end of a log of so many bytes is in the page cache; what lies before is perhaps only on the device. */
  readonly warmBytes: number
  /** Set by the first failed write or fsync; no log of the directory takes an append after that. */
  readonly failed: ClusterError | null
  fail(error: unknown, path: string): ClusterError
  /** Stored bytes of the log are not what was stored. */
  damaged(log: { readonly topicId: TopicId; readonly partition: number }, error: ClusterError): void
  /** A truncation went below what the recovery-point checkpoint says: it must be rewritten before the next append. */
  recoveryPointFell(log: RecoveryPointOf): void
  /** An fsync of a segment took so long. */
  flushed(elapsedMs: number): void
  /** Each holds two descriptors and a thread of the pool. */
  readonly nameSyncs: Slots
  /** Makes the names of the logs' directories durable, off the loop and for all who ask at once. */
  syncNamesOfLogs(): Promise<void>
  /** Removes renamed files off the loop: unlinking a large file takes a tenth of a second. */
  removeLater(paths: readonly string[], delayMs: number): void
}
