import { Prng } from '@trimaran/common'
import { Delta, emptyImage, type Image } from '@trimaran/metadata'
import { expect, test } from 'vitest'
import { place } from '../src/placement.ts'
import { uuid } from './harness.ts'

interface TestBroker {
  readonly id: number
  readonly rack: string | null
  readonly isUp: boolean
}

function imageOf(brokers: readonly TestBroker[]): Image {
  const delta = new Delta(emptyImage)
  for (const { id, rack, isUp } of brokers) {
    delta.replay({
      kind: 'registerBroker',
      brokerId: id,
      brokerEpoch: id,
      incarnationId: uuid(id),
      endpoints: [],
      nodeHost: 'h',
      nodePort: 1,
      rack,
      logDirs: [],
    })
    const flags = { brokerId: id, brokerEpoch: id, fenced: !isUp, inControlledShutdown: null }
    delta.replay({ kind: 'brokerChange', ...flags })
  }
  return delta.apply(1)
}

const spread = (counts: readonly number[]): number => Math.max(...counts) - Math.min(...counts)

const countOf = (list: readonly number[], ids: readonly number[]): number[] =>
  ids.map(id => list.filter(each => each === id).length)

function placed(image: Image, seed: number, partitionCount: number, replicationFactor: number) {
  const result = place(image, new Prng(seed), { partitionCount, replicationFactor, existing: [] })
  return result.ok ? result.assignments : []
}

test('leaders and replicas are even, whatever the numbers', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Prng(seed)
    const ids = Array.from({ length: random.between(1, 9) }, (_, at) => at + 1)
    const image = imageOf(ids.map(id => ({ id, rack: null, isUp: true })))
    const assignments = placed(image, seed, random.between(1, 40), random.between(1, ids.length))
    expect(
      spread(
        countOf(
          assignments.map(each => each[0] ?? -1),
          ids,
        ),
      ),
    ).toBeLessThanOrEqual(1)
    expect(spread(countOf(assignments.flat(), ids))).toBeLessThanOrEqual(2)
    for (const replicas of assignments) expect(new Set(replicas).size).toBe(replicas.length)
  }
})

test('replicas are in different racks, evenly, when racks are alike', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = new Prng(seed)
    const rackCount = random.between(2, 4)
    const perRack = random.between(1, 4)
    const brokers = Array.from({ length: rackCount * perRack }, (_, at) => ({
      id: at + 1,
      rack: `rack-${at % rackCount}`,
      isUp: true,
    }))
    const rackOf = (id: number): string => `rack-${(id - 1) % rackCount}`
    const assignments = placed(imageOf(brokers), seed, random.between(1, 30), rackCount)
    for (const replicas of assignments) {
      expect(new Set(replicas.map(rackOf)).size).toBe(rackCount)
    }
    const ids = brokers.map(broker => broker.id)
    expect(
      spread(
        countOf(
          assignments.map(each => each[0] ?? -1),
          ids,
        ),
      ),
    ).toBeLessThanOrEqual(1)
    expect(spread(countOf(assignments.flat(), ids))).toBeLessThanOrEqual(2)
  }
})

test('uneven racks still keep the replicas of a partition apart', () => {
  const racks = ['a', 'a', 'a', 'b', 'c']
  const image = imageOf(racks.map((rack, at) => ({ id: at + 1, rack, isUp: true })))
  for (const replicas of placed(image, 5, 20, 3)) {
    expect(new Set(replicas.map(id => racks[id - 1])).size).toBe(3)
  }
  for (const replicas of placed(image, 5, 20, 4)) {
    expect(new Set(replicas.map(id => racks[id - 1])).size).toBe(3)
  }
})

test('brokers that are down are taken last, and never lead', () => {
  const brokers = [1, 2, 3, 4].map(id => ({ id, rack: null, isUp: id <= 2 }))
  const two = placed(imageOf(brokers), 3, 8, 2)
  expect(two.flat().every(id => id <= 2)).toBe(true)
  const three = placed(imageOf(brokers), 3, 8, 3)
  expect(three.every(replicas => (replicas[0] ?? 9) <= 2 && (replicas[2] ?? 0) >= 3)).toBe(true)
})

test('one-partition topics begin at random brokers', () => {
  const image = imageOf([1, 2, 3].map(id => ({ id, rack: null, isUp: true })))
  const random = new Prng(4)
  const first = new Set<number>()
  for (let topic = 0; topic < 40; topic++) {
    const result = place(image, random, { partitionCount: 1, replicationFactor: 1, existing: [] })
    first.add(result.ok ? (result.assignments[0]?.[0] ?? -1) : -1)
  }
  expect(first).toEqual(new Set([1, 2, 3]))
})

test.each([
  ['nobody is up', 1, [{ id: 1, rack: null, isUp: false }], 'fenced'],
  ['nobody is there', 1, [], 'fenced'],
  ['there are too few', 2, [{ id: 1, rack: null, isUp: true }], 'only 1 broker(s)'],
])('placement says when %s', (_what, replicationFactor, brokers, message) => {
  const request = { partitionCount: 1, replicationFactor, existing: [] }
  expect(place(imageOf(brokers), new Prng(1), request)).toEqual({
    ok: false,
    error: expect.stringContaining(message) as string,
  })
})

test('the largest request is placed in a moment', () => {
  const brokers = Array.from({ length: 1000 }, (_, at) => ({
    id: at + 1,
    rack: `rack-${at % 3}`,
    isUp: true,
  }))
  expect(placed(imageOf(brokers), 1, 10_000, 3)).toHaveLength(10_000)
})
