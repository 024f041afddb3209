import { assert, Prng } from '@trimaran/common'
import { type MapKey, PersistentMap } from '@trimaran/metadata'
import { expect, test } from 'vitest'

/** Found by search: text keys of one 32-bit hash, so that collisions are met without millions of keys. */
const colliding: readonly string[] = ['dsmmekes', 'vamkpxtr', 'kwsbvsab', 'yylutwxa']

const sorted = <K extends MapKey>(entries: Iterable<[K, number]>): [K, number][] =>
  [...entries].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))

test('a persistent map does what a Map does, whatever the order of changes', () => {
  for (let seed = 0; seed < 40; seed++) {
    const random = new Prng(seed)
    const model = new Map<string, number>()
    let map = PersistentMap.empty<string, number>()
    for (let round = 0; round < 30; round++) {
      const before = map
      const contentBefore = sorted(before)
      const editor = map.edit()
      for (let change = random.between(0, 40); change > 0; change--) {
        const key = random.chance(1, 8) ? random.pick(colliding) : `key-${random.between(0, 300)}`
        if (random.chance(2, 5)) {
          assert(editor.delete(key) === model.delete(key), 'delete tells whether it was there')
        } else {
          const value = random.between(0, 3)
          editor.set(key, value)
          model.set(key, value)
        }
        expect(editor.size).toBe(model.size)
      }
      map = editor.freeze()
      expect(sorted(map)).toEqual(sorted(model))
      for (const key of [...model.keys(), 'absent']) {
        expect(map.get(key)).toBe(model.get(key))
        expect(map.has(key)).toBe(model.has(key))
      }
      expect(sorted(before)).toEqual(contentBefore)
    }
  }
})

test('iteration order depends on the content alone, not on how it came to be', () => {
  for (let seed = 0; seed < 40; seed++) {
    const random = new Prng(seed)
    const keys = [...colliding, ...Array.from({ length: 200 }, (_, at) => `topic-${at}`)]
    const wanted = keys.filter(() => random.chance(1, 2))
    const straight = PersistentMap.from(wanted.map(key => [key, 1] as const))
    const editor = PersistentMap.empty<string, number>().edit()
    for (const key of keys.toReversed()) editor.set(key, 1)
    for (const key of keys) if (!wanted.includes(key)) editor.delete(key)
    expect([...editor.freeze()]).toEqual([...straight])
    expect([...straight.keys()]).toEqual([...straight].map(([key]) => key))
    expect([...straight.values()]).toEqual([...straight].map(([, value]) => value))
  }
})

test('number keys work like text keys', () => {
  const map = PersistentMap.from(Array.from({ length: 1000 }, (_, id) => [id, id * 2] as const))
  expect(map.size).toBe(1000)
  for (let id = 0; id < 1000; id++) expect(map.get(id)).toBe(id * 2)
  expect(map.get(1000)).toBeUndefined()
})

test('a version without changes is the version it came from', () => {
  const map = PersistentMap.from<string, number>([['a', 1]])
  const editor = map.edit()
  expect(editor.freeze()).toBe(map)
  editor.set('a', 1)
  editor.delete('b')
  expect(editor.freeze()).toBe(map)
  editor.set('a', 2)
  const next = editor.freeze()
  expect(next.get('a')).toBe(2)
  editor.set('a', 3)
  expect(next.get('a')).toBe(2)
  expect(editor.get('a')).toBe(3)
})
