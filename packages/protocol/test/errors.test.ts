import { expect, test } from 'vitest'
import { apiByKey, apis, errorCodes, errorInfo } from '../src/index.ts'

test('every code from -1 to 133 has one name', () => {
  const codes = Object.values(errorCodes).toSorted((a, b) => a - b)
  expect(codes).toEqual(Array.from({ length: 135 }, (_, index) => index - 1))
})

// As Kafka's own Java client (4.3.1) has it.
const retriable = [
  2, 3, 5, 6, 7, 9, 13, 14, 15, 16, 19, 20, 41, 51, 56, 70, 71, 72, 74, 75, 78, 80, 83, 84, 88, 89,
  100, 103, 106, 122, 123, 133,
]

test('what clients retry, and what they do not', () => {
  const ours = Object.values(errorCodes).filter(code => errorInfo(code).retriable)
  expect(ours.toSorted((a, b) => a - b)).toEqual(retriable)
  expect(errorInfo(6)).toMatchObject({ name: 'NOT_LEADER_OR_FOLLOWER', code: 6 })
})

test('a code from the future has a name that tells', () => {
  expect(errorInfo(9999)).toMatchObject({
    name: 'UNKNOWN_ERROR_9999',
    code: 9999,
    retriable: false,
  })
})

test('the table of apis is found by key', () => {
  for (const definition of Object.values(apis)) expect(apiByKey(definition.key)).toBe(definition)
  expect(apiByKey(4)).toBeUndefined()
})
