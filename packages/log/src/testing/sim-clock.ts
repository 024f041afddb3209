import type { Clock } from '@trimaran/common'

interface Wake {
  readonly deadlineMs: number
  readonly wake: () => void
}

/** A clock that stands still until it is told to move. */
export class SimClock implements Clock {
  #nowMs = 0
  readonly #startWallMs: number
  #wakes: Wake[] = []

  constructor(startWallMs = 1_700_000_000_000) {
    this.#startWallMs = startWallMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return this.#startWallMs + Math.floor(this.#nowMs)
  }

  wakeAt(deadlineMs: number, wake: () => void): () => void {
    const entry = { deadlineMs, wake }
    this.#wakes.push(entry)
    return () => {
      this.#wakes = this.#wakes.filter(other => other !== entry)
    }
  }

  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs
    for (;;) {
      const due = this.#wakes.filter(wake => wake.deadlineMs <= untilMs)
      due.sort((a, b) => a.deadlineMs - b.deadlineMs)
      const next = due[0]
      if (next === undefined) break
      this.#wakes = this.#wakes.filter(other => other !== next)
      this.#nowMs = Math.max(this.#nowMs, next.deadlineMs)
      next.wake()
    }
    this.#nowMs = untilMs
  }

  /** The process died: nobody waits any more. */
  forgetWakes(): void {
    this.#wakes = []
  }
}
