import type { Clock } from '@trimaran/common'

export interface Timer {
  readonly deadlineMs: number
  readonly run: () => void
  /** Position in the heap; −1: not waiting any more. */
  index: number
}

/**
 * Many deadlines over one wake-up of the clock: a binary heap whose entries know their place, so that cancelling is
 * O(log n) and a cancelled deadline keeps nothing alive. Bounded by what is parked.
 */
export class TimerQueue {
  readonly #clock: Clock
  readonly #heap: Timer[] = []
  #armedForMs = Infinity
  #disarm: () => void = () => {}

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#heap.length
  }

  at(deadlineMs: number, run: () => void): Timer {
    const timer: Timer = { deadlineMs, run, index: this.#heap.length }
    this.#heap.push(timer)
    this.#up(timer)
    if (deadlineMs < this.#armedForMs) this.#arm(deadlineMs)
    return timer
  }

  /** Leaves the clock armed: an early wake finds nothing due and arms for what is next. */
  cancel(timer: Timer): void {
    const hole = timer.index
    if (hole < 0) return
    timer.index = -1
    const last = this.#heap.pop() as Timer
    if (last === timer) return
    last.index = hole
    this.#heap[hole] = last
    this.#up(last)
    this.#down(last)
  }

  stop(): void {
    this.#disarm()
    for (const timer of this.#heap) timer.index = -1
    this.#heap.length = 0
    this.#armedForMs = Infinity
  }

  #arm(deadlineMs: number): void {
    this.#disarm()
    this.#armedForMs = deadlineMs
    this.#disarm = this.#clock.wakeAt(deadlineMs, () => this.#wake())
  }

  #wake(): void {
    this.#armedForMs = Infinity
    this.#disarm = () => {}
    const nowMs = this.#clock.monotonicMs()
    for (let next = this.#heap[0]; next && next.deadlineMs <= nowMs; next = this.#heap[0]) {
      this.cancel(next)
      next.run()
    }
    const next = this.#heap[0]
    if (next && next.deadlineMs < this.#armedForMs) this.#arm(next.deadlineMs)
  }

  #up(timer: Timer): void {
    const heap = this.#heap
    while (timer.index > 0) {
      const at = (timer.index - 1) >> 1
      const parent = heap[at] as Timer
      if (parent.deadlineMs <= timer.deadlineMs) return
      heap[timer.index] = parent
      parent.index = timer.index
      heap[at] = timer
      timer.index = at
    }
  }

  #down(timer: Timer): void {
    const heap = this.#heap
    for (;;) {
      let at = timer.index * 2 + 1
      if (at >= heap.length) return
      const right = heap[at + 1]
      if (right && right.deadlineMs < (heap[at] as Timer).deadlineMs) at++
      const child = heap[at] as Timer
      if (timer.deadlineMs <= child.deadlineMs) return
      heap[timer.index] = child
      child.index = timer.index
      heap[at] = timer
      timer.index = at
    }
  }
}

/** Work put off to the end of the current turn of the event loop, however often it is asked for. */
export class EndOfTurn {
  readonly #clock: Clock
  readonly #run: () => void
  #cancel: (() => void) | null = null

  constructor(clock: Clock, run: () => void) {
    this.#clock = clock
    this.#run = run
  }

  request(): void {
    if (this.#cancel) return
    this.#cancel = this.#clock.wakeAt(this.#clock.monotonicMs(), () => {
      this.#cancel = null
      this.#run()
    })
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = null
  }
}
