import { ClusterError } from '@trimaran/common'
import type { CompactionPass } from '@trimaran/log'
import type { ReplicationContext } from './context.ts'
import type { Partition } from './partition.ts'
import type { Timer } from './timers.ts'

export interface CleanerOptions {
  readonly context: ReplicationContext
  /** Rest between rounds. */
  readonly backoffMs: number
  readonly storageFailed: (partition: Partition, error: ClusterError) => void
}

/**
 * Compacts the logs whose topic wants it (`cleanup.policy=compact`): one log at a time, so that there is one table of
 * keys, and one step a turn of the event loop, so that requests go on between. Every replica compacts on its own.
 */
export class Cleaner {
  readonly #options: CleanerOptions
  #timer: Timer | null = null
  #isStopped = false

  constructor(options: CleanerOptions) {
    this.#options = options
  }

  start(): void {
    this.#after(this.#options.backoffMs, () => this.#clean([...this.#options.context.table], 0))
  }

  stop(): void {
    this.#isStopped = true
    if (this.#timer !== null) this.#options.context.timers.cancel(this.#timer)
  }

  #clean(partitions: readonly Partition[], from: number): void {
    for (let at = from; at < partitions.length; at++) {
      const partition = partitions[at] as Partition
      const pass = this.#guarded(partition, () => this.#begin(partition))
      if (pass === null) continue
      this.#after(0, () => this.#step(pass, partition, () => this.#clean(partitions, at + 1)))
      return
    }
    this.start()
  }

  #begin(partition: Partition): CompactionPass | null {
    const { clock } = this.#options.context
    return partition.log.startCompaction(partition.highWatermark, clock.wallMs())
  }

  #step(pass: CompactionPass, partition: Partition, next: () => void): void {
    const hasMore = this.#guarded(partition, () => pass.step()) ?? false
    if (hasMore) this.#after(0, () => this.#step(pass, partition, next))
    else next()
  }

  /**
   * A failed write takes that replica offline and no other. Damage that a pass meets ends it: what is good goes on being
   * served, and nothing of what is not is copied.
   */
  #guarded<T>(partition: Partition, work: () => T): T | null {
    if (partition.failure) return null
    try {
      return work()
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      if (error.code !== 'CORRUPT') this.#options.storageFailed(partition, error)
      else {
        this.#options.context.logEvent('error', 'damaged log is not compacted', {
          topic: partition.topicName,
          partition: partition.partition,
          err: error,
        })
      }
      return null
    }
  }

  #after(delayMs: number, run: () => void): void {
    if (this.#isStopped) return
    const { clock, timers } = this.#options.context
    this.#timer = timers.at(clock.monotonicMs() + delayMs, run)
  }
}
