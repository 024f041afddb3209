/** What clients that always have more to ask may do to a node. */
interface Bounds {
  /** Of the event loop's time. Above, they wait. */
  readonly busyShare: number
  readonly waitMaxMs: number
}

/** Nobody else is connected here; but the node may be the follower of one that somebody waits for. */
const BOUNDS_ALONE: Bounds = { busyShare: 0.5, waitMaxMs: 20 }
const BOUNDS_BESIDE_OTHERS: Bounds = { busyShare: 0.25, waitMaxMs: 50 }
/** A judgement needs so much to look at; what is about to be asked for again is not judged twice. */
const JUDGE_EVERY_MS = 20
/** Nobody asked for so long: nobody waits any more, and what was found out then says nothing of now. */
const FORGOTTEN_AFTER_MS = 250
const WAIT_MIN_MS = 1
const LONGER = 1.5
const SHORTER = 0.8

/**
 * How long clients that always have more requests waiting than they may have under way let the node alone before their next
 * ones. Without it they are in line whatever else comes, and everybody else's requests stand behind theirs on every node that
 * they pass: beside two such connections to each of three nodes on two cores, another client's acknowledgement p99 was 20 to
 * 99 ms where it was 6 to 11 ms alone, and is 6 to 20 ms with it.
 *
 * The wait grows as long as the event loop is busy, and goes away when it is not: a client that is alone on a machine with
 * room gets what the node can do.
 */
export class BacklogPace {
  readonly #nowMs: () => number
  readonly #busyShare: () => number
  #judgedMs: number
  #othersMs = Number.NEGATIVE_INFINITY
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

  /** A request came at `nowMs` from a client that has no more of them than it may have under way. */
  servesOthers(nowMs: number): void {
    this.#othersMs = nowMs
  }

  /** For whoever has to wait now; 0: nobody has to. */
  waitMs(): number {
    const nowMs = this.#nowMs()
    if (nowMs - this.#judgedMs >= JUDGE_EVERY_MS) {
      if (this.#isForgotten(nowMs)) this.#waitMs = 0
      this.#judgedMs = nowMs
      this.#judge(nowMs - this.#othersMs > FORGOTTEN_AFTER_MS ? BOUNDS_ALONE : BOUNDS_BESIDE_OTHERS)
    }
    return this.#waitMs
  }

  #judge({ busyShare, waitMaxMs }: Bounds): void {
    const isBusy = this.#busyShare() > busyShare
    if (isBusy) this.#waitMs = Math.min(Math.max(this.#waitMs * LONGER, WAIT_MIN_MS), waitMaxMs)
    else this.#waitMs = this.#waitMs * SHORTER < WAIT_MIN_MS ? 0 : this.#waitMs * SHORTER
  }

  #isForgotten(nowMs: number): boolean {
    return nowMs - this.#judgedMs > FORGOTTEN_AFTER_MS
  }
}
