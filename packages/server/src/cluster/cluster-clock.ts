import type { Clock } from '@trimaran/common'
import { systemClock } from '../ports/clock.ts'

/**
 * Time moves on by this much at once, and then whoever it woke gets to say what he has to say. Small against every
 * time-out: nobody is taken for dead because his heartbeat had no time to travel.
 */
const STEP_MS = 50

interface Wake {
  readonly deadlineMs: number
  readonly wake: () => void
  cancel: () => void
}

/** The machine's time plus what tests have added to it; one clock for all nodes of a cluster. */
export class ClusterClock implements Clock {
  #aheadMs = 0
  readonly #waiting = new Set<Wake>()
  #advancing: Promise<void> = Promise.resolve()

  /** How far it is ahead of the machine's. */
  get aheadMs(): number {
    return this.#aheadMs
  }

  monotonicMs(): number {
    return systemClock.monotonicMs() + this.#aheadMs
  }

  wallMs(): number {
    return systemClock.wallMs() + Math.round(this.#aheadMs)
  }

  wakeAt(deadlineMs: number, wake: () => void): () => void {
    const entry: Wake = { deadlineMs, wake, cancel: () => {} }
    this.#waiting.add(entry)
    this.#arm(entry)
    return () => {
      if (this.#waiting.delete(entry)) entry.cancel()
    }
  }

  /** Step by step; `settled` resolves when what a step set off is done. One after the other. */
  advance(byMs: number, settled: () => Promise<void>): Promise<void> {
    const done = this.#advancing.then(() => this.#advance(byMs, settled))
    this.#advancing = done.catch(() => {})
    return done
  }

  async #advance(byMs: number, settled: () => Promise<void>): Promise<void> {
    for (let leftMs = byMs; leftMs > 0; leftMs -= STEP_MS) {
      this.#aheadMs += Math.min(STEP_MS, leftMs)
      const nowMs = this.monotonicMs()
      this.#rearm(entry => entry.deadlineMs <= nowMs)
      await settled()
    }
    this.#rearm(() => true)
  }

  #rearm(which: (entry: Wake) => boolean): void {
    const due = [...this.#waiting].filter(which).toSorted((a, b) => a.deadlineMs - b.deadlineMs)
    for (const entry of due) {
      entry.cancel()
      this.#arm(entry)
    }
  }

  #arm(entry: Wake): void {
    entry.cancel = systemClock.wakeAt(entry.deadlineMs - this.#aheadMs, () => {
      this.#waiting.delete(entry)
      entry.wake()
    })
  }
}
