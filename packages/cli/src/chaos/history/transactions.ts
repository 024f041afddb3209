import type { Anomaly } from './anomaly.ts'
import { readsByValue } from './history.ts'
import type { History, PartitionName, Send } from './history.ts'

/**
 * `precommitted-read`: nobody reads in a transaction what it wrote itself. `torn-transaction`: what a transaction wrote is
 * read as a whole or not at all, by those who read everything.
 */
export function* brokenTransactions(history: History): Generator<Anomaly> {
  if (history.transactions.length === 0) return
  const sendsOf = Map.groupBy(
    history.sends.filter(({ transaction }) => transaction !== undefined),
    ({ transaction }) => transaction as number,
  )
  const written = new Map<number, number>()
  for (const [transaction, sends] of sendsOf) {
    for (const { values } of sends) for (const value of values) written.set(value, transaction)
  }
  for (const { transaction, partition, records, process } of history.polls) {
    if (transaction === undefined) continue
    for (const { offset, value } of records) {
      if (written.get(value) !== transaction) continue
      yield {
        id: 'T1',
        name: 'precommitted-read',
        what: `${process} reads ${value} at ${partition}@${offset} in the transaction that writes it`,
        partition,
        values: [value],
        offsets: [offset],
      }
    }
  }
  const read = readsByValue(history)
  for (const sends of sendsOf.values()) yield* torn(history, sends, value => read.has(value))
}

function* torn(
  { finallyRead, deleted }: History,
  sends: readonly Send[],
  isRead: (value: number) => boolean,
): Generator<Anomaly> {
  const seen: [PartitionName, number][] = []
  const missing: [PartitionName, number][] = []
  for (const { partition, values } of sends) {
    if (!finallyRead.has(partition) || deleted.has(partition)) continue
    for (const value of values) (isRead(value) ? seen : missing).push([partition, value])
  }
  const [[partition, value] = []] = missing
  if (seen.length === 0 || partition === undefined || value === undefined) return
  yield {
    id: 'T1',
    name: 'torn-transaction',
    what: `${seen.map(([, one]) => one).join(' ')} are read, ${missing.map(([, one]) => one).join(' ')} of the same transaction are not`,
    partition,
    values: [value],
    offsets: [],
  }
}
