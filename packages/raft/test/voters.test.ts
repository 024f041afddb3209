import { expect, test } from 'vitest'
import type { Voter } from '../src/messages.ts'
import { decodeVoters, encodeVoters, VoterHistory } from '../src/voters.ts'

const voter = (nodeId: number, directoryId: string | null = null): Voter => ({
  nodeId,
  directoryId,
  host: `node-${nodeId}`,
  port: 9093,
})

test('a voter set survives its encoding, whatever its host is called', () => {
  const voters = [{ ...voter(1, 'AAAAAAAAAAAAAAAAAAAAAQ'), host: 'bücher.example "x"' }, voter(2)]
  expect(decodeVoters(encodeVoters(voters))).toEqual(voters)
})

test('equal sets have equal bytes in any order of voters', () => {
  expect(encodeVoters([voter(2), voter(1)])).toEqual(encodeVoters([voter(1), voter(2)]))
})

test('bytes that are no voter set are corrupt', () => {
  for (const text of ['', '{', '[]', '{"voters":[{"nodeId":"1"}]}', 'null']) {
    const bytes = Uint8Array.from(text, unit => unit.charCodeAt(0))
    expect(() => decodeVoters(bytes)).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
  }
})

test('a set is in force from its entry on, until that is truncated', () => {
  const history = new VoterHistory([voter(1)])
  history.append(5, [voter(1), voter(2)])
  history.append(9, [voter(2)])
  expect(history.asOf(5)).toEqual([voter(1)])
  expect(history.asOf(6)).toEqual([voter(1), voter(2)])
  expect(history.current).toEqual([voter(2)])
  history.truncate(9)
  expect(history.current).toEqual([voter(1), voter(2)])
  history.dropPrefix(6)
  expect(history.current).toEqual([voter(1), voter(2)])
  history.truncate(6)
  expect(history.current).toEqual([voter(1), voter(2)])
})

test('a node with another directory is not the voter of that id', () => {
  const history = new VoterHistory([voter(1, 'disk-a'), voter(2)])
  expect(history.has(1, 'disk-a')).toBe(true)
  expect(history.has(1, 'disk-b')).toBe(false)
  expect(history.has(1, null)).toBe(true)
  expect(history.has(2, 'any')).toBe(true)
  expect(history.has(3, null)).toBe(false)
})
