import { ClusterError } from '@trimaran/common'
import type { Partition } from './partition.ts'

/**
 * Fsync with group commit: one per partition at a time, and what is appended meanwhile shares the next. `durable` is told
 * after each; `failed` gets what went wrong, after which the log must not be trusted.
 */
export class Flusher {
  readonly #durable: (partition: Partition) => void
  readonly #failed: (partition: Partition, error: ClusterError) => void

  constructor(options: {
    readonly durable: (partition: Partition) => void
    readonly failed: (partition: Partition, error: ClusterError) => void
  }) {
    this.#durable = options.durable
    this.#failed = options.failed
  }

  request(partition: Partition): void {
    if (partition.isFlushing || partition.failure) return
    const { log } = partition
    partition.isFlushing = true
    log.flush().then(
      () => {
        partition.isFlushing = false
        // Deleted meanwhile: its recovery point will never reach its end.
        if (log.isClosed) return
        if (partition.fsyncsBeforeAck && log.recoveryPoint < log.logEndOffset)
          this.request(partition)
        this.#durable(partition)
      },
      (error: unknown) => {
        partition.isFlushing = false
        if (!(error instanceof ClusterError)) throw error
        this.#failed(partition, error)
      },
    )
  }
}
