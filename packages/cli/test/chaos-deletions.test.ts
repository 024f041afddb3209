import { expect, test } from 'vitest'
import { findAnomalies } from '../src/chaos/history/checks.ts'
import { History } from '../src/chaos/history/history.ts'
import { HistoryReader } from '../src/chaos/history/json-lines.ts'

const partition = 'orders/0'

function anomalies(lines: readonly object[]): string[] {
  const history = new History()
  const reader = new HistoryReader(history)
  for (const line of lines) reader.take(JSON.stringify(line))
  return [...findAnomalies(history)].map(({ name, offsets }) => `${name} ${offsets.join(' ')}`)
}

const send = (op: number, value: number, offset: number | undefined): object[] => [
  {
    ...{ f: 'send', type: 'invoke', op, time: op, process: 'producer', partition },
    ...{ values: [value], acks: -1, idempotent: true },
  },
  { f: 'send', type: 'ok', op, time: op + 0.5, ...(offset !== undefined && { offset }) },
]
const poll = (time: number, ...records: [number, number][]): object => ({
  ...{ f: 'poll', time, invoked: time, process: 'reader', partition, records },
})
const deletion = (op: number, offset: number, outcome: object | null): object[] => [
  { f: 'delete-records', type: 'invoke', op, time: op, process: 'admin', partition, offset },
  ...(outcome ? [{ f: 'delete-records', op, time: op + 0.5, ...outcome }] : []),
]
const began = (time: number, leaderEpoch: number, offset: number): object => ({
  ...{ f: 'log-start', time, invoked: time, process: 'reader', partition, leaderEpoch, offset },
})
const readToEnd = { f: 'read-to-end', partition, stream: 'reader' }
const three = [...send(1, 11, 0), ...send(2, 12, 1), ...send(3, 13, 2)]

test('what is below a deletion is not lost, what is at it or above is', () => {
  const acked = deletion(4, 2, { type: 'ok', lowWatermark: 2 })
  expect(anomalies([...three, ...acked, poll(6, [2, 13]), readToEnd])).toEqual([])
  const less = deletion(4, 1, { type: 'ok', lowWatermark: 1 })
  expect(anomalies([...three, ...less, poll(6, [2, 13]), readToEnd])).toEqual(['lost-write 1'])
})

test('a deletion of all that is committed counts up to what it was answered, or to anywhere', () => {
  const acked = deletion(4, -1, { type: 'ok', lowWatermark: 1 })
  expect(anomalies([...three, ...acked, poll(6, [2, 13]), readToEnd])).toEqual(['lost-write 1'])
  const unanswered = deletion(4, -1, null)
  expect(anomalies([...three, ...unanswered, poll(6, [2, 13]), readToEnd])).toEqual([])
})

test('a deletion that was refused deletes nothing, one without an answer may have', () => {
  const refused = deletion(4, 2, { type: 'fail' })
  expect(anomalies([...three, ...refused, poll(6, [2, 13]), readToEnd])).toHaveLength(2)
  const unknown = deletion(4, 2, { type: 'info' })
  expect(anomalies([...three, ...unknown, poll(6, [2, 13]), readToEnd])).toEqual([])
})

test('what a leader says it begins behind is not lost', () => {
  expect(anomalies([...three, began(4, 1, 2), poll(6, [2, 13]), readToEnd])).toEqual([])
  expect(anomalies([...three, began(4, 1, 1), poll(6, [2, 13]), readToEnd])).toHaveLength(1)
})

test('without an offset nobody knows whether it was deleted; without a deletion it is lost', () => {
  const untold = [...send(1, 11, undefined), ...send(2, 12, 1)]
  expect(anomalies([...untold, poll(6, [1, 12]), readToEnd])).toHaveLength(1)
  expect(anomalies([...untold, began(4, 1, 1), poll(6, [1, 12]), readToEnd])).toEqual([])
})

test('a reader goes on behind what was deleted, and leaves nothing else out', () => {
  const read = [poll(5, [0, 11]), poll(6, [2, 13])]
  expect(anomalies([...three, began(4, 1, 2), ...read])).toEqual([])
  expect(anomalies([...three, began(4, 1, 1), ...read])).toEqual(['poll-skip 0 2'])
})

test('a leader that begins earlier than it did has forgotten a deletion; another one may', () => {
  expect(anomalies([began(1, 4, 7), began(2, 4, 6)])).toEqual(['start-goes-back 7 6'])
  expect(anomalies([began(1, 4, 7), began(2, 5, 6)])).toEqual([])
})

test('an end of a deletion that never began is refused', () => {
  expect(() =>
    anomalies([...send(1, 1, 0), { f: 'delete-records', type: 'ok', op: 9, time: 3 }]),
  ).toThrow('operation 9 ends and never began')
  expect(() =>
    anomalies([...deletion(1, 1, null), { f: 'delete-records', type: 'ok', op: 1, time: 3 }]),
  ).toThrow('"lowWatermark" must be a whole number')
})
