import type { Anomaly, AnomalyName } from './anomaly.ts'
import { seenLogs } from './history.ts'
import type { History } from './history.ts'

/**
 * P13 `nonmonotonic-poll`, `poll-skip`: who reads on never goes back, reads nothing twice and misses nothing that anybody
 * knows of. The same within one poll: `int-nonmonotonic-poll`, `int-poll-skip`. A poll of a transaction that failed moves
 * nobody on.
 */
export function* pollsOutOfOrder(history: History, logs = seenLogs(history)): Generator<Anomaly> {
  const failed = new Set<number>()
  for (const { id, status } of history.transactions) if (status !== 'acked') failed.add(id)
  const lastByStream = new Map<string, number>()
  for (const { partition, stream, records, transaction } of history.polls) {
    const key = `${stream} ${partition}`
    const log = logs.get(partition)
    const streamsLast = lastByStream.get(key)
    let last = streamsLast
    for (const [at, { offset, value }] of records.entries()) {
      const former = last
      last = offset
      if (former === undefined || offset === former + 1) continue
      const goesBack = offset <= former
      // Control records and what was compacted leave gaps that nobody knows anything of.
      if (!goesBack && log?.knowsBetween(former, offset) !== true) continue
      yield {
        id: 'P13',
        name: nameOf(goesBack, at > 0),
        what: `${goesBack ? 'nonmonotonic poll' : 'poll skip'}: ${key} reads ${offset} after ${former}`,
        partition,
        values: [value],
        offsets: [former, offset],
      }
    }
    const isTaken = transaction === undefined || !failed.has(transaction)
    if (last !== undefined && isTaken) lastByStream.set(key, last)
    else if (streamsLast === undefined) lastByStream.delete(key)
  }
}

function nameOf(goesBack: boolean, isInternal: boolean): AnomalyName {
  if (goesBack) return isInternal ? 'int-nonmonotonic-poll' : 'nonmonotonic-poll'
  return isInternal ? 'int-poll-skip' : 'poll-skip'
}
