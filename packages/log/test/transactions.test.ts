import { expect, test } from 'vitest'
import { batch, Bench, marker } from './support.ts'

const begin = (bench: Bench, producerId: number, baseSequence = 0): number => {
  const bytes = batch({ producerId, producerEpoch: 0, baseSequence, isTransactional: true })
  const result = bench.log.appendAsLeader(bytes, 0)
  if (result.kind !== 'appended') throw new Error(JSON.stringify(result))
  return result.baseOffset
}
const end = (bench: Bench, producerId: number, committed: boolean): number => {
  const result = bench.log.appendAsLeader(marker({ producerId, committed }), 0)
  if (result.kind !== 'appended') throw new Error(JSON.stringify(result))
  return result.baseOffset
}

test('the last stable offset stops at the first open transaction', () => {
  const bench = new Bench()
  bench.append()
  begin(bench, 1)
  begin(bench, 2)
  bench.append()
  expect(bench.log.lastStableOffset(4)).toBe(1)
  expect(bench.log.lastStableOffset(1)).toBe(1)
  expect(bench.log.lastStableOffset(0)).toBe(0)
  end(bench, 1, true)
  expect(bench.log.lastStableOffset(5)).toBe(2)
  end(bench, 2, false)
  expect(bench.log.lastStableOffset(6)).toBe(6)
})

test('a decided transaction stays unstable until its marker is replicated', () => {
  const bench = new Bench()
  begin(bench, 1)
  const markerOffset = end(bench, 1, true)
  expect(bench.log.lastStableOffset(markerOffset)).toBe(0)
  expect(bench.log.lastStableOffset(markerOffset + 1)).toBe(markerOffset + 1)
})

test('a marker that was cut off leaves its transaction open', () => {
  const bench = new Bench()
  begin(bench, 1)
  const markerOffset = end(bench, 1, true)
  bench.log.truncateTo(markerOffset)
  bench.append({}, 1)
  expect(bench.log.lastStableOffset(2)).toBe(0)
  expect(bench.log.lastStableOffset(2)).toBe(0)
})

test('aborted transactions are found wherever they overlap what is read, across segments and restarts', async () => {
  const bench = new Bench({ config: { segmentBytes: 200 } })
  const first = begin(bench, 1)
  begin(bench, 2)
  bench.append()
  const firstMarker = end(bench, 1, false)
  end(bench, 2, true)
  const second = begin(bench, 1, 1)
  const secondMarker = end(bench, 1, false)
  bench.append()
  expect(bench.log.segmentCount).toBeGreaterThan(3)
  const check = () => {
    const { log } = bench
    const stop = log.logEndOffset
    expect(log.abortedTransactions(0, stop)).toEqual([
      { producerId: 1, firstOffset: first },
      { producerId: 1, firstOffset: second },
    ])
    expect(log.abortedTransactions(0, second)).toEqual([{ producerId: 1, firstOffset: first }])
    expect(log.abortedTransactions(firstMarker + 1, stop)).toEqual([
      { producerId: 1, firstOffset: second },
    ])
    expect(log.abortedTransactions(secondMarker + 1, stop)).toEqual([])
  }
  check()
  await bench.restart()
  check()
  bench.kill('process')
  check()
})

test('many decided transactions above the high watermark cost a bounded memory and never show too much', () => {
  const bench = new Bench()
  for (let number = 0; number < 1100; number++) {
    begin(bench, number)
    end(bench, number, true)
  }
  expect(bench.log.lastStableOffset(5)).toBeLessThanOrEqual(4)
  expect(bench.log.lastStableOffset(2200)).toBe(2200)
})

test('open transactions survive a clean stop', async () => {
  const bench = new Bench()
  bench.append()
  begin(bench, 1)
  bench.append()
  await bench.restart()
  expect(bench.log.lastStableOffset(3)).toBe(1)
})

test('a coordinator writes for a producer without sequence numbers, and its transaction is still one', () => {
  const bench = new Bench()
  const write = (producerEpoch: number) =>
    bench.log.appendAsLeader(batch({ producerId: 1, producerEpoch, isTransactional: true }), 0)
  expect([write(3).kind, write(3).kind, write(3).kind]).toEqual([
    'appended',
    'appended',
    'appended',
  ])
  expect(bench.log.lastStableOffset(3)).toBe(0)
  expect(write(2)).toMatchObject({ kind: 'rejected', errorCode: 47 })
})
