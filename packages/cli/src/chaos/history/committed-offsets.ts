import type { Anomaly } from './anomaly.ts'
import type { History } from './history.ts'

/** G3, G4: a committed offset is never lost and never goes back: who asks later is told it or a later one. */
export function* lostCommits(history: History): Generator<Anomaly> {
  for (const read of history.offsetFetches) {
    if (history.deleted.has(read.partition)) continue
    for (const { group, partition, offset, status, endedAt, generation } of history.commits) {
      if (group !== read.group || partition !== read.partition) continue
      if (status !== 'acked' || endedAt >= read.invokedAt || read.offset >= offset) continue
      yield {
        id: 'G4',
        name: 'lost-commit',
        what:
          `${group} committed ${offset} of ${partition} in generation ${generation}, ` +
          `and then read ${read.offset}`,
        partition,
        values: [],
        offsets: [offset, read.offset],
      }
    }
  }
}
