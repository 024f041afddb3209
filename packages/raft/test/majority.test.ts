import { Prng } from '@trimaran/common'
import { expect, test } from 'vitest'
import { describe, majorityOf, majorityReached } from '../src/majority.ts'

test('the offset that a majority reached is the largest that more than half are at or above', () => {
  const prng = new Prng(1)
  for (let round = 0; round < 1000; round++) {
    const ends = Array.from({ length: prng.between(1, 7) }, () => prng.between(0, 9))
    const slow = Array.from({ length: 10 }, (_, offset) => offset).findLast(
      offset => ends.filter(end => end >= offset).length * 2 > ends.length,
    )
    expect(majorityReached(ends)).toBe(slow)
  }
})

test('nobody has no majority', () => {
  expect(majorityReached([])).toBe(Number.NEGATIVE_INFINITY)
  expect([1, 2, 3, 4, 5].map(majorityOf)).toEqual([1, 2, 2, 3, 3])
})

test('a majority is drawn as bars', () => {
  const voters = [
    { nodeId: 1, endOffset: 6 },
    { nodeId: 2, endOffset: 4 },
    { nodeId: 3, endOffset: 0 },
  ]
  expect(describe(voters)).toBe('   1 ######> 6\n   2 ####> 4\n   3 > 0\nmajority 4')
})
