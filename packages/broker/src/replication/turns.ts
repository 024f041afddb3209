import type { Clock } from '@trimaran/common'

/**
 * Work in steps, so many in one turn of the event loop: what is small is done before `run` returns, what is large goes on
 * in the turns after. Pieces of work are done in the order in which they came, one after the other.
 */
export class Turns {
  readonly #clock: Clock
  readonly #stepsPerTurn: number
  readonly #turnEnded: () => void
  readonly #waiting: Iterator<void>[] = []
  #stepsLeft: number
  #cancel: (() => void) | null = null
  #isTaking = false
  #isStopped = false

  /** `turnEnded`: after the last step of each turn in which there was one. */
  constructor(options: {
    readonly clock: Clock
    readonly stepsPerTurn: number
    readonly turnEnded: () => void
  }) {
    this.#clock = options.clock
    this.#stepsPerTurn = options.stepsPerTurn
    this.#stepsLeft = options.stepsPerTurn
    this.#turnEnded = options.turnEnded
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0
  }

  run(work: Iterable<void>): void {
    if (this.#isStopped) return
    this.#waiting.push(work[Symbol.iterator]())
    this.#take()
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
    this.#waiting.length = 0
  }

  /** Calls of one turn share its steps. */
  #take(): void {
    // A step that brings more work is over before that begins.
    if (this.#isTaking) return
    this.#isTaking = true
    try {
      while (this.#stepsLeft > 0 && this.#waiting.length > 0) {
        if ((this.#waiting[0] as Iterator<void>).next().done === true) this.#waiting.shift()
        else this.#stepsLeft--
      }
    } finally {
      this.#isTaking = false
    }
    this.#turnEnded()
    if (this.#stepsLeft === this.#stepsPerTurn) return
    this.#cancel ??= this.#clock.wakeAt(this.#clock.monotonicMs(), () => {
      this.#cancel = null
      this.#stepsLeft = this.#stepsPerTurn
      if (this.#waiting.length > 0) this.#take()
    })
  }
}
