import type { Anomaly } from './anomaly.ts'
import type { EndOffset, History } from './history.ts'

/**
 * P6: the end of a partition, as ListOffsets tells it, never goes back. A leader that was cut off and does not know that
 * it is none any more may tell an old end; so a told end counts for its own leader epoch and for all later ones.
 */
export function* endsThatGoBack(history: History): Generator<Anomaly> {
  const byPartition = Map.groupBy(history.endOffsets, ({ partition }) => partition)
  for (const [partition, told] of byPartition) yield* inPartition(partition, told)
}

/** In the order of time, with the highest end of each leader epoch that was told before: there are few epochs. */
function* inPartition(partition: string, told: readonly EndOffset[]): Generator<Anomaly> {
  const byEnd = told.toSorted((a, b) => a.endedAt - b.endedAt)
  const highest = new Map<number, EndOffset>()
  let ended = 0
  for (const later of told.toSorted((a, b) => a.invokedAt - b.invokedAt)) {
    for (let next = byEnd[ended]; next && next.endedAt < later.invokedAt; next = byEnd[++ended]) {
      if (next.offset >= (highest.get(next.leaderEpoch)?.offset ?? 0))
        highest.set(next.leaderEpoch, next)
    }
    for (const earlier of highest.values()) {
      if (earlier.leaderEpoch > later.leaderEpoch || later.offset >= earlier.offset) continue
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
