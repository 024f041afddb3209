import type { History } from './history.ts'
import { violated } from './violation.ts'

/** `G1a`: nobody reads what its sender was told is not written, and nothing that nobody sent. */
export function checkAbortedReads(history: History): void {
  const statusByValue = new Map<number, string>()
  for (const { values, status } of history.sends) {
    for (const value of values) statusByValue.set(value, status)
  }
  for (const { partition, records } of history.polls) {
    for (const { offset, value } of records) {
      const status = statusByValue.get(value)
      if (status === undefined) violated('G1a', `${value} at ${partition}@${offset} was never sent`)
      if (status === 'failed') violated('G1a', `${value} at ${partition}@${offset} had failed`)
    }
  }
}
