import type { History } from './history.ts'
import { violated } from './violation.ts'

/** G3, G4: a committed offset is never lost and never goes back: who asks later is told it or a later one. */
export function checkCommittedOffsets(history: History): void {
  for (const read of history.offsetFetches) {
    if (history.deleted.has(read.partition)) continue
    for (const { group, partition, offset, status, endedAt, generation } of history.commits) {
      if (group !== read.group || partition !== read.partition) continue
      if (status !== 'acked' || endedAt >= read.invokedAt || read.offset >= offset) continue
      violated(
        'G4',
        `${group} committed ${offset} of ${partition} in generation ${generation}, ` +
          `and then read ${read.offset}`,
      )
    }
  }
}
