import { expect, test } from 'vitest'
import { ByteBudget } from '../src/byte-budget.ts'

test('over the budget nobody reads on until bytes are given back, and then the oldest first', () => {
  const budget = new ByteBudget(100)
  const [a, b, c] = [{}, {}, {}]
  const resumed: object[] = []
  budget.hold(100)
  budget.handling(a)
  expect(budget.mayRead(b)).toBe(false)
  budget.wait(b, () => resumed.push(b))
  budget.wait(c, () => resumed.push(c))
  expect(resumed).toEqual([])
  budget.handled()
  budget.release(50)
  expect(resumed).toEqual([b, c])
})

test('if only unfinished frames fill the budget, one of them may be finished, and then the next', () => {
  const budget = new ByteBudget(100)
  const [a, b] = [{}, {}]
  const resumed: object[] = []
  budget.hold(100)
  budget.wait(a, () => resumed.push(a))
  budget.wait(b, () => resumed.push(b))
  expect(resumed).toEqual([a])
  expect(budget.mayRead(a)).toBe(true)
  expect(budget.mayRead(b)).toBe(false)
  budget.leave(a)
  expect(resumed).toEqual([a, b])
})
