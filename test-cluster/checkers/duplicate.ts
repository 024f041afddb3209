import { seenLogs } from './history.ts'
import type { History } from './history.ts'
import { violated } from './violation.ts'

/** I1, I2 `duplicate`: what is sent once, or again with the same sequence numbers, is stored once. */
export function checkDuplicates(history: History): void {
  const once = new Set<number>()
  for (const { atMostOnce, values } of history.sends) {
    if (atMostOnce) for (const value of values) once.add(value)
  }
  for (const [partition, { offsetsByValue }] of seenLogs(history)) {
    for (const [value, offsets] of offsetsByValue) {
      if (offsets.size === 1 || !once.has(value)) continue
      violated('I1', `duplicate: ${value} in ${partition} at ${[...offsets].join(' and ')}`)
    }
  }
}
