import type { Clock } from '@trimaran/common'

/**
 * A deadline that belongs to something, as data. Arming it again moves it; that costs nothing for a later deadline,
 * which is what every heartbeat does.
 */
export class Timer {
  readonly fire: () => void
  /** Monotonic milliseconds; Infinity: not armed. */
  deadlineMs = Infinity
  /** Where the heap holds it; Infinity: not in the heap. Never later than `deadlineMs` while armed. */
  queuedAtMs = Infinity

  constructor(fire: () => void) {
    this.fire = fire
  }

  get armed(): boolean {
    return this.deadlineMs !== Infinity
  }
}

/** All deadlines of a coordinator on one alarm of the clock: a binary heap, moved lazily. */
export class Timers {
  readonly #clock: Clock
  readonly #heap: { readonly atMs: number; readonly timer: Timer }[] = []
  #stopped = false
  #alarmAtMs = Infinity
  #cancelAlarm: (() => void) | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  nowMs(): number {
    return this.#clock.monotonicMs()
  }

  arm(timer: Timer, delayMs: number): void {
    if (this.#stopped) return
    timer.deadlineMs = this.nowMs() + delayMs
    if (timer.deadlineMs < timer.queuedAtMs) this.#push(timer)
    this.#setAlarm()
  }

  disarm(timer: Timer): void {
    timer.deadlineMs = Infinity
  }

  /** Entries in the heap: bounded by the timers that exist plus those moved to an earlier deadline. */
  get count(): number {
    return this.#heap.length
  }

  stop(): void {
    this.#stopped = true
    this.#heap.length = 0
    this.#cancelAlarm?.()
    this.#cancelAlarm = null
    this.#alarmAtMs = Infinity
  }

  #setAlarm(): void {
    const atMs = this.#heap[0]?.atMs ?? Infinity
    if (atMs === this.#alarmAtMs) return
    this.#cancelAlarm?.()
    this.#alarmAtMs = atMs
    this.#cancelAlarm = atMs === Infinity ? null : this.#clock.wakeAt(atMs, () => this.#wake())
  }

  #wake(): void {
    this.#cancelAlarm = null
    this.#alarmAtMs = Infinity
    const nowMs = this.nowMs()
    for (let head = this.#heap[0]; head !== undefined && head.atMs <= nowMs; head = this.#heap[0]) {
      this.#pop()
      const { timer } = head
      if (timer.queuedAtMs !== head.atMs) continue
      timer.queuedAtMs = Infinity
      if (timer.deadlineMs > nowMs) {
        if (timer.armed) this.#push(timer)
        continue
      }
      timer.deadlineMs = Infinity
      timer.fire()
    }
    this.#setAlarm()
  }

  #push(timer: Timer): void {
    timer.queuedAtMs = timer.deadlineMs
    const heap = this.#heap
    const entry = { atMs: timer.deadlineMs, timer }
    let at = heap.length
    heap.push(entry)
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent] as (typeof heap)[number]
      if (above.atMs <= entry.atMs) break
      heap[at] = above
      at = parent
    }
    heap[at] = entry
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      const right = heap[child + 1]
      if (right !== undefined && right.atMs < (heap[child] as (typeof heap)[number]).atMs) child++
      const below = heap[child]
      if (below === undefined || below.atMs >= last.atMs) break
      heap[at] = below
      at = child
    }
    heap[at] = last
  }
}
