import { expect, test } from 'vitest'
import { apiByKey, apis, errorCodes, errorInfo } from '../src/index.ts'

test('every code from -1 to 133 has one name', () => {
  const codes = Object.values(errorCodes).toSorted((a, b) => a - b)
  expect(codes).toEqual(Array.from({ length: 135 }, (_, index) => index - 1))
})

test('what clients retry, and what they do not', () => {
  expect(errorInfo(errorCodes.NOT_LEADER_OR_FOLLOWER)).toMatchObject({
    name: 'NOT_LEADER_OR_FOLLOWER',
    code: 6,
    retriable: true,
  })
  expect(errorInfo(errorCodes.INVALID_RECORD).retriable).toBe(false)
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
