import { expect, test } from 'vitest'
import { abortedReads } from '../src/chaos/history/aborted-read.ts'
import { readCycles, writeCycles } from '../src/chaos/history/cycles.ts'
import { History } from '../src/chaos/history/history.ts'
import type { Poll, Send, Transaction } from '../src/chaos/history/history.ts'
import { HistoryReader } from '../src/chaos/history/json-lines.ts'
import { lostWrites } from '../src/chaos/history/lost-write.ts'
import { pollsOutOfOrder } from '../src/chaos/history/nonmonotonic-poll.ts'
import { sendsOutOfOrder } from '../src/chaos/history/send-order.ts'
import { worstRealtimeLag } from '../src/chaos/history/staleness.ts'
import { brokenTransactions } from '../src/chaos/history/transactions.ts'
import type { Finder } from '../src/chaos/history/anomaly.ts'

/** Each anomaly with a history that has it and one that just misses it. */

const names = (finder: Finder, history: History): string[] =>
  [...finder(history)].map(({ name }) => name)

const partition = 'orders/0'

class Story {
  readonly history = new History()
  #time = 0

  send(values: number[], baseOffset: number, more: Partial<Send> = {}): this {
    const invokedAt = ++this.#time
    const base: Send = {
      process: 'producer',
      partition,
      values,
      acks: -1,
      atMostOnce: true,
      invokedAt,
      endedAt: ++this.#time,
      status: 'acked',
      baseOffset,
    }
    this.history.sends.push({ ...base, ...more })
    return this
  }

  poll(records: [number, number][], more: Partial<Poll> = {}): this {
    const invokedAt = ++this.#time
    const base: Poll = {
      process: 'consumer',
      partition,
      stream: 'consumer',
      invokedAt,
      endedAt: ++this.#time,
      records: records.map(([offset, value]) => ({ offset, value })),
    }
    this.history.polls.push({ ...base, ...more })
    return this
  }

  transaction(id: number, more: Partial<Transaction> = {}): this {
    const base = {
      id,
      process: `t${id}`,
      invokedAt: id,
      endedAt: 100 + id,
      status: 'acked' as const,
    }
    this.history.transactions.push({ ...base, ...more })
    return this
  }

  readToEnd(): this {
    this.history.finallyRead.add(partition)
    return this
  }
}

const story = (): Story => new Story()

test('lost-write and unseen: by whether anything behind it was read', () => {
  const lost = story()
    .send([1], 0)
    .send([2], 1)
    .poll([[1, 2]])
    .readToEnd()
  expect(names(lostWrites, lost.history)).toEqual(['lost-write'])
  const unseen = story()
    .send([1], 0)
    .send([2], 1)
    .poll([[0, 1]])
    .readToEnd()
  expect(names(lostWrites, unseen.history)).toEqual(['unseen'])
  const notReadYet = story()
    .send([1], 0)
    .send([2], 1)
    .poll([[0, 1]])
  expect(names(lostWrites, notReadYet.history)).toEqual([])
})

test('poll-skip and int-poll-skip: only past what somebody knows of', () => {
  const between = story()
    .send([1, 2, 3], 0)
    .poll([[0, 1]])
    .poll([[2, 3]])
  expect(names(pollsOutOfOrder, between.history)).toEqual(['poll-skip'])
  const within = story().send([1, 2, 3], 0)
  within.poll([
    [0, 1],
    [2, 3],
  ])
  expect(names(pollsOutOfOrder, within.history)).toEqual(['int-poll-skip'])
  const controlRecord = story()
    .send([1], 0)
    .send([3], 2)
    .poll([[0, 1]])
    .poll([[2, 3]])
  expect(names(pollsOutOfOrder, controlRecord.history)).toEqual([])
})

test('poll-skip: what an aborted transaction left in the log nobody is shown', () => {
  const history = (status: Transaction['status']): History =>
    story()
      .transaction(1, { status })
      .send([1], 0)
      .send([2, 3], 1, { transaction: 1 })
      .send([4], 4)
      .poll([
        [0, 1],
        [4, 4],
      ]).history
  expect(names(pollsOutOfOrder, history('failed'))).toEqual([])
  expect(names(pollsOutOfOrder, history('unknown'))).toEqual([])
  expect(names(pollsOutOfOrder, history('acked'))).toEqual(['int-poll-skip'])
})

test('poll-skip: the polls of one transaction follow each other, whatever becomes of it', () => {
  const history = (status: Transaction['status'], then: [number, number]): History =>
    story()
      .transaction(1, { status })
      .send([1, 2, 3, 4], 0)
      .poll([[0, 1]])
      .poll([[1, 2]], { transaction: 1 })
      .poll([[2, 3]], { transaction: 1 })
      .poll([then]).history
  expect(names(pollsOutOfOrder, history('failed', [1, 2]))).toEqual([])
  expect(names(pollsOutOfOrder, history('failed', [3, 4]))).toEqual(['poll-skip'])
  expect(names(pollsOutOfOrder, history('acked', [3, 4]))).toEqual([])
  expect(names(pollsOutOfOrder, history('acked', [1, 2]))).toEqual(['nonmonotonic-poll'])
  // Nobody knows whether it has moved the stream on.
  expect(names(pollsOutOfOrder, history('unknown', [1, 2]))).toEqual([])
  expect(names(pollsOutOfOrder, history('unknown', [3, 4]))).toEqual([])
  const within = history('failed', [1, 2])
  within.polls.splice(2, 1)
  within.polls.splice(2, 0, { ...within.polls[1]!, records: [{ offset: 3, value: 4 }] })
  expect(names(pollsOutOfOrder, within)).toEqual(['poll-skip'])
})

test('nonmonotonic-poll and int-nonmonotonic-poll: back, or the same again', () => {
  const again = story()
    .poll([[1, 2]])
    .poll([[1, 2]])
  expect(names(pollsOutOfOrder, again.history)).toEqual(['nonmonotonic-poll'])
  const within = story().poll([
    [1, 2],
    [0, 1],
  ])
  expect(names(pollsOutOfOrder, within.history)).toEqual(['int-nonmonotonic-poll'])
  const other = story()
    .poll([[1, 2]])
    .poll([[1, 2]], { stream: 'other' })
  expect(names(pollsOutOfOrder, other.history)).toEqual([])
  const rewound = story().transaction(1, { status: 'failed' })
  rewound
    .poll([[0, 1]])
    .poll([[1, 2]], { transaction: 1 })
    .poll([[1, 2]])
  expect(names(pollsOutOfOrder, rewound.history)).toEqual([])
  const kept = story().transaction(1)
  kept
    .poll([[0, 1]])
    .poll([[1, 2]], { transaction: 1 })
    .poll([[1, 2]])
  expect(names(pollsOutOfOrder, kept.history)).toEqual(['nonmonotonic-poll'])
})

test('nonmonotonic-send: of one process, acknowledged, and to one partition', () => {
  const back = story().send([1], 5).send([2], 4)
  expect(names(sendsOutOfOrder, back.history)).toEqual(['nonmonotonic-send'])
  const others = story().send([1], 5).send([2], 4, { process: 'other' })
  expect(names(sendsOutOfOrder, others.history)).toEqual([])
  const elsewhere = story().send([1], 5).send([2], 4, { partition: 'orders/1' })
  expect(names(sendsOutOfOrder, elsewhere.history)).toEqual([])
  const leaders = story().send([1], 5).send([2], 4, { acks: 1 })
  expect(names(sendsOutOfOrder, leaders.history)).toEqual([])
})

test('int-nonmonotonic-send and int-send-skip: a batch is stored in its order and in one piece', () => {
  const turned = story()
    .send([1, 2], -1)
    .poll([
      [0, 2],
      [1, 1],
    ])
  expect(names(sendsOutOfOrder, turned.history)).toEqual(['int-nonmonotonic-send'])
  const split = story()
    .send([1, 2], -1)
    .poll([
      [0, 1],
      [1, 9],
      [2, 2],
    ])
  expect(names(sendsOutOfOrder, split.history)).toEqual(['int-send-skip'])
  const whole = story()
    .send([1, 2], -1)
    .poll([
      [0, 1],
      [1, 2],
    ])
  expect(names(sendsOutOfOrder, whole.history)).toEqual([])
  const unread = story()
    .send([1, 2], -1)
    .poll([[0, 1]])
  expect(names(sendsOutOfOrder, unread.history)).toEqual([])
})

test('G1a: an aborted transaction takes back what was acknowledged in it', () => {
  const aborted = story().transaction(1, { status: 'failed' })
  aborted.send([1], 0, { transaction: 1 }).poll([[0, 1]])
  expect(names(abortedReads, aborted.history)).toEqual(['aborted-read'])
  const unknown = story().transaction(1, { status: 'unknown' })
  unknown.send([1], 0, { transaction: 1 }).poll([[0, 1]])
  expect(names(abortedReads, unknown.history)).toEqual([])
  const notLost = story().transaction(1, { status: 'failed' })
  notLost.send([1], 0, { transaction: 1 }).readToEnd()
  expect(names(lostWrites, notLost.history)).toEqual([])
})

test('precommitted-read: nobody reads in a transaction what it wrote itself', () => {
  const own = story().transaction(1).send([1], 0, { transaction: 1 })
  own.poll([[0, 1]], { transaction: 1 })
  expect(names(brokenTransactions, own.history)).toEqual(['precommitted-read'])
  const others = story().transaction(1).transaction(2).send([1], 0, { transaction: 1 })
  others.poll([[0, 1]], { transaction: 2 })
  expect(names(brokenTransactions, others.history)).toEqual([])
})

test('torn-transaction: all of it is read by the end, or none', () => {
  const both = (): Story =>
    story()
      .transaction(1, { status: 'unknown' })
      .send([1], 0, { transaction: 1 })
      .send([2], 1, { transaction: 1 })
  expect(
    names(
      brokenTransactions,
      both()
        .poll([[0, 1]])
        .readToEnd().history,
    ),
  ).toEqual(['torn-transaction'])
  expect(names(brokenTransactions, both().poll([[0, 1]]).history)).toEqual([])
  expect(names(brokenTransactions, both().readToEnd().history)).toEqual([])
})

test('G1c: two transactions that each read what the other wrote', () => {
  const crossed = story().transaction(1).transaction(2)
  crossed.send([1], 0, { transaction: 1 }).send([2], 1, { transaction: 2 })
  crossed.poll([[1, 2]], { transaction: 1 })
  expect(names(readCycles, crossed.history)).toEqual([])
  crossed.poll([[0, 1]], { transaction: 2 })
  expect(names(readCycles, crossed.history)).toEqual(['G1c'])
})

test('G1c-process and G1c-realtime: who read it had ended before its writer began', () => {
  const early = { invokedAt: 1, endedAt: 2 }
  const late = { invokedAt: 3, endedAt: 4 }
  const future = (process: string, later: typeof late): History =>
    story()
      .transaction(1, { ...early, process: 'one' })
      .transaction(2, { ...later, process })
      .send([1], 0, { transaction: 2 })
      .poll([[0, 1]], { transaction: 1 }).history
  expect(names(readCycles, future('one', late))).toEqual(['G1c-process'])
  expect(names(readCycles, future('other', late))).toEqual(['G1c-realtime'])
  expect(names(readCycles, future('other', { invokedAt: 2, endedAt: 4 }))).toEqual([])
})

test('G1c-realtime without transactions: a read that ended before its record was sent', () => {
  const future = story()
    .poll([[0, 1]])
    .send([1], 0)
  expect(names(readCycles, future.history)).toEqual(['G1c-realtime'])
  const meanwhile = story().send([1], 0, { invokedAt: 1, endedAt: 9 })
  meanwhile.poll([[0, 1]], { invokedAt: 0, endedAt: 1 })
  expect(names(readCycles, meanwhile.history)).toEqual([])
})

test('G0: interleaved writes of transactions are told to who asks, and are no anomaly', () => {
  const mixed = story().transaction(1).transaction(2)
  mixed.send([1], 0, { transaction: 1 }).send([2], 1, { transaction: 2 })
  expect(names(writeCycles, mixed.history)).toEqual([])
  mixed.send([3], 2, { transaction: 1 })
  expect(names(writeCycles, mixed.history)).toEqual(['G0'])
  expect(names(readCycles, mixed.history)).toEqual([])
})

test('worst-realtime-lag: since when the next record was known that a reader was not given', () => {
  const history = new History()
  const poll = { process: 'slow', partition, stream: 'slow' }
  history.polls.push(
    { ...poll, process: 'fast', invokedAt: 1, endedAt: 5, records: [{ offset: 1, value: 2 }] },
    { ...poll, invokedAt: 4, endedAt: 6, records: [{ offset: 0, value: 1 }] },
  )
  expect(worstRealtimeLag(history)).toBeNull()
  history.polls.push({ ...poll, invokedAt: 35, endedAt: 36, records: [{ offset: 0, value: 1 }] })
  expect(worstRealtimeLag(history)).toEqual({ lagMs: 30, process: 'slow', partition })
  // It was the one that reads all once more.
  history.finalStreams.set(partition, 'slow')
  expect(worstRealtimeLag(history)).toBeNull()
})

test('a history in lines may have transactions', () => {
  const history = new History()
  const reader = new HistoryReader(history)
  for (const line of [
    { f: 'txn', type: 'invoke', op: 1, time: 1, process: 'p' },
    {
      f: 'send',
      type: 'invoke',
      op: 2,
      time: 2,
      process: 'p',
      partition,
      values: [1],
      acks: -1,
      idempotent: true,
      transaction: 1,
    },
    { f: 'send', type: 'ok', op: 2, time: 3, offset: 0 },
    { f: 'txn', type: 'fail', op: 1, time: 4 },
    { f: 'poll', time: 5, process: 'c', partition, records: [[0, 1]] },
  ]) {
    reader.take(JSON.stringify(line))
  }
  expect(history.transactions).toMatchObject([{ id: 1, status: 'failed', endedAt: 4 }])
  expect(names(abortedReads, history)).toEqual(['aborted-read'])
})
