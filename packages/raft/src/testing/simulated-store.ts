import type { Clock, Random } from '@trimaran/common'
import type { Entry } from '../messages.ts'
import type { DurableState, DurableVote, QuorumStore, QuorumWrite, Snapshot } from '../ports.ts'

/** What a write means for what is durable: the reference for every store. */
export class DurableLog {
  vote: DurableVote = { epoch: 0, votedFor: null, led: false }
  snapshot: Snapshot | null = null
  logStartOffset = 0
  readonly entries: Entry[] = []

  apply(write: QuorumWrite): void {
    if (write.vote) this.vote = write.vote
    if (write.truncateTo !== undefined) {
      this.entries.length = Math.min(
        this.entries.length,
        Math.max(0, write.truncateTo - this.logStartOffset),
      )
    }
    if (write.append) {
      const { baseOffset, entries } = write.append
      if (baseOffset !== this.logStartOffset + this.entries.length) {
        throw new Error(`a hole in the log at ${this.logStartOffset + this.entries.length}`)
      }
      this.entries.push(...entries)
    }
    if (write.snapshot) {
      this.snapshot = write.snapshot
      this.entries.splice(0, write.snapshot.id.endOffset - this.logStartOffset)
      this.logStartOffset = write.snapshot.id.endOffset
    }
  }

  load(): DurableState {
    const { vote, snapshot, logStartOffset, entries } = this
    return { vote, snapshot, logStartOffset, entries: [...entries] }
  }
}

/**
 * A disk of the simulator: writes become durable one after the other, each after a random time. A crash keeps a random
 * prefix of those still on their way, as a real disk does.
 */
export class SimulatedStore implements QuorumStore {
  durable = new DurableLog()
  /** Told of each write as it becomes durable. */
  onDurable: (write: QuorumWrite) => void = () => {}
  readonly #clock: Clock
  readonly #random: Random
  readonly #delayMs: { readonly min: number; readonly max: number }
  #queue: { readonly write: QuorumWrite; readonly done: () => void }[] = []
  #cancel: (() => void) | null = null

  constructor(options: {
    readonly clock: Clock
    readonly random: Random
    readonly delayMs: { readonly min: number; readonly max: number }
  }) {
    this.#clock = options.clock
    this.#random = options.random
    this.#delayMs = options.delayMs
  }

  write(write: QuorumWrite, done: () => void): void {
    this.#queue.push({ write, done })
    if (this.#cancel === null) this.#flush()
  }

  crash(): void {
    this.#cancel?.()
    this.#cancel = null
    const kept = this.#random.between(0, this.#queue.length)
    for (const { write } of this.#queue.slice(0, kept)) this.#makeDurable(write)
    this.#queue = []
  }

  /** After a crash: an empty disk takes the place of the old one. */
  wipe(): void {
    this.durable = new DurableLog()
  }

  #flush(): void {
    const { min, max } = this.#delayMs
    const atMs = this.#clock.monotonicMs() + this.#random.between(min, max)
    this.#cancel = this.#clock.wakeAt(atMs, () => {
      this.#cancel = null
      const next = this.#queue.shift()
      if (next === undefined) return
      this.#makeDurable(next.write)
      // The completion may write again.
      if (this.#queue.length > 0) this.#flush()
      next.done()
    })
  }

  #makeDurable(write: QuorumWrite): void {
    this.durable.apply(write)
    this.onDurable(write)
  }
}
