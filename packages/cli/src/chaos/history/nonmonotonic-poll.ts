import type { Anomaly, AnomalyName } from './anomaly.ts'
import { seenLogs, transactionsById } from './history.ts'
import type { History } from './history.ts'

/** Where a stream stands. */
interface Position {
  readonly last: number | undefined
  /** Of the last poll, and where the stream stood when it began. */
  readonly transaction: number | undefined
  readonly before: number | undefined
}

/**
 * P13 `nonmonotonic-poll`, `poll-skip`: who reads on never goes back, reads nothing twice and misses nothing that anybody
 * knows of. The same within one poll: `int-nonmonotonic-poll`, `int-poll-skip`. A transaction that failed moves nobody on,
 * and of one without an outcome nobody knows whether it did.
 */
export function* pollsOutOfOrder(history: History, logs = seenLogs(history)): Generator<Anomaly> {
  const transactions = transactionsById(history)
  const positions = new Map<string, Position>()
  const standsAt = (position: Position | undefined, now: number | undefined) => {
    const { transaction, last, before } = position ?? {}
    if (transaction === undefined || transaction === now) return last
    const status = transactions.get(transaction)?.status
    return status === 'acked' ? last : status === 'failed' ? before : undefined
  }
  for (const { partition, stream, records, transaction } of history.polls) {
    const key = `${stream} ${partition}`
    const log = logs.get(partition)
    const position = positions.get(key)
    const start = standsAt(position, transaction)
    let last = start
    for (const [at, { offset, value }] of records.entries()) {
      const former = last
      last = offset
      if (former === undefined || offset === former + 1) continue
      const goesBack = offset <= former
      // Control records and what was compacted leave gaps that nobody knows anything of.
      // Nor does anybody read what was deleted before.
      const from = Math.max(former, (log?.deletedBelow ?? 0) - 1)
      if (!goesBack && log?.knowsBetween(from, offset) !== true) continue
      yield {
        id: 'P13',
        name: nameOf(goesBack, at > 0),
        what: `${goesBack ? 'nonmonotonic poll' : 'poll skip'}: ${key} reads ${offset} after ${former}`,
        partition,
        values: [value],
        offsets: [former, offset],
      }
    }
    const goesOn = transaction !== undefined && position?.transaction === transaction
    positions.set(key, { last, transaction, before: goesOn ? position.before : start })
  }
}

function nameOf(goesBack: boolean, isInternal: boolean): AnomalyName {
  if (goesBack) return isInternal ? 'int-nonmonotonic-poll' : 'nonmonotonic-poll'
  return isInternal ? 'int-poll-skip' : 'poll-skip'
}
