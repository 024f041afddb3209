import { Prng } from '@trimaran/common'
import { expect, test } from 'vitest'
import { quorumStoreSuite } from '../src/testing/quorum-store-suite.ts'
import { SimulatedStore } from '../src/testing/simulated-store.ts'
import { World } from './simulation/world.ts'

const make = async () => {
  const world = new World()
  const store = new SimulatedStore({
    clock: world,
    random: new Prng(1),
    delayMs: { min: 0, max: 5 },
  })
  const write: SimulatedStore['write'] = (content, done) => {
    store.write(content, done)
    // The simulated disk works as soon as it is asked.
    void Promise.resolve().then(() => {
      while (world.step());
    })
  }
  return {
    open: async () => ({ store: { write }, durable: store.durable.load() }),
    halt: async () => store.crash(),
  }
}

test.each(quorumStoreSuite(make))('simulated store: $name', async each => {
  await expect(each.run()).resolves.toBeUndefined()
})

test('a crash keeps a prefix of the writes under way and tells nobody that they are done', () => {
  const kept = new Set<number>()
  for (let seed = 1; seed <= 50; seed++) {
    const world = new World()
    const store = new SimulatedStore({
      clock: world,
      random: new Prng(seed),
      delayMs: { min: 1, max: 5 },
    })
    let done = 0
    for (let epoch = 1; epoch <= 3; epoch++) {
      store.write({ vote: { epoch, votedFor: null, led: false } }, () => done++)
    }
    store.crash()
    while (world.step());
    expect(done).toBe(0)
    kept.add(store.durable.load().vote.epoch)
  }
  expect([...kept].sort((a, b) => a - b)).toEqual([0, 1, 2, 3])
})
