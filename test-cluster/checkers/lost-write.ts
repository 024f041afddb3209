import { seenLogs } from './history.ts'
import type { History } from './history.ts'
import { violated } from './violation.ts'

/** P1 `lost-write`, `unseen`: what acks=all acknowledged is read by whoever reads the partition to its end. */
export function checkLostWrites(history: History): void {
  const logs = seenLogs(history)
  for (const { status, acks, partition, values, baseOffset, process } of history.sends) {
    if (status !== 'acked' || acks !== -1) continue
    if (history.deleted.has(partition) || !history.finallyRead.has(partition)) continue
    const polled = logs.get(partition)?.polled
    for (const value of values) {
      if (polled?.has(value) === true) continue
      violated('P1', `lost write: ${value} of ${process} in ${partition}, acked at ${baseOffset}`)
    }
  }
}
