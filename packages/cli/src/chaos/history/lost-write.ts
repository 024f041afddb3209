import type { Anomaly } from './anomaly.ts'
import { seenLogs } from './history.ts'
import type { History } from './history.ts'

export interface LostWriteOptions {
  /** What only a leader acknowledged may be taken back: it counts only where somebody wants to see that. */
  readonly countLeaderAcks: boolean
}

/** P1 `lost-write`, `unseen`: what acks=all acknowledged is read by whoever reads the partition to its end. */
export function* lostWrites(
  history: History,
  logs = seenLogs(history),
  options: LostWriteOptions = { countLeaderAcks: false },
): Generator<Anomaly> {
  for (const { status, acks, partition, values, baseOffset, process } of history.sends) {
    if (status !== 'acked' || acks === 0 || (acks === 1 && !options.countLeaderAcks)) continue
    if (history.deleted.has(partition) || !history.finallyRead.has(partition)) continue
    const polled = logs.get(partition)?.polled
    for (const [at, value] of values.entries()) {
      if (polled?.has(value) === true) continue
      const offset = baseOffset < 0 ? baseOffset : baseOffset + at
      yield {
        id: 'P1',
        name: 'lost-write',
        what: `lost write: ${value} of ${process} in ${partition}, acked at ${offset}`,
        partition,
        values: [value],
        offsets: offset < 0 ? [] : [offset],
      }
    }
  }
}
