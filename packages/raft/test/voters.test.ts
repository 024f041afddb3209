import { expect, test } from 'vitest'
import type { Voter } from '@trimaran/common'
import type { VoterSet } from '../src/messages.ts'
import { decodeVoters, encodeVoters, VoterHistory } from '../src/voters.ts'

const voter = (nodeId: number, directoryId: string | null = null): Voter => ({
  nodeId,
  directoryId,
  host: `node-${nodeId}`,
  port: 9093,
})

const set = (...voters: readonly Voter[]): VoterSet => ({ voters, lost: [] })

test('a voter set survives its encoding, whatever its host is called', () => {
  const voters = [{ ...voter(1, 'AAAAAAAAAAAAAAAAAAAAAQ'), host: 'bücher.example "x"' }, voter(2)]
  const one = { voters, lost: [voter(3, 'AAAAAAAAAAAAAAAAAAAAAw')] }
  expect(decodeVoters(encodeVoters(one))).toEqual(one)
})

test('a set of before anybody was written down as lost is read, and written as it was', () => {
  const text = '{"voters":[{"nodeId":1,"directoryId":null,"host":"node-1","port":9093}]}'
  const bytes = Uint8Array.from(text, unit => unit.charCodeAt(0))
  expect(decodeVoters(bytes)).toEqual(set(voter(1)))
  expect(encodeVoters(set(voter(1)))).toEqual(bytes)
})

test('equal sets have equal bytes in any order of voters', () => {
  expect(encodeVoters(set(voter(2), voter(1)))).toEqual(encodeVoters(set(voter(1), voter(2))))
})

test('bytes that are no voter set are corrupt', () => {
  for (const text of [
    '',
    '{',
    '[]',
    '{"voters":[{"nodeId":"1"}]}',
    '{"voters":[],"lost":1}',
    'null',
  ]) {
    const bytes = Uint8Array.from(text, unit => unit.charCodeAt(0))
    expect(() => decodeVoters(bytes)).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
  }
})

test('a set is in force from its entry on, until that is truncated', () => {
  const history = new VoterHistory(set(voter(1)))
  history.append(5, set(voter(1), voter(2)))
  history.append(9, set(voter(2)))
  expect(history.asOf(5)).toEqual(set(voter(1)))
  expect(history.asOf(6)).toEqual(set(voter(1), voter(2)))
  expect(history.current).toEqual([voter(2)])
  history.truncate(9)
  expect(history.current).toEqual([voter(1), voter(2)])
  history.dropPrefix(6)
  expect(history.current).toEqual([voter(1), voter(2)])
  history.truncate(6)
  expect(history.current).toEqual([voter(1), voter(2)])
})

test('a node with another directory is not the voter of that id', () => {
  const history = new VoterHistory(set(voter(1, 'disk-a'), voter(2)))
  expect(history.has(1, 'disk-a')).toBe(true)
  expect(history.has(1, 'disk-b')).toBe(false)
  expect(history.has(1, null)).toBe(true)
  expect(history.has(2, 'any')).toBe(true)
  expect(history.has(3, null)).toBe(false)
})
