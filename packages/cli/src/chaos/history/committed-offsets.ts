import type { Anomaly } from './anomaly.ts'
import type { History, OffsetCommit, OffsetFetch } from './history.ts'

/**
 * G3, G4: a committed offset is never lost: who asks later is told it, or what a later commit has put in its place. A
 * commit of an older generation is no later one: whoever makes it is out of the group.
 */
export function* lostCommits(history: History): Generator<Anomaly> {
  const byPlace = Map.groupBy(history.commits, placeOf)
  for (const read of history.offsetFetches) {
    if (history.deleted.has(read.partition)) continue
    const commits = byPlace.get(placeOf(read)) ?? []
    for (const commit of commits) {
      const { group, partition, offset, status, endedAt, generation } = commit
      if (status !== 'acked' || endedAt >= read.invokedAt || read.offset >= offset) continue
      if (commits.some(other => mayReplace(other, commit, read))) continue
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

const placeOf = ({ group, partition }: OffsetCommit | OffsetFetch): string =>
  `${group} ${partition}`

/** Without an outcome it may take effect at any time. */
const mayReplace = (other: OffsetCommit, commit: OffsetCommit, read: OffsetFetch): boolean =>
  other.offset === read.offset &&
  other.status !== 'failed' &&
  other.generation >= commit.generation &&
  other.invokedAt <= read.endedAt &&
  (other.status !== 'acked' || other.endedAt >= commit.invokedAt)
