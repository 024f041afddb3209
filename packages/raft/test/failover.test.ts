import { Prng } from '@trimaran/common'
import { expect, test } from 'vitest'
import { RaftDriver } from '../src/driver.ts'
import type { RaftListener } from '../src/ports.ts'
import { SimulatedStore } from '../src/testing/simulated-store.ts'
import { World } from './simulation/world.ts'

const seeds = 200
const voters = [1, 2, 3]

/** Three nodes on a good network and ordinary disks; connections break and come up as a kernel tells them. */
class Cluster {
  readonly world = new World()
  readonly up = new Map<number, RaftDriver>()
  readonly #prng: Prng
  readonly #stores = new Map<number, SimulatedStore>()
  leading: { readonly nodeId: number; readonly atMs: number } | null = null

  constructor(seed: number) {
    this.#prng = new Prng(seed)
  }

  start(nodeId: number): void {
    const store =
      this.#stores.get(nodeId) ??
      new SimulatedStore({
        clock: this.world,
        random: this.#prng.fork(nodeId),
        delayMs: { min: 1, max: 8 },
      })
    this.#stores.set(nodeId, store)
    const driver = new RaftDriver({
      config: {
        nodeId,
        directoryId: `directory-${nodeId}`,
        electionTimeoutMs: 1000,
        fetchTimeoutMs: 2000,
        electionBackoffMaxMs: 1000,
        bootstrapVoters: voters.map(id => ({ nodeId: id, host: `node-${id}`, port: 9093 })),
        bootstrapNodeIds: voters,
      },
      durable: store.durable.load(),
      clock: this.world,
      random: this.#prng.fork(nodeId),
      network: {
        send: (to, message) => {
          this.world.after(this.#prng.between(1, 2), () =>
            this.up.get(to)?.receive(nodeId, message),
          )
        },
      },
      store,
      listener: silentListener(() => {
        this.leading = { nodeId, atMs: this.world.nowMs }
      }),
    })
    this.up.set(nodeId, driver)
    driver.start()
    for (const other of this.up.keys()) {
      if (other === nodeId) continue
      this.world.after(this.#prng.between(5, 20), () => {
        this.up.get(nodeId)?.peerReachable(other)
        this.up.get(other)?.peerReachable(nodeId)
      })
    }
  }

  kill(nodeId: number): void {
    this.up.get(nodeId)?.stop()
    this.up.delete(nodeId)
    this.#stores.get(nodeId)?.crash()
    this.leading = null
    for (const driver of this.up.values()) {
      this.world.after(this.#prng.between(2, 25), () => driver.peerGone(nodeId))
    }
  }

  /** Until somebody leads and has applied everything; how long that took. */
  untilLeading(): number {
    const sinceMs = this.world.nowMs
    while (this.leading === null) this.world.step()
    return this.leading.atMs - sinceMs
  }

  pass(ms: number): void {
    const untilMs = this.world.nowMs + ms
    while (this.world.nowMs < untilMs) this.world.step()
  }
}

function silentListener(leading: () => void): RaftListener {
  return {
    committed: () => {},
    snapshotLoaded: () => {},
    leading,
    resigned: () => {},
    leaderChanged: () => {},
  }
}

const at = (sorted: readonly number[], percent: number): number =>
  sorted[Math.ceil((sorted.length * percent) / 100) - 1] as number

function sample(measure: (seed: number) => number): readonly number[] {
  const times = Array.from({ length: seeds }, (_, index) => measure(index + 1))
  times.sort((a, b) => a - b)
  return times
}

test('a killed leader is replaced within 150 ms, nearly always', () => {
  const times = sample(seed => {
    const cluster = new Cluster(seed)
    for (const nodeId of voters) cluster.start(nodeId)
    cluster.untilLeading()
    cluster.pass(1000)
    cluster.kill(cluster.leading?.nodeId as number)
    return cluster.untilLeading()
  })
  expect(at(times, 50)).toBeLessThan(100)
  expect(at(times, 95)).toBeLessThan(150)
  expect(at(times, 100)).toBeLessThan(600)
})

test('three nodes that start within 100 ms have a leader 200 ms after the last, nearly always', () => {
  const times = sample(seed => {
    const cluster = new Cluster(seed)
    const prng = new Prng(seed, 7)
    cluster.start(1)
    cluster.pass(prng.between(1, 50))
    cluster.start(2)
    cluster.pass(prng.between(1, 50))
    cluster.start(3)
    return cluster.untilLeading()
  })
  expect(at(times, 50)).toBeLessThan(120)
  expect(at(times, 95)).toBeLessThan(200)
  expect(at(times, 100)).toBeLessThan(600)
})

test('two of three nodes elect a leader without waiting for the third', () => {
  const times = sample(seed => {
    const cluster = new Cluster(seed)
    cluster.start(1)
    cluster.start(2)
    return cluster.untilLeading()
  })
  expect(at(times, 50)).toBeLessThan(150)
  expect(at(times, 95)).toBeLessThan(400)
})

test('a leader that is killed and back at once does not hold up the next election', () => {
  const times = sample(seed => {
    const cluster = new Cluster(seed)
    for (const nodeId of voters) cluster.start(nodeId)
    cluster.untilLeading()
    cluster.pass(1000)
    const leaderId = cluster.leading?.nodeId as number
    cluster.kill(leaderId)
    cluster.start(leaderId)
    return cluster.untilLeading()
  })
  expect(at(times, 50)).toBeLessThan(150)
  expect(at(times, 95)).toBeLessThan(400)
})
