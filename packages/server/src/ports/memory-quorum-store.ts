import { assert } from '@trimaran/common'
import type {
  DurableState,
  DurableVote,
  Entry,
  QuorumStore,
  QuorumWrite,
  Snapshot,
} from '@trimaran/raft'

/** What a voter has that never wrote: epoch 0, no vote, an empty log. */
export const emptyDurableState: DurableState = {
  vote: { epoch: 0, votedFor: null, led: false },
  snapshot: null,
  logStartOffset: 0,
  entries: [],
}

/** Outlives a killed node of the same process, as a disk would; gone with the process. */
export class MemoryQuorumStore {
  #vote: DurableVote = emptyDurableState.vote
  #snapshot: Snapshot | null = null
  #logStartOffset = 0
  readonly #entries: Entry[] = []
  #use = 0

  /** Each start of a node takes its own handle: a killed node's late writes come to nothing. */
  open(): { durable: DurableState; store: QuorumStore } {
    const use = ++this.#use
    const durable: DurableState = {
      vote: this.#vote,
      snapshot: this.#snapshot,
      logStartOffset: this.#logStartOffset,
      entries: [...this.#entries],
    }
    const store: QuorumStore = {
      write: (write, done) => {
        if (use !== this.#use) return
        this.#apply(write)
        queueMicrotask(() => {
          if (use === this.#use) done()
        })
      },
    }
    return { durable, store }
  }

  #apply({ vote, truncateTo, append, snapshot }: QuorumWrite): void {
    if (vote !== undefined) this.#vote = vote
    if (truncateTo !== undefined) {
      this.#entries.length = Math.min(
        this.#entries.length,
        Math.max(0, truncateTo - this.#logStartOffset),
      )
    }
    if (append !== undefined) {
      const endOffset = this.#logStartOffset + this.#entries.length
      assert(append.baseOffset === endOffset, `append at ${append.baseOffset}, end is ${endOffset}`)
      for (const entry of append.entries) this.#entries.push(entry)
    }
    if (snapshot !== undefined) {
      this.#entries.splice(0, Math.max(0, snapshot.id.endOffset - this.#logStartOffset))
      this.#snapshot = snapshot
      this.#logStartOffset = snapshot.id.endOffset
    }
  }
}
