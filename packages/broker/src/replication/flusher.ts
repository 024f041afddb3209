import { ClusterError } from '@trimaran/common'
import type { Partition } from './partition.ts'

/**
 * Fsync with group commit: one per partition at a time, and what is appended meanwhile shares the next. `durable` is told
 * after each, and when the first records of a new log have come to the disk; `failed` gets what went wrong, after which
 * the log must not be trusted.
 */
export class Flusher {
  readonly #durable: (partition: Partition, wasUnwritten: boolean) => void
  readonly #failed: (partition: Partition, error: ClusterError) => void

  constructor(options: {
    readonly durable: (partition: Partition, wasUnwritten: boolean) => void
    readonly failed: (partition: Partition, error: ClusterError) => void
  }) {
    this.#durable = options.durable
    this.#failed = options.failed
  }

  request(partition: Partition): void {
    if (partition.isFlushing || partition.failure) return
    const { log } = partition
    const { unwritten } = log
    partition.isFlushing = true
    const isWriteEnough = unwritten !== null && !partition.fsyncsBeforeAck
    void (isWriteEnough ? unwritten : log.flush()).then(
      () => {
        partition.isFlushing = false
        // Deleted meanwhile: its recovery point will never reach its end.
        if (log.isClosed) return
        const isBehind = partition.fsyncsBeforeAck && log.recoveryPoint < log.logEndOffset
        if (isBehind || log.unwritten !== null) this.request(partition)
        this.#durable(partition, unwritten !== null)
      },
      (error: unknown) => {
        partition.isFlushing = false
        if (!(error instanceof ClusterError)) throw error
        this.#failed(partition, error)
      },
    )
  }
}
