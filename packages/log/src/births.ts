import type { Clock } from '@trimaran/common'

/** Files that a turn of the event loop makes: at some 0.3 ms for a log's directory and two files, five milliseconds. */
export const birthsPerTurn = 16
/** Where the device or the file system is slow, fewer. */
const turnMs = 5
/** What may be in memory alone: first records of 2,000 logs, 8 KiB each. */
const waitingBytesMax = 16 * 1024 * 1024

/**
 * New files on their way to the disk. A few are made at once, the others in the turns of the event loop after, in the order
 * in which they came: the first records of thousands of partitions come at the same moment.
 */
export class Births {
  readonly #clock: Clock
  readonly #perTurn: number
  readonly #waiting = new Map<object, () => void>()
  #waitingBytes = 0
  #left: number
  #spentMs = 0
  #cancel: (() => void) | null = null

  constructor(clock: Clock, perTurn: number) {
    this.#clock = clock
    this.#perTurn = perTurn
    this.#left = perTurn
  }

  /** False: there is room for one more in this turn, or none for its bytes in memory. */
  mustWait(sizeBytes: number): boolean {
    const isFull = this.#waiting.size > 0 || this.#isOver
    return isFull && this.#waitingBytes + sizeBytes <= waitingBytesMax
  }

  get #isOver(): boolean {
    return this.#left === 0 || this.#spentMs >= turnMs
  }

  /** With so many more bytes. `make` is called in one of the next turns, unless the file is forgotten before. */
  wait(file: object, sizeBytes: number, make: () => void): void {
    if (!this.#waiting.has(file)) this.#waiting.set(file, make)
    this.#waitingBytes += sizeBytes
    this.#arm()
  }

  /** It is made, or not wanted any more. */
  forget(file: object, sizeBytes: number): void {
    if (this.#waiting.delete(file)) this.#waitingBytes -= sizeBytes
  }

  now(make: () => void): void {
    this.#arm()
    this.#left = Math.max(0, this.#left - 1)
    const startedMs = this.#clock.monotonicMs()
    try {
      make()
    } finally {
      this.#spentMs += this.#clock.monotonicMs() - startedMs
    }
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = null
  }

  #arm(): void {
    this.#cancel ??= this.#clock.wakeAt(this.#clock.monotonicMs(), () => this.#turn())
  }

  #turn(): void {
    this.#cancel = null
    this.#left = this.#perTurn
    this.#spentMs = 0
    for (const make of this.#waiting.values()) {
      if (this.#isOver) break
      this.now(make)
    }
  }
}
