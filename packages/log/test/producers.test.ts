import { readBatchHeader } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { decodeProducerSnapshot } from '../src/index.ts'
import { encodeProducerSnapshot } from '../src/producer-snapshot.ts'
import { producerCountMax, ProducerStates } from '../src/producer-state.ts'
import { batch, type BatchOptions, Bench, marker } from './support.ts'

const produce = (bench: Bench, options: BatchOptions) =>
  bench.log.appendAsLeader(
    batch({ producerId: 9, producerEpoch: 0, ...options }),
    bench.log.latestEpoch + 1,
  )

const outOfOrder = { kind: 'rejected', errorCode: 45 }
const oldEpoch = { kind: 'rejected', errorCode: 47 }

test('a retry of one of the last five batches is answered with its first offset, an older one is out of order', () => {
  const bench = new Bench()
  for (let number = 0; number < 7; number++) produce(bench, { baseSequence: number * 2, count: 2 })
  const end = bench.log.logEndOffset
  for (let number = 2; number < 7; number++) {
    expect(produce(bench, { baseSequence: number * 2, count: 2 })).toEqual({
      kind: 'duplicate',
      baseOffset: number * 2,
      lastOffset: number * 2 + 1,
      logAppendTimeMs: -1,
    })
  }
  expect(produce(bench, { baseSequence: 2, count: 2 })).toMatchObject(outOfOrder)
  expect(bench.log.logEndOffset).toBe(end)
})

test('a batch that overlaps an earlier one, but is not it, is out of order', () => {
  const bench = new Bench()
  produce(bench, { baseSequence: 0, count: 3 })
  expect(produce(bench, { baseSequence: 0, count: 2 })).toMatchObject(outOfOrder)
  expect(produce(bench, { baseSequence: 1, count: 2 })).toMatchObject(outOfOrder)
  expect(produce(bench, { baseSequence: 4, count: 1 })).toMatchObject(outOfOrder)
  expect(produce(bench, { baseSequence: 3, count: 1 })).toMatchObject({ kind: 'appended' })
})

test('sequences begin again at zero after the largest one', () => {
  const bench = new Bench()
  produce(bench, { baseSequence: 2147483645, count: 2 })
  expect(produce(bench, { baseSequence: 0, count: 1 })).toMatchObject(outOfOrder)
  expect(produce(bench, { baseSequence: 2147483647, count: 1 })).toMatchObject({ kind: 'appended' })
  expect(produce(bench, { baseSequence: 0, count: 1 })).toMatchObject({ kind: 'appended' })
  const wrapping = new Bench()
  produce(wrapping, { baseSequence: 2147483646, count: 4 })
  expect(produce(wrapping, { baseSequence: 2147483646, count: 4 })).toMatchObject({
    kind: 'duplicate',
  })
  expect(produce(wrapping, { baseSequence: 2, count: 1 })).toMatchObject({ kind: 'appended' })
})

test('a new epoch begins at zero, and the old one is refused from then on', () => {
  const bench = new Bench()
  produce(bench, { baseSequence: 0, count: 3 })
  expect(produce(bench, { producerEpoch: 1, baseSequence: 3 })).toMatchObject(outOfOrder)
  expect(produce(bench, { producerEpoch: 1, baseSequence: 0, count: 3 })).toMatchObject({
    kind: 'appended',
    baseOffset: 3,
  })
  expect(produce(bench, { producerEpoch: 0, baseSequence: 3 })).toMatchObject(oldEpoch)
  // The same sequences in the old epoch are no retry of the new epoch's batch.
  expect(produce(bench, { producerEpoch: 0, baseSequence: 0, count: 3 })).toMatchObject(oldEpoch)
})

test('a producer that is not known may begin with any sequence', () => {
  const bench = new Bench()
  expect(produce(bench, { baseSequence: 17 })).toMatchObject({ kind: 'appended' })
  expect(produce(bench, { baseSequence: 19 })).toMatchObject(outOfOrder)
})

test('a write that failed leaves no trace in the producer state', () => {
  const bench = new Bench()
  produce(bench, { baseSequence: 0 })
  bench.disk.capacityBytes = 1
  expect(() => produce(bench, { baseSequence: 1 })).toThrow(
    expect.objectContaining({ code: 'DISK_FULL' }),
  )
  bench.disk.capacityBytes = Infinity
  bench.kill('process')
  expect(produce(bench, { baseSequence: 2 })).toMatchObject(outOfOrder)
  expect(produce(bench, { baseSequence: 1 })).toMatchObject({ kind: 'appended', baseOffset: 1 })
})

test('all five batches are known after a clean stop, after a kill and on a follower', async () => {
  const bench = new Bench()
  const follower = new Bench()
  for (let number = 0; number < 6; number++) produce(bench, { baseSequence: number })
  follower.log.appendAsFollower(bench.readAll())
  const retriesFind = (on: Bench) =>
    [0, 1, 2, 3, 4, 5].map(baseSequence => {
      const result = produce(on, { baseSequence })
      return result.kind === 'duplicate' ? result.baseOffset : result.kind
    })
  const expected = ['rejected', 1, 2, 3, 4, 5]
  expect(retriesFind(bench)).toEqual(expected)
  expect(retriesFind(follower)).toEqual(expected)
  await bench.restart()
  expect(bench.log.recovery).toBe(null)
  expect(retriesFind(bench)).toEqual(expected)
  bench.kill('process')
  expect(retriesFind(bench)).toEqual(expected)
})

test('truncation takes the producer state back to what it was', () => {
  const bench = new Bench()
  for (let number = 0; number < 6; number++) {
    produce(bench, { baseSequence: number })
    if (number === 2) bench.log.roll()
  }
  bench.log.truncateTo(4)
  expect(produce(bench, { baseSequence: 5 })).toMatchObject(outOfOrder)
  expect(produce(bench, { baseSequence: 3 })).toMatchObject({ kind: 'duplicate', baseOffset: 3 })
  expect(produce(bench, { baseSequence: 4 })).toMatchObject({ kind: 'appended', baseOffset: 4 })
  bench.log.truncateTo(0)
  expect(produce(bench, { baseSequence: 40 })).toMatchObject({ kind: 'appended', baseOffset: 0 })
})

test('silent producers are forgotten in time, those with an open transaction are not', () => {
  const bench = new Bench({ config: { producerIdExpirationMs: 1000 } })
  const timestampMs = 1_700_000_000_000
  produce(bench, { baseSequence: 0, timestampMs })
  produce(bench, { producerId: 10, baseSequence: 0, timestampMs, isTransactional: true })
  bench.log.enforceRetention(0, timestampMs + 999)
  expect(bench.log.producerCount).toBe(2)
  bench.log.enforceRetention(0, timestampMs + 1000)
  expect(bench.log.producerCount).toBe(1)
  expect(produce(bench, { producerId: 10, baseSequence: 5, isTransactional: true })).toMatchObject(
    outOfOrder,
  )
  expect(produce(bench, { baseSequence: 30 })).toMatchObject({ kind: 'appended' })
})

test('the number of producers is bounded: the longest silent one gives way', () => {
  const states = new ProducerStates()
  const apply = (producerId: number, offset: number, isTransactional = false) =>
    states.apply(
      readBatchHeader(
        batch({
          producerId,
          producerEpoch: 0,
          baseSequence: 0,
          baseOffset: offset,
          isTransactional,
        }),
        0,
      ),
      null,
    )
  apply(0, 0, true)
  for (let producerId = 1; producerId <= producerCountMax; producerId++)
    apply(producerId, producerId)
  expect(states.count).toBe(producerCountMax)
  expect(states.get(0)).toBeDefined()
  expect(states.get(1)).toBeUndefined()
  expect(states.get(2)).toBeDefined()
})

test('a producer in a transaction cannot write outside of it', () => {
  const bench = new Bench()
  produce(bench, { baseSequence: 0, isTransactional: true })
  expect(produce(bench, { baseSequence: 1 })).toMatchObject({ kind: 'rejected', errorCode: 48 })
})

test('a marker of an old coordinator or an old producer epoch is refused', () => {
  const bench = new Bench()
  produce(bench, { producerEpoch: 1, baseSequence: 0, isTransactional: true })
  const mark = (producerEpoch: number, coordinatorEpoch: number) =>
    bench.log.appendAsLeader(
      marker({ producerId: 9, producerEpoch, committed: true, coordinatorEpoch }),
      9,
    )
  expect(mark(0, 5)).toMatchObject(oldEpoch)
  expect(mark(1, 5)).toMatchObject({ kind: 'appended' })
  expect(mark(1, 4)).toMatchObject({ kind: 'rejected', errorCode: 52 })
  expect(mark(2, 5)).toMatchObject({ kind: 'appended' })
})

test('after a marker with a new epoch the producer begins at zero', () => {
  const bench = new Bench()
  produce(bench, { baseSequence: 0, isTransactional: true })
  bench.log.appendAsLeader(marker({ producerId: 9, producerEpoch: 1, committed: true }), 9)
  const next = (baseSequence: number) =>
    bench.log.appendAsLeader(
      batch({ producerId: 9, producerEpoch: 1, baseSequence, isTransactional: true }),
      9,
    )
  expect(next(1)).toMatchObject(outOfOrder)
  expect(next(0)).toMatchObject({ kind: 'appended' })
})

test('a snapshot begins as Kafka writes it', () => {
  const states = new ProducerStates()
  const header = readBatchHeader(
    batch({
      producerId: 0x0102,
      producerEpoch: 3,
      baseSequence: 5,
      count: 2,
      baseOffset: 40,
      timestampMs: 7,
      isTransactional: true,
    }),
    0,
  )
  states.apply(header, null)
  const bytes = encodeProducerSnapshot(states, { summary: null, epochsCrc: null })
  expect(Buffer.from(bytes.subarray(0, 2)).toString('hex')).toBe('0001')
  expect(Buffer.from(bytes.subarray(6, 56)).toString('hex')).toBe(
    [
      '00000001', // one producer
      '0000000000000102',
      '0003', // epoch
      '00000006', // last sequence
      '0000000000000029', // last offset
      '00000001', // offset delta
      '0000000000000008', // timestamp
      'ffffffff', // no coordinator epoch
      '0000000000000028', // the transaction began at 40
    ].join(''),
  )
})

test('a snapshot gives back what it was made of, and one flipped bit is noticed', () => {
  const states = new ProducerStates()
  for (let number = 0; number < 12; number++) {
    const producerId = number % 3
    const options = {
      producerId,
      producerEpoch: 0,
      baseSequence: Math.floor(number / 3),
      baseOffset: number,
    }
    states.apply(readBatchHeader(batch({ ...options, isTransactional: producerId === 2 }), 0), null)
  }
  states.apply(readBatchHeader(batch({ producerId: 2, producerEpoch: 0, baseOffset: 12 }), 0), {
    committed: false,
    coordinatorEpoch: 4,
  })
  const summary = {
    baseOffset: 3,
    sizeBytes: 99,
    maxTimestampMs: 5,
    offsetOfMaxTimestamp: 4,
    bytesSinceIndexEntry: 12,
    indexIntervalBytes: 4096,
    offsetsCrc: 0xfffffff1,
    timesCrc: 2,
    abortedCrc: 3,
  }
  const bytes = encodeProducerSnapshot(states, { summary, epochsCrc: 0xabcdef01 })
  const decoded = decodeProducerSnapshot(bytes)
  expect(decoded).toEqual({
    entries: [...states.entries()],
    undetermined: states.undetermined,
    summary,
    epochsCrc: 0xabcdef01,
  })
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const damaged = bytes.slice()
    damaged[bit >>> 3] = (damaged[bit >>> 3] ?? 0) ^ (1 << (bit & 7))
    if (decodeProducerSnapshot(damaged) !== null) throw new Error(`bit ${bit} went unnoticed`)
  }
  for (let length = 0; length < bytes.length; length++) {
    expect(decodeProducerSnapshot(bytes.subarray(0, length))).toBe(null)
  }
})
