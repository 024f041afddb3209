import type { History } from './history.ts'
import { violated } from './violation.ts'

/** P13 `nonmonotonic-poll`, `poll-skip`: who reads on never goes back, reads nothing twice and misses nothing. */
export function checkPollOrder(history: History): void {
  const nextByStream = new Map<string, number>()
  for (const { partition, stream, records } of history.polls) {
    const key = `${stream} ${partition}`
    let next = nextByStream.get(key)
    for (const { offset } of records) {
      if (next !== undefined && offset < next) {
        violated('P13', `nonmonotonic poll: ${key} reads ${offset} after ${next - 1}`)
      }
      // Nothing is compacted or deleted in what is checked here, so offsets have no gaps.
      if (next !== undefined && offset > next) {
        violated('P13', `poll skip: ${key} reads ${offset} after ${next - 1}`)
      }
      next = offset + 1
    }
    if (next !== undefined) nextByStream.set(key, next)
  }
}
