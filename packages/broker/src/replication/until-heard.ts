import { ClusterError } from '@trimaran/common'
import type { Clock } from '@trimaran/common'
import { EndOfTurn } from './timers.ts'

const retryMs = 100
const retryMaxMs = 5_000

/**
 * What the controller has to be told is told at the end of the turn, in one request at a time, and told again until it is heard:
 * after 100 ms, then ever later.
 */
export class UntilHeard {
  readonly #clock: Clock
  readonly #tell: () => Promise<boolean> | null
  readonly #endOfTurn: EndOfTurn
  #isInFlight = false
  #failures = 0
  #cancelRetry: (() => void) | null = null
  #isStopped = false

  /**
   * @param tell Null: there is nothing to tell (any more). False, or a ClusterError: not all of it was heard. After true it is
   *   asked once more, for what has come meanwhile.
   */
  constructor(clock: Clock, tell: () => Promise<boolean> | null) {
    this.#clock = clock
    this.#tell = tell
    this.#endOfTurn = new EndOfTurn(clock, () => this.#send())
  }

  /** There is something new to tell. */
  request(): void {
    if (!this.#cancelRetry) this.#endOfTurn.request()
  }

  stop(): void {
    this.#isStopped = true
    this.#endOfTurn.stop()
    this.#cancelRetry?.()
  }

  #send(): void {
    if (this.#isInFlight || this.#isStopped) return
    const told = this.#tell()
    if (told === null) {
      this.#failures = 0
      return
    }
    this.#isInFlight = true
    told.then(
      isHeard => {
        this.#isInFlight = false
        if (!isHeard) {
          this.#retryLater()
          return
        }
        this.#failures = 0
        this.#send()
      },
      (error: unknown) => {
        this.#isInFlight = false
        if (!(error instanceof ClusterError)) throw error
        this.#retryLater()
      },
    )
  }

  #retryLater(): void {
    if (this.#isStopped) return
    const delayMs = Math.min(retryMs * 2 ** Math.min(this.#failures++, 6), retryMaxMs)
    this.#cancelRetry = this.#clock.wakeAt(this.#clock.monotonicMs() + delayMs, () => {
      this.#cancelRetry = null
      this.#send()
    })
  }
}
