import { expect, test } from 'vitest'
import {
  concatBytes,
  equalBytes,
  must,
  OffsetWaiters,
  Prng,
  uuidFromBytes,
  uuidPattern,
  zeroUuid,
} from '../src/index.ts'

test('parked answers settle in offset order once the high watermark passes them, each once', () => {
  const settled: string[] = []
  const waiters = new OffsetWaiters<string>((value, outcome) => settled.push(`${value} ${outcome}`))
  waiters.park(7, 'c')
  waiters.park(3, 'a')
  waiters.park(5, 'b')
  waiters.park(5, 'b2')
  waiters.advance(2)
  expect(settled).toEqual([])
  waiters.advance(5)
  expect(settled).toEqual(['a passed', 'b passed', 'b2 passed'])
  waiters.failAll()
  expect(settled.at(-1)).toBe('c failed')
  expect(waiters.count).toBe(0)
})

test('an answer parked while others settle waits for its own offset', () => {
  const settled: string[] = []
  const waiters: OffsetWaiters<string> = new OffsetWaiters(value => {
    settled.push(value)
    if (value === 'first') waiters.park(2, 'late')
  })
  waiters.park(1, 'first')
  waiters.advance(1)
  expect(settled).toEqual(['first'])
  waiters.advance(2)
  expect(settled).toEqual(['first', 'late'])
})

test('one seed gives one sequence, and a fork does not follow its parent', () => {
  const draw = (prng: Prng): number[] => Array.from({ length: 8 }, () => prng.between(0, 1000))
  expect(draw(new Prng(42))).toEqual(draw(new Prng(42)))
  expect(draw(new Prng(42))).not.toEqual(draw(new Prng(43)))
  const parent = new Prng(42)
  expect(draw(parent.fork(1))).not.toEqual(draw(parent.fork(2)))
})

test('draws stay in their bounds and reach both ends', () => {
  const prng = new Prng(7)
  const seen = new Set(Array.from({ length: 500 }, () => prng.between(3, 6)))
  expect([...seen].sort()).toEqual([3, 4, 5, 6])
})

test('a uuid prints as the base64url text of its sixteen bytes', () => {
  expect(uuidFromBytes(new Uint8Array(16))).toBe(zeroUuid)
  const prng = new Prng(1)
  for (let round = 0; round < 200; round++) {
    const bytes = prng.bytes(16)
    expect(uuidFromBytes(bytes)).toBe(Buffer.from(bytes).toString('base64url'))
    expect(uuidFromBytes(bytes)).toMatch(uuidPattern)
  }
})

test('bytes join without a copy where one part is all there is', () => {
  const part = new Uint8Array([1, 2])
  expect(concatBytes([part])).toBe(part)
  expect(equalBytes(concatBytes([part, new Uint8Array([3])]), new Uint8Array([1, 2, 3]))).toBe(true)
  expect(equalBytes(part, new Uint8Array([1, 3]))).toBe(false)
})

test('the absence of what must be there is a broken invariant', () => {
  expect(must(0, 'zero is a value')).toBe(0)
  expect(() => must(undefined, 'broker 3 is registered')).toThrow('broker 3 is registered')
})
