import type { Offset } from '@trimaran/common'
import type { ReplicatedLogs } from './replicated-logs.ts'
import { violated } from './violation.ts'

/** Sequences count to 2^31 - 1 and begin again at 0. */
const sequenceCount = 2 ** 31

/**
 * I1: what is committed of a producer in a partition has sequences without gap or repetition. The first one need not be
 * 0 (I5): a leader that knows nothing of the producer takes what comes first, as in Kafka. Nor need the first one behind what
 * was deleted go on from there: who has emptied its log has forgotten its producers.
 */
export function checkStoredSequences(logs: ReplicatedLogs): void {
  for (const log of logs.logs.values()) {
    const next = new Map<string, number>()
    const lastOffsets = new Map<string, Offset>()
    for (const {
      producerId,
      producerEpoch,
      baseSequence,
      lastSequence,
      baseOffset,
      lastOffset,
    } of log.batches) {
      if (producerId < 0) continue
      const producer = `${producerId}.${producerEpoch}`
      const expected = next.get(producer) ?? baseSequence
      const isForgotten = (lastOffsets.get(producer) ?? 0) < log.begin
      lastOffsets.set(producer, lastOffset)
      if (baseSequence !== expected && !isForgotten) {
        violated(
          'I1',
          `${log.name}@${baseOffset}: producer ${producer} has sequence ${baseSequence} where ${expected} is due`,
        )
      }
      next.set(producer, (lastSequence + 1) % sequenceCount)
    }
  }
}
