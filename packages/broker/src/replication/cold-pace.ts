import type { Clock } from '@trimaran/common'
import type { TimerQueue } from './timers.ts'

/** Records that come in at this rate, 4 MB/s, are a load that readers of old ones have to make room for. */
const busyBytesPerMs = 4_000
/**
 * Of old records from one node beside such a load: 64 MB/s. Reading a megabyte takes a tenth of what it takes to write and
 * replicate one, but a reader that lags asks for all that it can get: at 150 MB/s from each of three nodes on two cores it
 * took two fifths of the producers' rate.
 */
const coldBytesPerMs = 64_000
/** Over shorter times a rate says nothing. */
const lookMs = 50

/** When old records may be read, so that who reads last week's does not slow down who writes now. */
export class ColdPace {
  readonly #clock: Clock
  readonly #timers: TimerQueue
  readonly #appendedBytes: () => number
  #lookedMs: number
  #lookedBytes: number
  #isBusy = false
  /** All that was read until now is paid for then. */
  #freeMs = 0

  /** `appendedBytes`: since the broker began. */
  constructor(clock: Clock, timers: TimerQueue, appendedBytes: () => number) {
    this.#clock = clock
    this.#timers = timers
    this.#appendedBytes = appendedBytes
    this.#lookedMs = clock.monotonicMs()
    this.#lookedBytes = appendedBytes()
  }

  /** Resolves when `sizeBytes` may be read. */
  async turn(sizeBytes: number): Promise<void> {
    const nowMs = this.#clock.monotonicMs()
    this.#look(nowMs)
    if (!this.#isBusy) return
    const startMs = Math.max(nowMs, this.#freeMs)
    this.#freeMs = startMs + sizeBytes / coldBytesPerMs
    if (startMs > nowMs) await new Promise<void>(go => this.#timers.at(startMs, go))
  }

  #look(nowMs: number): void {
    const elapsedMs = nowMs - this.#lookedMs
    if (elapsedMs < lookMs) return
    const bytes = this.#appendedBytes()
    this.#isBusy = bytes - this.#lookedBytes >= elapsedMs * busyBytesPerMs
    this.#lookedMs = nowMs
    this.#lookedBytes = bytes
  }
}
