import type { Anomaly } from './anomaly.ts'
import { seenLogs, statusIn, transactionsById } from './history.ts'
import type { History, SeenLog } from './history.ts'

export interface LostWriteOptions {
  /** What only a leader acknowledged may be taken back: it counts only where somebody wants to see that. */
  readonly countLeaderAcks: boolean
}

/**
 * P1: what acks=all acknowledged is read by whoever reads the partition to its end. `lost-write`: what lies behind it was read;
 * `unseen`: nothing behind it was, so the end of the log is gone. What may have been deleted is not lost, nor is what was
 * acknowledged without an offset in a partition of which anything was.
 */
export function* lostWrites(
  history: History,
  logs = seenLogs(history),
  options: LostWriteOptions = { countLeaderAcks: false },
): Generator<Anomaly> {
  const transactions = transactionsById(history)
  for (const send of history.sends) {
    const { acks, partition, values, baseOffset, process } = send
    const status = statusIn(transactions, send)
    if (status !== 'acked' || acks === 0 || (acks === 1 && !options.countLeaderAcks)) continue
    if (history.deleted.has(partition) || !history.finallyRead.has(partition)) continue
    const log = logs.get(partition)
    const polled = log?.polled
    for (const [at, value] of values.entries()) {
      if (polled?.has(value) === true) continue
      const offset = baseOffset < 0 ? baseOffset : baseOffset + at
      if (mayBeDeleted(log, offset, value)) continue
      const isUnseen = (log?.polledEnd ?? 0) <= offset
      yield {
        id: 'P1',
        name: isUnseen ? 'unseen' : 'lost-write',
        what: `${isUnseen ? 'unseen' : 'lost write'}: ${value} of ${process} in ${partition}, acked at ${offset}`,
        partition,
        values: [value],
        offsets: offset < 0 ? [] : [offset],
      }
    }
  }
}

function mayBeDeleted(log: SeenLog | undefined, offset: number, value: number): boolean {
  if (log === undefined || log.deletedBelow === 0) return false
  const known = offset < 0 ? log.offsetOf(value) : offset
  return known === undefined || known < log.deletedBelow
}
