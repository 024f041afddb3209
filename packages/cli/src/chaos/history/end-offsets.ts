import type { Anomaly } from './anomaly.ts'
import type { EndOffset, History } from './history.ts'

/**
 * P6: the end of a partition, as ListOffsets tells it, never goes back. A leader that was cut off and does not know that
 * it is none any more may tell an old end; so a told end counts for its own leader epoch and for all later ones.
 */
export function* endsThatGoBack(history: History): Generator<Anomaly> {
  const byPartition = new Map<string, EndOffset[]>()
  for (const told of history.endOffsets) {
    const all = byPartition.get(told.partition) ?? []
    all.push(told)
    byPartition.set(told.partition, all)
  }
  for (const [partition, all] of byPartition) {
    for (const later of all) {
      for (const earlier of all) {
        if (earlier.endedAt >= later.invokedAt || earlier.leaderEpoch > later.leaderEpoch) continue
        if (later.offset >= earlier.offset) continue
        yield {
          id: 'P6',
          name: 'end-goes-back',
          what:
            `${partition} ended at ${earlier.offset} in epoch ${earlier.leaderEpoch}, ` +
            `then at ${later.offset} in epoch ${later.leaderEpoch}`,
          partition,
          values: [],
          offsets: [earlier.offset, later.offset],
        }
      }
    }
  }
}
