import { ClusterError } from '@trimaran/common'
import type { CheckpointEntry, LogDirectory } from '@trimaran/log'
import { Cleaner } from './cleaner.ts'
import type { ReplicationContext } from './context.ts'
import type { Flusher } from './flusher.ts'
import type { LeaderSide } from './leader-side.ts'
import type { Partition } from './partition.ts'
import type { Timer } from './timers.ts'

export interface HousekeepingOptions {
  readonly context: ReplicationContext
  readonly logs: LogDirectory
  readonly leaderSide: LeaderSide
  readonly flusher: Flusher
  readonly storageFailed: (partition: Partition, error: ClusterError) => void
}

/** Between looks at partitions with too few in sync: an ISR change that was refused may pass now. */
const underReplicatedCheckMs = 1_000
/** Between looks at flush.ms. Kafka: log.flush.scheduler.interval.ms, by default never. */
const flushCheckMs = 1_000
/** Logs looked after in one turn of the event loop: at some 20 µs each the loop stalls for about a millisecond. */
const logsPerTurn = 64

/** What time alone brings: ISR checks, checkpoints, fsyncs, retention, compaction. Every job spreads over the turns of the loop. */
export class Housekeeping {
  readonly #options: HousekeepingOptions
  readonly #timers = new Set<Timer>()
  readonly #cleaner: Cleaner | null
  #isStopped = false

  constructor(options: HousekeepingOptions) {
    this.#options = options
    const { context, storageFailed } = options
    const backoffMs = context.config.cleanerBackoffMs
    this.#cleaner = backoffMs === null ? null : new Cleaner({ context, backoffMs, storageFailed })
  }

  start(): void {
    const { context, leaderSide } = this.#options
    const { config, table } = context
    this.#every(config.replicaLagTimeMaxMs / 2, () =>
      this.#spread(table, partition => leaderSide.tick([partition])),
    )
    this.#every(underReplicatedCheckMs, () => leaderSide.tick(leaderSide.underReplicated))
    this.#every(config.highWatermarkCheckpointIntervalMs, () => this.checkpoint())
    this.#every(config.recoveryPointCheckpointIntervalMs, () => this.#checkpointRecoveryPoints())
    this.#every(config.retentionCheckIntervalMs, () =>
      this.#spread(table, partition => this.#retain(partition)),
    )
    this.#every(flushCheckMs, () =>
      this.#spread(table.flushedInTime, partition => this.#flushIfDue(partition)),
    )
    this.#cleaner?.start()
  }

  stop(): void {
    this.#isStopped = true
    this.#cleaner?.stop()
    for (const timer of this.#timers) this.#options.context.timers.cancel(timer)
  }

  /** So that a restart knows what consumers may have seen. */
  checkpoint(): void {
    const { logs, context } = this.#options
    const entries: CheckpointEntry[] = []
    const { highWatermarkMoved } = context.table
    for (const { topicName, partition, highWatermark } of highWatermarkMoved) {
      entries.push({ topicName, partition, offset: highWatermark })
    }
    this.#whole(() => logs.checkpointHighWatermarks(entries))
    highWatermarkMoved.clear()
  }

  #checkpointRecoveryPoints(): void {
    this.#whole(() => this.#options.logs.checkpointRecoveryPoints())
  }

  /** Failures of the directory itself show in `logs.failed`, which stops the node. */
  #whole(job: () => void): void {
    try {
      job()
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      this.#options.context.logEvent('error', 'checkpoint failed', { err: error })
    }
  }

  #retain(partition: Partition): void {
    // It never had a record.
    if (!partition.log.isOnDisk) return
    const { context, leaderSide } = this.#options
    const nowWallMs = context.clock.wallMs()
    partition.log.rollIfDue(nowWallMs)
    const removed = partition.log.enforceRetention(partition.highWatermark, nowWallMs)
    if (removed > 0) leaderSide.sessions.changed(partition.positions)
  }

  #flushIfDue(partition: Partition): void {
    const { clock } = this.#options.context
    if (partition.log.flushDue(clock.monotonicMs())) this.#options.flusher.request(partition)
  }

  #spread(among: Iterable<Partition>, job: (partition: Partition) => void): void {
    const { storageFailed } = this.#options
    const partitions = [...among]
    const some = (from: number): void => {
      if (this.#isStopped) return
      for (const partition of partitions.slice(from, from + logsPerTurn)) {
        if (partition.failure) continue
        try {
          job(partition)
        } catch (error) {
          if (!(error instanceof ClusterError)) throw error
          storageFailed(partition, error)
        }
      }
      const next = from + logsPerTurn
      if (next < partitions.length) this.#after(0, () => some(next))
    }
    some(0)
  }

  #every(intervalMs: number, job: () => void): void {
    this.#after(intervalMs, () => {
      job()
      this.#every(intervalMs, job)
    })
  }

  #after(delayMs: number, job: () => void): void {
    if (this.#isStopped) return
    const { clock, timers } = this.#options.context
    const timer = timers.at(clock.monotonicMs() + delayMs, () => {
      this.#timers.delete(timer)
      job()
    })
    this.#timers.add(timer)
  }
}
