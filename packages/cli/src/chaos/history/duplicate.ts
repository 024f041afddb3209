import type { Anomaly } from './anomaly.ts'
import { seenLogs } from './history.ts'
import type { History } from './history.ts'

/**
 * I1, I2 `duplicate`: what is sent once, or again with the same sequence numbers, is stored once. A leader whose log begins behind a
 * record has never heard of that record's producer, as with Kafka, and stores it again if it is sent again: what may be deleted
 * does not count.
 */
export function* duplicates(history: History, logs = seenLogs(history)): Generator<Anomaly> {
  const suspects = new Set<number>()
  for (const { repeated } of logs.values()) for (const value of repeated.keys()) suspects.add(value)
  if (suspects.size === 0) return
  const once = new Set<number>()
  for (const { atMostOnce, values } of history.sends) {
    if (atMostOnce) for (const value of values) if (suspects.has(value)) once.add(value)
  }
  for (const [partition, { repeated, deletedBelow }] of logs) {
    for (const [value, found] of repeated) {
      if (!once.has(value)) continue
      const offsets = [...found].filter(offset => offset >= deletedBelow)
      if (offsets.length < 2) continue
      yield {
        id: 'I1',
        name: 'duplicate',
        what: `duplicate: ${value} in ${partition} at ${offsets.join(' and ')}`,
        partition,
        values: [value],
        offsets,
      }
    }
  }
}
