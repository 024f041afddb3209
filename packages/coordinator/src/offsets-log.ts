import type { LeaderEpoch, Offset } from '@trimaran/common'

/**
 * The partitions of `__consumer_offsets` that this broker leads: the only thing a coordinator knows of logs and
 * replication. Implemented by the broker on top of its replica manager.
 */
export interface OffsetsLog {
  /**
   * Appends one batch with acks=all, synchronously and in call order. Resolves
   * - `committed` when the high watermark passed it;
   * - `refused` when it is certainly not in the log (too few replicas, too large), with Kafka's error code;
   * - `lost` when leadership went away in between: it may or may not survive, and only the next load will tell.
   * A batch that is in the log and waits for replicas is neither: the promise waits with it. Never rejects.
   */
  append(partition: number, leaderEpoch: LeaderEpoch, batch: Uint8Array): Promise<AppendOutcome>
  /** Whole committed batches from `fromOffset` on, at least one if there is one. Null: cannot be read now. */
  read(partition: number, fromOffset: Offset, maxBytes: number): Promise<Uint8Array | null>
  /** Null: not the leader in that epoch. */
  bounds(partition: number, leaderEpoch: LeaderEpoch): LogBounds | null
}

export type AppendOutcome =
  | { readonly kind: 'committed'; readonly baseOffset: Offset }
  | { readonly kind: 'refused'; readonly errorCode: number }
  | { readonly kind: 'lost' }

export interface LogBounds {
  readonly logStartOffset: Offset
  readonly highWatermark: Offset
  readonly logEndOffset: Offset
}
