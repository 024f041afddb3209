import type { Anomaly } from './anomaly.ts'
import type { History } from './history.ts'

/** P13 `nonmonotonic-poll`, `poll-skip`: who reads on never goes back, reads nothing twice and misses nothing. */
export function* pollsOutOfOrder(history: History): Generator<Anomaly> {
  const nextByStream = new Map<string, number>()
  for (const { partition, stream, records } of history.polls) {
    const key = `${stream} ${partition}`
    let next = nextByStream.get(key)
    for (const { offset, value } of records) {
      // Nothing is compacted or deleted in what is checked here, so offsets have no gaps.
      if (next !== undefined && offset !== next) {
        const goesBack = offset < next
        yield {
          id: 'P13',
          name: goesBack ? 'nonmonotonic-poll' : 'poll-skip',
          what: `${goesBack ? 'nonmonotonic poll' : 'poll skip'}: ${key} reads ${offset} after ${next - 1}`,
          partition,
          values: [value],
          offsets: [next - 1, offset],
        }
      }
      next = offset + 1
    }
    if (next !== undefined) nextByStream.set(key, next)
  }
}
