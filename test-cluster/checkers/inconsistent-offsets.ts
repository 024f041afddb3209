import { seenLogs } from './history.ts'
import type { History } from './history.ts'
import { violated } from './violation.ts'

/** P12, P13 `inconsistent-offsets`: one offset has one value, for all readers and at all times. */
export function checkInconsistentOffsets(history: History): void {
  for (const [partition, { valuesByOffset }] of seenLogs(history)) {
    for (const [offset, values] of valuesByOffset) {
      if (values.size === 1) continue
      violated(
        'P13',
        `inconsistent offsets: ${[...values].join(' and ')} at ${partition}@${offset}`,
      )
    }
  }
}
