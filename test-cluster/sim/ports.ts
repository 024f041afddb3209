import type { Clock } from '@trimaran/common'
import type { Owner, World } from './world.ts'

/** Where simulated Unix time begins. */
const startWallMs = 1_700_000_000_000

/** Virtual time as one process sees it: dies with its life, stands still with it; its wall clock may be wrong. */
export class SimClock implements Clock {
  readonly #world: World
  readonly #owner: Owner
  wallSkewMs: number

  constructor(world: World, owner: Owner, wallSkewMs = 0) {
    this.#world = world
    this.#owner = owner
    this.wallSkewMs = wallSkewMs
  }

  monotonicMs(): number {
    return this.#world.nowUs / 1000
  }

  wallMs(): number {
    return startWallMs + this.wallSkewMs + Math.floor(this.#world.nowUs / 1000)
  }

  wakeAt(deadlineMs: number, wake: () => void): () => void {
    let atUs = Math.ceil(deadlineMs * 1000)
    // Rounding must not wake anybody before its time.
    if (atUs / 1000 < deadlineMs) atUs++
    return this.#world.at(atUs, this.#owner, wake)
  }
}
