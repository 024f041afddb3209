import type { Clock } from '@trimaran/common'

interface Timer {
  readonly deadlineMs: number
  readonly order: number
  readonly wake: () => void
}

/** Time stands still until a test moves it. */
export class SimClock implements Clock {
  #nowMs = 1000
  #order = 0
  readonly #timers = new Set<Timer>()

  monotonicMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs
  }

  wakeAt(deadlineMs: number, wake: () => void): () => void {
    const timer = { deadlineMs, order: this.#order++, wake }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** Lets everything happen that is due in the next `ms`, promises in between included. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await settled()
    for (;;) {
      const next = this.#earliest()
      if (next === undefined || next.deadlineMs > endMs) break
      this.#timers.delete(next)
      this.#nowMs = Math.max(this.#nowMs, next.deadlineMs)
      next.wake()
      await settled()
    }
    this.#nowMs = endMs
  }

  #earliest(): Timer | undefined {
    let first: Timer | undefined
    for (const timer of this.#timers) {
      if (first === undefined || timer.deadlineMs < first.deadlineMs) first = timer
      else if (timer.deadlineMs === first.deadlineMs && timer.order < first.order) first = timer
    }
    return first
  }
}

/** Every promise that can settle without time has settled. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve()
}
