import { assert, type LeaderEpoch, noEpoch, type Offset } from '@trimaran/common'

export interface EpochStart {
  readonly epoch: LeaderEpoch
  readonly startOffset: Offset
}

/** Epochs per log. An entry per leader change: at one a minute this lasts a month, and the oldest goes first. */
const epochCountMax = 50_000

/** Shared by the many logs without records; never written to. */
const noStarts: EpochStart[] = []

/**
 * Which leader epoch began at which offset. Invariant: both strictly ascending. What the file holds is a cache of what
 * the batches say, written when the log is flushed, rolled or closed; what came later is found again by recovery.
 */
export class LeaderEpochs {
  #starts: EpochStart[]
  #isDirty: boolean

  constructor(starts: readonly EpochStart[], isDirty: boolean) {
    this.#starts = starts.length === 0 ? noStarts : [...starts]
    this.#isDirty = isDirty
  }

  get starts(): readonly EpochStart[] {
    return this.#starts
  }

  get isDirty(): boolean {
    return this.#isDirty
  }

  get latestEpoch(): LeaderEpoch {
    return this.#starts.at(-1)?.epoch ?? noEpoch
  }

  /** Does nothing for an epoch that is known already. An epoch that began where the new one begins had no records. */
  assign(epoch: LeaderEpoch, startOffset: Offset): void {
    const latest = this.#starts.at(-1)
    if (latest !== undefined && epoch <= latest.epoch) {
      assert(epoch === latest.epoch, `leader epoch ${epoch} after ${latest.epoch}`)
      return
    }
    while (
      this.#starts.length > 0 &&
      (this.#starts.at(-1) as EpochStart).startOffset >= startOffset
    ) {
      this.#starts.pop()
    }
    // The first in a list of just its size.
    if (this.#starts.length === 0) this.#starts = [{ epoch, startOffset }]
    else this.#starts.push({ epoch, startOffset })
    if (this.#starts.length > epochCountMax) this.#starts.shift()
    this.#isDirty = true
  }

  /**
   * KIP-101 with KIP-279: the largest known epoch not above `epoch`, and where it ends. An epoch older than all known
   * ones ends where the first known one begins, since its records are gone; one from the future is −1 and −1.
   */
  endOffset(epoch: LeaderEpoch, logEndOffset: Offset): { epoch: LeaderEpoch; endOffset: Offset } {
    const latest = this.#starts.at(-1)
    if (latest === undefined || epoch < 0) return { epoch: noEpoch, endOffset: -1 }
    if (epoch === latest.epoch) return { epoch, endOffset: logEndOffset }
    if (epoch > latest.epoch) return { epoch: noEpoch, endOffset: -1 }
    const at = this.#floor(epoch)
    if (at < 0) return { epoch, endOffset: (this.#starts[0] as EpochStart).startOffset }
    return {
      epoch: (this.#starts[at] as EpochStart).epoch,
      endOffset: (this.#starts[at + 1] as EpochStart).startOffset,
    }
  }

  /** Epoch of the record at `offset`; −1 if that is not known. */
  epochAt(offset: Offset): LeaderEpoch {
    for (let at = this.#starts.length - 1; at >= 0; at--) {
      const start = this.#starts[at] as EpochStart
      if (start.startOffset <= offset) return start.epoch
    }
    return noEpoch
  }

  #floor(epoch: LeaderEpoch): number {
    let low = -1
    let high = this.#starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if ((this.#starts[middle] as EpochStart).epoch <= epoch) low = middle
      else high = middle - 1
    }
    return low
  }

  /** Forgets epochs that begin at or after the new end of the log. */
  truncateFromEnd(endOffset: Offset): void {
    const kept = this.#starts.filter(start => start.startOffset < endOffset)
    this.#replace(kept)
  }

  /** The epoch that holds the new start is kept, and now begins there. */
  truncateFromStart(startOffset: Offset): void {
    let first = -1
    while (
      first + 1 < this.#starts.length &&
      (this.#starts[first + 1] as EpochStart).startOffset <= startOffset
    ) {
      first++
    }
    if (first < 0) return
    const [head, ...rest] = this.#starts.slice(first) as [EpochStart, ...EpochStart[]]
    if (first === 0 && head.startOffset === startOffset) return
    this.#replace([{ epoch: head.epoch, startOffset }, ...rest])
    this.#isDirty = true
  }

  clear(): void {
    this.#replace([])
  }

  written(): void {
    this.#isDirty = false
  }

  #replace(starts: EpochStart[]): void {
    if (starts.length !== this.#starts.length) this.#isDirty = true
    this.#starts = starts
  }
}
