import type { Offset } from './ids.ts'

/**
 * Parked answers: replies that wait, in offset order, until a log's high watermark passes them. Waiting is data; nobody
 * is called back up the stack. Used by the controller, the coordinators and produce.
 */
export class OffsetWaiters<T> {
  readonly #settle: (value: T, outcome: 'passed' | 'failed') => void
  /** Sorted by offset; equal offsets in the order of parking. */
  readonly #parked: { readonly offset: Offset; readonly value: T }[] = []

  constructor(settle: (value: T, outcome: 'passed' | 'failed') => void) {
    this.#settle = settle
  }

  get count(): number {
    return this.#parked.length
  }

  /** `offset` is an exclusive end: the answer settles once the high watermark is at or above it. */
  park(offset: Offset, value: T): void {
    let at = this.#parked.length
    while (at > 0 && (this.#parked[at - 1] as { offset: Offset }).offset > offset) at--
    this.#parked.splice(at, 0, { offset, value })
  }

  advance(highWatermark: Offset): void {
    let passed = 0
    while (
      passed < this.#parked.length &&
      (this.#parked[passed] as { offset: Offset }).offset <= highWatermark
    ) {
      passed++
    }
    if (passed === 0) return
    for (const waiter of this.#parked.splice(0, passed)) this.#settle(waiter.value, 'passed')
  }

  /** Leadership is lost or the log is gone: the outcome of what is parked is not known here any more. */
  failAll(): void {
    for (const waiter of this.#parked.splice(0)) this.#settle(waiter.value, 'failed')
  }
}
