/** Of the event loop's time. Above, others wait for those who always have more to ask. */
const BUSY_SHARE = 0.5
/** A judgement needs so much to look at; what is about to be asked for again is not judged twice. */
const JUDGE_EVERY_MS = 20
/** Nobody asked for so long: nobody waits any more, and what was found out then says nothing of now. */
const FORGOTTEN_AFTER_MS = 250
const WAIT_MIN_MS = 1
/** Five requests in so many are still hundreds a second. */
const WAIT_MAX_MS = 20
const LONGER = 1.5
const SHORTER = 0.8

/**
 * How long clients that always have more requests waiting than they may have under way let the node alone before their next
 * ones. Without it they are in line whatever else comes, and everybody else's requests stand behind theirs on every node that
 * they pass: beside two such connections to each of three nodes on two cores, another client's acknowledgement p99 was 29 to
 * 47 ms, and is 19 to 40 ms with it.
 *
 * The wait grows as long as the event loop is busy, and goes away when it is not: a client that is alone on a machine with
 * room gets what the node can do.
 */
export class BacklogPace {
  readonly #nowMs: () => number
  readonly #busyShare: () => number
  #judgedMs: number
  #waitMs = 0

  /** `busyShare`: of the event loop's time since it was asked the last time, between 0 and 1. */
  constructor(nowMs: () => number, busyShare: () => number) {
    this.#nowMs = nowMs
    this.#busyShare = busyShare
    this.#judgedMs = nowMs()
  }

  /** Of those who wait now; 0: nobody does. */
  get presentWaitMs(): number {
    return this.#isForgotten(this.#nowMs()) ? 0 : this.#waitMs
  }

  /** For whoever has to wait now; 0: nobody has to. */
  waitMs(): number {
    const nowMs = this.#nowMs()
    if (nowMs - this.#judgedMs >= JUDGE_EVERY_MS) {
      if (this.#isForgotten(nowMs)) this.#waitMs = 0
      this.#judgedMs = nowMs
      const isBusy = this.#busyShare() > BUSY_SHARE
      if (isBusy) this.#waitMs = Math.min(Math.max(this.#waitMs * LONGER, WAIT_MIN_MS), WAIT_MAX_MS)
      else this.#waitMs = this.#waitMs * SHORTER < WAIT_MIN_MS ? 0 : this.#waitMs * SHORTER
    }
    return this.#waitMs
  }

  #isForgotten(nowMs: number): boolean {
    return nowMs - this.#judgedMs > FORGOTTEN_AFTER_MS
  }
}
