import type { Offset } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import type { Partition } from './partition.ts'
import { EndOfTurn } from './timers.ts'
import type { Timer, TimerQueue } from './timers.ts'
import type {
  AppendResult,
  DeleteRecordsResult,
  FetchRequest,
  FetchResult,
  Waiting,
} from './types.ts'
import type { Clock } from '@trimaran/common'

/*
 * What is parked is bounded by the requests in flight per connection, which the listener limits: each parks once. A
 * part of a timed-out produce stays in its partition's list until the high watermark moves; it holds no batch.
 */

/** One partition of a parked produce. */
export interface ProducePart {
  readonly produce: ParkedProduce
  readonly index: number
}

/** An appended produce that waits for all its partitions. Results are those of success until something fails. */
export class ParkedProduce {
  readonly #results: AppendResult[]
  readonly #pending = new Set<number>()
  readonly #answer: (results: readonly AppendResult[]) => void
  #timer: Timer | null = null

  constructor(results: AppendResult[], answer: (results: readonly AppendResult[]) => void) {
    this.#results = results
    this.#answer = answer
  }

  waitFor(index: number): ProducePart {
    this.#pending.add(index)
    return { produce: this, index }
  }

  /** Answers at the deadline with REQUEST_TIMED_OUT for what is missing then; the records stay appended. */
  startTimer(timers: TimerQueue, deadlineMs: number): void {
    if (this.#pending.size === 0) return
    this.#timer = timers.at(deadlineMs, () => {
      for (const index of this.#pending) {
        this.settle(timers, index, errorCodes.REQUEST_TIMED_OUT)
      }
    })
  }

  get isPending(): boolean {
    return this.#pending.size > 0
  }

  /** Of a part that does not wait. */
  fail(index: number, errorCode: number): void {
    this.#results[index] = { ...(this.#results[index] as AppendResult), errorCode }
  }

  settle(timers: TimerQueue, index: number, errorCode: number): void {
    if (!this.#pending.delete(index)) return
    if (errorCode !== errorCodes.NONE) this.fail(index, errorCode)
    if (this.#pending.size > 0) return
    if (this.#timer) timers.cancel(this.#timer)
    this.#answer(this.#results)
  }
}

/** A DeleteRecords that waits until no live replica begins below its offset. */
export interface ParkedDeletion {
  readonly offset: Offset
  readonly settle: (result: DeleteRecordsResult) => void
}

export interface ParkedFetch {
  readonly request: FetchRequest
  readonly partitions: readonly Partition[]
  readonly answer: (results: readonly FetchResult[]) => void
  timer: Timer | null
  unsubscribe: () => void
}

/** Null: not enough yet. `force`: whatever there is. */
export type AttemptFetch = (request: FetchRequest, force: boolean) => readonly FetchResult[] | null

/**
 * Consumers' fetches that found too little. What happens to a partition marks those parked on it; they are tried again
 * once at the end of the turn, so that everything one turn brought goes out in one answer.
 */
export class FetchPurgatory {
  readonly #clock: Clock
  readonly #timers: TimerQueue
  readonly #attempt: AttemptFetch
  readonly #parked = new Set<ParkedFetch>()
  readonly #woken = new Set<ParkedFetch>()
  readonly #endOfTurn: EndOfTurn

  constructor(clock: Clock, timers: TimerQueue, attempt: AttemptFetch) {
    this.#clock = clock
    this.#timers = timers
    this.#attempt = attempt
    this.#endOfTurn = new EndOfTurn(clock, () => this.#tryWoken())
  }

  get size(): number {
    return this.#parked.size
  }

  park(
    request: FetchRequest,
    partitions: readonly Partition[],
    waiting: Waiting,
  ): Promise<readonly FetchResult[]> {
    return new Promise(answer => {
      const fetch: ParkedFetch = {
        request,
        partitions,
        answer,
        timer: null,
        unsubscribe: () => {},
      }
      this.#parked.add(fetch)
      for (const partition of partitions) partition.addFetch(fetch)
      const deadlineMs = this.#clock.monotonicMs() + request.maxWaitMs
      fetch.timer = this.#timers.at(deadlineMs, () => this.#end(fetch))
      fetch.unsubscribe = waiting.onClose(() => this.#end(fetch))
    })
  }

  wake(partition: Partition): void {
    if (partition.fetches.size === 0) return
    for (const fetch of partition.fetches) this.#woken.add(fetch)
    this.#endOfTurn.request()
  }

  /** Answers everything with what there is. */
  stop(): void {
    this.#endOfTurn.stop()
    for (const fetch of this.#parked) this.#end(fetch)
  }

  #tryWoken(): void {
    const woken = [...this.#woken]
    this.#woken.clear()
    for (const fetch of woken) {
      const results = this.#attempt(fetch.request, false)
      if (results) this.#finish(fetch, results)
    }
  }

  #end(fetch: ParkedFetch): void {
    if (this.#parked.has(fetch)) this.#finish(fetch, this.#attempt(fetch.request, true) ?? [])
  }

  #finish(fetch: ParkedFetch, results: readonly FetchResult[]): void {
    this.#parked.delete(fetch)
    this.#woken.delete(fetch)
    for (const partition of fetch.partitions) partition.removeFetch(fetch)
    if (fetch.timer) this.#timers.cancel(fetch.timer)
    fetch.unsubscribe()
    fetch.answer(results)
  }
}
