import type { Offset } from '@trimaran/common'

/** What opening a log after an unclean stop found and did. */
export interface RecoveryReport {
  readonly scannedBytes: number
  /** Bytes of the torn tail that were cut off. */
  readonly truncatedBytes: number
  /** What was wrong with them; null if nothing was. */
  readonly problem: string | null
  readonly logEndOffset: Offset
  /** The log ends below its checkpointed high watermark: records that were replicated are no more on this replica. */
  readonly lostBelowHighWatermark: boolean
}
