import type { Clock } from '@trimaran/common'

interface Event {
  readonly atMs: number
  readonly order: number
  run: (() => void) | null
}

/** Virtual time: one heap of events; time moves only when one is taken. */
export class World implements Clock {
  nowMs = 0
  events = 0
  readonly #heap: Event[] = []
  #order = 0

  monotonicMs(): number {
    return this.nowMs
  }

  wallMs(): number {
    return 1_700_000_000_000 + Math.floor(this.nowMs)
  }

  wakeAt(deadlineMs: number, wake: () => void): () => void {
    const event: Event = { atMs: Math.max(deadlineMs, this.nowMs), order: this.#order++, run: wake }
    this.#push(event)
    return () => {
      event.run = null
    }
  }

  after(delayMs: number, run: () => void): () => void {
    return this.wakeAt(this.nowMs + delayMs, run)
  }

  /** False when nothing will ever happen again. */
  step(): boolean {
    const event = this.#pop()
    if (event === undefined) return false
    if (event.run === null) return true
    this.nowMs = event.atMs
    this.events++
    event.run()
    return true
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.push(event) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(event, heap[parent] as Event)) break
      heap[at] = heap[parent] as Event
      at = parent
    }
    heap[at] = event
  }

  #pop(): Event | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++
      if (!before(heap[child] as Event, last)) break
      heap[at] = heap[child] as Event
      at = child
    }
    heap[at] = last
    return first
  }
}

const before = (a: Event, b: Event): boolean =>
  a.atMs !== b.atMs ? a.atMs < b.atMs : a.order < b.order
