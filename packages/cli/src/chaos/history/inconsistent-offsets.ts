import type { Anomaly } from './anomaly.ts'
import { seenLogs } from './history.ts'
import type { History } from './history.ts'

/** P12, P13 `inconsistent-offsets`: one offset has one value, for all readers and at all times. */
export function* inconsistentOffsets(
  history: History,
  logs = seenLogs(history),
): Generator<Anomaly> {
  for (const [partition, { contested }] of logs) {
    for (const [offset, found] of contested) {
      const values = [...found]
      yield {
        id: 'P13',
        name: 'inconsistent-offsets',
        what: `inconsistent offsets: ${values.join(' and ')} at ${partition}@${offset}`,
        partition,
        values,
        offsets: [offset],
      }
    }
  }
}
