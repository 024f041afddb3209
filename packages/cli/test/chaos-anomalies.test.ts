import { expect, test } from 'vitest'
import { abortedReads } from '../src/chaos/history/aborted-read.ts'
import type { Finder } from '../src/chaos/history/anomaly.ts'
import { lostCommits } from '../src/chaos/history/committed-offsets.ts'
import { duplicates } from '../src/chaos/history/duplicate.ts'
import { endsThatGoBack } from '../src/chaos/history/end-offsets.ts'
import { groupAnomalies } from '../src/chaos/history/group-ownership.ts'
import { findAnomalies } from '../src/chaos/history/checks.ts'
import { History } from '../src/chaos/history/history.ts'
import type { OffsetCommit, Poll, Send } from '../src/chaos/history/history.ts'
import { inconsistentOffsets } from '../src/chaos/history/inconsistent-offsets.ts'
import { lostWrites } from '../src/chaos/history/lost-write.ts'
import { pollsOutOfOrder } from '../src/chaos/history/nonmonotonic-poll.ts'
import { realtimeInversions } from '../src/chaos/history/realtime-inversion.ts'

const found = (finder: Finder, history: History): string[] =>
  [...finder(history)].map(({ id, what }) => `${id} ${what}`)

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
  expect(found(findAnomalies, history)).toEqual([])
})

test('a write that is acknowledged and not there when all is read is lost', () => {
  const history = new History()
  send(history, [1], 0)
  send(history, [2], 1)
  poll(history, [[0, 1]])
  expect(found(lostWrites, history)).toEqual([])
  history.finallyRead.add(partition)
  expect(found(lostWrites, history)[0]).toContain('unseen: 2')
})

test('a write that was read once and is gone when all is read is lost', () => {
  const history = new History()
  send(history, [1], 0)
  send(history, [2], 1)
  poll(history, [
    [0, 1],
    [1, 2],
  ])
  poll(history, [[0, 1]], { stream: 'final' })
  history.finallyRead.add(partition)
  // Nobody says who has read all.
  expect(found(lostWrites, history)).toEqual([])
  history.finalStreams.set(partition, 'final')
  expect(found(lostWrites, history)).toHaveLength(1)
  expect(found(lostWrites, history)[0]).toContain('lost write: 2')
})

test('what only the leader had to acknowledge may be lost, and what was in a deleted topic', () => {
  const history = new History()
  send(history, [1], 0, { acks: 1 })
  history.finallyRead.add(partition)
  expect(found(lostWrites, history)).toEqual([])
  send(history, [2], 1)
  history.deleted.add(partition)
  expect(found(lostWrites, history)).toEqual([])
})

test('one offset with two values is inconsistent, whoever saw them', () => {
  const history = new History()
  poll(history, [[7, 1]], { process: 'one' })
  poll(history, [[7, 2]], { process: 'other' })
  expect(found(inconsistentOffsets, history)[0]).toContain('1 and 2 at orders/0@7')
})

test('what a consumer reads where a producer was told to have written must be that', () => {
  const history = new History()
  send(history, [1], 5)
  poll(history, [[5, 2]])
  expect(found(inconsistentOffsets, history)[0]).toContain('P13')
})

test('a value at two offsets is a duplicate where it was sent once', () => {
  const history = new History()
  send(history, [1], -1, { status: 'unknown' })
  poll(history, [
    [0, 1],
    [1, 1],
  ])
  expect(found(duplicates, history)[0]).toContain('duplicate: 1')
})

test('a value that is stored again behind its deleted copy is no duplicate, and one with two copies left is', () => {
  const deletedBelow = (offset: number): History => {
    const history = new History()
    send(history, [1], -1, { status: 'unknown' })
    poll(history, [
      [0, 1],
      [2, 1],
    ])
    const operation = { process: 'admin', partition, invokedAt: ++time, endedAt: ++time }
    history.deletions.push({ ...operation, offset, status: 'acked', lowWatermark: offset })
    return history
  }
  expect(found(duplicates, deletedBelow(1))).toEqual([])
  expect(found(duplicates, deletedBelow(0))[0]).toContain('duplicate: 1')
})

test('who is refused must not be read, nor what nobody sent', () => {
  const history = new History()
  send(history, [1], -1, { status: 'failed' })
  poll(history, [[0, 1]])
  expect(found(abortedReads, history)[0]).toContain('had failed')
  const other = new History()
  poll(other, [[0, 9]])
  expect(found(abortedReads, other)[0]).toContain('never sent')
})

test('a stream of polls neither goes back nor leaves anything out, until it seeks', () => {
  const back = new History()
  poll(back, [[1, 1]])
  poll(back, [[1, 1]])
  expect(found(pollsOutOfOrder, back)[0]).toContain('nonmonotonic')
  const skip = new History()
  poll(skip, [[1, 1]])
  poll(skip, [[3, 3]])
  expect(found(pollsOutOfOrder, skip)).toEqual([])
  poll(skip, [[2, 2]], { stream: 'other' })
  expect(found(pollsOutOfOrder, skip)[0]).toContain('skip')
  const seek = new History()
  poll(seek, [[1, 1]])
  poll(seek, [[0, 0]], { stream: 'consumer#1' })
  expect(found(pollsOutOfOrder, seek)).toEqual([])
})

test('what is sent after an acknowledgement is stored behind it', () => {
  const history = new History()
  send(history, [1], 5)
  send(history, [2], 4)
  expect(found(realtimeInversions, history)[0]).toContain('realtime inversion')
})

test('what just misses an anomaly is none', () => {
  const seenTwice = new History()
  send(seenTwice, [1], 7)
  poll(seenTwice, [[7, 1]], { process: 'one' })
  poll(seenTwice, [[7, 1]], { process: 'other', stream: 'other' })
  expect(found(inconsistentOffsets, seenTwice)).toEqual([])
  expect(found(duplicates, seenTwice)).toEqual([])

  const retried = new History()
  send(retried, [1], 0, { atMostOnce: false })
  poll(retried, [
    [0, 1],
    [1, 1],
  ])
  expect(found(duplicates, retried)).toEqual([])

  const leaderOnly = new History()
  send(leaderOnly, [1], 7, { acks: 1, atMostOnce: false })
  poll(leaderOnly, [[7, 2]])
  expect(found(inconsistentOffsets, leaderOnly)).toEqual([])

  const unknown = new History()
  send(unknown, [1], -1, { status: 'unknown' })
  poll(unknown, [[0, 1]])
  expect(found(abortedReads, unknown)).toEqual([])
  unknown.finallyRead.add('orders/1')
  send(unknown, [2], -1, { status: 'unknown', partition: 'orders/1' })
  expect(found(lostWrites, unknown)).toEqual([])
})

test('writes under way at the same time may be stored in any order', () => {
  const history = new History()
  const at = ++time
  send(history, [1], 5, { invokedAt: at, endedAt: at + 10 })
  send(history, [2], 4, { invokedAt: at + 1, endedAt: at + 11 })
  expect(found(realtimeInversions, history)).toEqual([])
})

test('the end of a partition goes back only where the teller has an older leader epoch', () => {
  const told = { process: 'admin', partition }
  const history = new History()
  history.endOffsets.push(
    { ...told, leaderEpoch: 3, offset: 9, invokedAt: 1, endedAt: 2 },
    { ...told, leaderEpoch: 2, offset: 7, invokedAt: 3, endedAt: 4 },
  )
  expect(found(endsThatGoBack, history)).toEqual([])
  history.endOffsets.push({ ...told, leaderEpoch: 4, offset: 8, invokedAt: 5, endedAt: 6 })
  expect(found(endsThatGoBack, history)[0]).toContain('P6')
})

test('a partition has one owner in a generation, and members never go back', () => {
  const history = new History()
  const one = { process: 'a', group: 'g', generation: 2, partitions: [partition], at: 1 }
  history.assignments.push({ ...one, memberId: 'a' }, { ...one, generation: 3, memberId: 'b' })
  expect(found(groupAnomalies, history)).toEqual([])
  history.assignments.push({ ...one, memberId: 'c' })
  expect(found(groupAnomalies, history)[0]).toContain('G1')
  history.assignments.pop()
  history.assignments.push({ ...one, memberId: 'b' })
  expect(found(groupAnomalies, history)[0]).toContain('G2')
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
  expect(found(lostCommits, history)).toEqual([])
  history.offsetFetches.push({ ...of, offset: 4, invokedAt: 5, endedAt: 6 })
  expect(found(lostCommits, history)[0]).toContain('G4')
})

test('a committed offset may be replaced by a later commit, but not of an older generation', () => {
  const of = { process: 'a', group: 'g', partition, status: 'acked' as const }
  const after = (lower: Partial<OffsetCommit>): string[] => {
    const history = new History()
    history.commits.push({ ...of, offset: 5, generation: 2, invokedAt: 3, endedAt: 4 })
    history.commits.push({ ...of, offset: 3, generation: 2, invokedAt: 5, endedAt: 6, ...lower })
    history.offsetFetches.push({ ...of, offset: 3, invokedAt: 7, endedAt: 8 })
    return found(lostCommits, history)
  }
  expect(after({})).toEqual([])
  expect(after({ generation: 1 })).toHaveLength(1)
  expect(after({ status: 'failed' })).toHaveLength(1)
  expect(after({ invokedAt: 9, endedAt: 10 })).toHaveLength(1)
  expect(after({ invokedAt: 1, endedAt: 2 })).toHaveLength(1)
  expect(after({ invokedAt: 1, endedAt: 2, status: 'unknown' })).toEqual([])
})
