import type { Anomaly } from './anomaly.ts'
import { statusIn, transactionsById } from './history.ts'
import type { History, Send } from './history.ts'

/** `G1a`: nobody reads what its sender was told is not written, and nothing that nobody sent. */
export function* abortedReads(history: History): Generator<Anomaly> {
  const statusByValue = new Map<number, Send['status']>()
  const transactions = transactionsById(history)
  for (const send of history.sends) {
    const status = statusIn(transactions, send)
    for (const value of send.values) statusByValue.set(value, status)
  }
  for (const { partition, records } of history.polls) {
    for (const { offset, value } of records) {
      const status = statusByValue.get(value)
      if (status !== undefined && status !== 'failed') continue
      yield {
        id: 'G1a',
        name: 'aborted-read',
        what: `${value} at ${partition}@${offset} ${status === 'failed' ? 'had failed' : 'was never sent'}`,
        partition,
        values: [value],
        offsets: [offset],
      }
    }
  }
}
