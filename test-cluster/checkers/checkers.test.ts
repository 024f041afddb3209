import { expect, test } from 'vitest'
import { checkAbortedReads } from './aborted-read.ts'
import { checkCommittedOffsets } from './committed-offsets.ts'
import { checkDuplicates } from './duplicate.ts'
import { checkEndOffsets } from './end-offsets.ts'
import { checkGroupOwnership } from './group-ownership.ts'
import { checkHistory } from './history-checks.ts'
import { History } from './history.ts'
import type { Poll, Send } from './history.ts'
import { checkInconsistentOffsets } from './inconsistent-offsets.ts'
import { checkLostWrites } from './lost-write.ts'
import { checkPollOrder } from './nonmonotonic-poll.ts'
import { checkRealtimeOrder } from './realtime-inversion.ts'

const partition = 'orders/0'
let time = 0

function send(history: History, values: number[], baseOffset: number, more: Partial<Send> = {}) {
  const invokedAt = ++time
  history.sends.push({
    process: 'producer',
    partition,
    values,
    acks: -1,
    atMostOnce: true,
    invokedAt,
    endedAt: ++time,
    status: 'acked',
    baseOffset,
    ...more,
  })
}

function poll(history: History, records: [number, number][], more: Partial<Poll> = {}) {
  const invokedAt = ++time
  history.polls.push({
    process: 'consumer',
    partition,
    stream: 'consumer',
    invokedAt,
    endedAt: ++time,
    records: records.map(([offset, value]) => ({ offset, value })),
    ...more,
  })
}

test('a history in which everything is as it should be has no anomaly', () => {
  const history = new History()
  send(history, [1, 2], 0)
  send(history, [3], -1, { status: 'unknown' })
  send(history, [4], 3)
  poll(history, [
    [0, 1],
    [1, 2],
  ])
  poll(history, [
    [2, 3],
    [3, 4],
  ])
  history.finallyRead.add(partition)
  expect(() => checkHistory(history)).not.toThrow()
})

test('a write that is acknowledged and not there when all is read is lost', () => {
  const history = new History()
  send(history, [1], 0)
  send(history, [2], 1)
  poll(history, [[0, 1]])
  expect(() => checkLostWrites(history)).not.toThrow()
  history.finallyRead.add(partition)
  expect(() => checkLostWrites(history)).toThrow('lost write: 2')
})

test('what only the leader had to acknowledge may be lost, and what was in a deleted topic', () => {
  const history = new History()
  send(history, [1], 0, { acks: 1 })
  history.finallyRead.add(partition)
  expect(() => checkLostWrites(history)).not.toThrow()
  send(history, [2], 1)
  history.deleted.add(partition)
  expect(() => checkLostWrites(history)).not.toThrow()
})

test('one offset with two values is inconsistent, whoever saw them', () => {
  const history = new History()
  poll(history, [[7, 1]], { process: 'one' })
  poll(history, [[7, 2]], { process: 'other' })
  expect(() => checkInconsistentOffsets(history)).toThrow('1 and 2 at orders/0@7')
})

test('what a consumer reads where a producer was told to have written must be that', () => {
  const history = new History()
  send(history, [1], 5)
  poll(history, [[5, 2]])
  expect(() => checkInconsistentOffsets(history)).toThrow('P13')
})

test('a value at two offsets is a duplicate where it was sent once', () => {
  const history = new History()
  send(history, [1], -1, { status: 'unknown' })
  poll(history, [
    [0, 1],
    [1, 1],
  ])
  expect(() => checkDuplicates(history)).toThrow('duplicate: 1')
})

test('who is refused must not be read, nor what nobody sent', () => {
  const history = new History()
  send(history, [1], -1, { status: 'failed' })
  poll(history, [[0, 1]])
  expect(() => checkAbortedReads(history)).toThrow('had failed')
  const other = new History()
  poll(other, [[0, 9]])
  expect(() => checkAbortedReads(other)).toThrow('never sent')
})

test('a stream of polls neither goes back nor leaves anything out, until it seeks', () => {
  const back = new History()
  poll(back, [[1, 1]])
  poll(back, [[1, 1]])
  expect(() => checkPollOrder(back)).toThrow('nonmonotonic')
  const skip = new History()
  poll(skip, [[1, 1]])
  poll(skip, [[3, 3]])
  expect(() => checkPollOrder(skip)).toThrow('skip')
  const seek = new History()
  poll(seek, [[1, 1]])
  poll(seek, [[0, 0]], { stream: 'consumer#1' })
  expect(() => checkPollOrder(seek)).not.toThrow()
})

test('what is sent after an acknowledgement is stored behind it', () => {
  const history = new History()
  send(history, [1], 5)
  send(history, [2], 4)
  expect(() => checkRealtimeOrder(history)).toThrow('realtime inversion')
})

test('writes under way at the same time may be stored in any order', () => {
  const history = new History()
  const at = ++time
  send(history, [1], 5, { invokedAt: at, endedAt: at + 10 })
  send(history, [2], 4, { invokedAt: at + 1, endedAt: at + 11 })
  expect(() => checkRealtimeOrder(history)).not.toThrow()
})

test('the end of a partition goes back only where the teller has an older leader epoch', () => {
  const told = { process: 'admin', partition }
  const history = new History()
  history.endOffsets.push(
    { ...told, leaderEpoch: 3, offset: 9, invokedAt: 1, endedAt: 2 },
    { ...told, leaderEpoch: 2, offset: 7, invokedAt: 3, endedAt: 4 },
  )
  expect(() => checkEndOffsets(history)).not.toThrow()
  history.endOffsets.push({ ...told, leaderEpoch: 4, offset: 8, invokedAt: 5, endedAt: 6 })
  expect(() => checkEndOffsets(history)).toThrow('P6')
})

test('a partition has one owner in a generation, and members never go back', () => {
  const history = new History()
  const one = { process: 'a', group: 'g', generation: 2, partitions: [partition], at: 1 }
  history.assignments.push({ ...one, memberId: 'a' }, { ...one, generation: 3, memberId: 'b' })
  expect(() => checkGroupOwnership(history)).not.toThrow()
  history.assignments.push({ ...one, memberId: 'c' })
  expect(() => checkGroupOwnership(history)).toThrow('G1')
  history.assignments.pop()
  history.assignments.push({ ...one, memberId: 'b' })
  expect(() => checkGroupOwnership(history)).toThrow('G2')
})

test('a committed offset is read by whoever asks after it was acknowledged', () => {
  const history = new History()
  const of = { process: 'a', group: 'g', partition }
  history.commits.push({
    ...of,
    offset: 5,
    generation: 1,
    invokedAt: 1,
    endedAt: 2,
    status: 'acked',
  })
  history.offsetFetches.push({ ...of, offset: 5, invokedAt: 3, endedAt: 4 })
  expect(() => checkCommittedOffsets(history)).not.toThrow()
  history.offsetFetches.push({ ...of, offset: 4, invokedAt: 5, endedAt: 6 })
  expect(() => checkCommittedOffsets(history)).toThrow('G4')
})
