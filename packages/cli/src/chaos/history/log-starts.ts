import type { Anomaly } from './anomaly.ts'
import type { History, LogStart } from './history.ts'

/**
 * P14: where a partition begins, as ListOffsets tells it, does not go back while one leader leads. Another one may not have
 * heard of a deletion, or may have forgotten it when it was killed (Kafka writes the start down once a minute): then records
 * that were deleted are there again, which breaks no promise.
 */
export function* logStartsThatGoBack({ logStarts }: History): Generator<Anomaly> {
  const byLeader = Map.groupBy(
    logStarts,
    ({ partition, leaderEpoch }) => `${partition} ${leaderEpoch}`,
  )
  for (const told of byLeader.values()) yield* ofLeader(told)
}

function* ofLeader(told: readonly LogStart[]): Generator<Anomaly> {
  const byEnd = told.toSorted((a, b) => a.endedAt - b.endedAt)
  let ended = 0
  let highest = 0
  for (const later of told.toSorted((a, b) => a.invokedAt - b.invokedAt)) {
    for (let next = byEnd[ended]; next && next.endedAt < later.invokedAt; next = byEnd[++ended]) {
      highest = Math.max(highest, next.offset)
    }
    if (later.offset >= highest) continue
    const { partition, leaderEpoch, offset } = later
    yield {
      id: 'P14',
      name: 'start-goes-back',
      what: `${partition} began at ${highest}, then at ${offset}, both in epoch ${leaderEpoch}`,
      partition,
      values: [],
      offsets: [highest, offset],
    }
  }
}
