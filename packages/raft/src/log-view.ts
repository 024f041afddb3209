import { assert, must, ownBytes } from '@trimaran/common'
import type { Offset, QuorumEpoch } from '@trimaran/common'
import type { Entry, SnapshotId } from './messages.ts'
import { entryOverheadBytes } from './limits.ts'

/**
 * The log's entries after the snapshot, in memory. Knows where each epoch starts, which is all that divergence needs.
 *
 * Invariant: epochs never decrease along the log; `startOffset` is the snapshot's end, or 0.
 */
export class LogView {
  #startOffset: Offset
  /** Epoch of the entry before `startOffset`: the snapshot's, or 0. */
  #startEpoch: QuorumEpoch
  #entries: Entry[]
  /** First offset of each epoch that has entries here, rising. */
  #epochStarts: { readonly epoch: QuorumEpoch; readonly startOffset: Offset }[] = []

  constructor(snapshot: SnapshotId | null, entries: readonly Entry[]) {
    this.#startOffset = snapshot?.endOffset ?? 0
    this.#startEpoch = snapshot?.epoch ?? 0
    this.#entries = []
    for (const entry of entries) this.append(entry)
  }

  get startOffset(): Offset {
    return this.#startOffset
  }

  /** Exclusive. */
  get endOffset(): Offset {
    return this.#startOffset + this.#entries.length
  }

  get lastEpoch(): QuorumEpoch {
    return this.#epochStarts.at(-1)?.epoch ?? this.#startEpoch
  }

  append(entry: Entry): void {
    assert(entry.epoch >= this.lastEpoch, 'epochs never decrease along the log')
    if (this.#epochStarts.at(-1)?.epoch !== entry.epoch) {
      this.#epochStarts.push({ epoch: entry.epoch, startOffset: this.endOffset })
    }
    // Kept until the next snapshot, and not with the message that it came in.
    const payload = ownBytes(entry.payload)
    this.#entries.push(payload === entry.payload ? entry : { ...entry, payload })
  }

  /** Removes the entries at and above `offset`. */
  truncate(offset: Offset): void {
    assert(offset >= this.#startOffset, 'what a snapshot holds is never truncated')
    this.#entries.length = Math.min(this.#entries.length, offset - this.#startOffset)
    while ((this.#epochStarts.at(-1)?.startOffset ?? -1) >= offset) this.#epochStarts.pop()
  }

  /** Removes the entries below a snapshot's end, which lies in the log. */
  dropPrefix(snapshot: SnapshotId): void {
    assert(snapshot.endOffset <= this.endOffset, 'a snapshot ends within the log it was made from')
    this.#entries.splice(0, snapshot.endOffset - this.#startOffset)
    this.#startOffset = snapshot.endOffset
    this.#startEpoch = snapshot.epoch
    const starts = this.#epochStarts
    while (starts.length > 1 && (starts[1]?.startOffset ?? 0) <= snapshot.endOffset) starts.shift()
    const first = starts[0]
    if (first === undefined) return
    if (this.#entries.length === 0) starts.shift()
    else if (first.startOffset < snapshot.endOffset) {
      starts[0] = { epoch: first.epoch, startOffset: snapshot.endOffset }
    }
  }

  /** Forgets everything; the log goes on after a snapshot that came from elsewhere. */
  restartAfter(snapshot: SnapshotId): void {
    this.#entries = []
    this.#epochStarts = []
    this.#startOffset = snapshot.endOffset
    this.#startEpoch = snapshot.epoch
  }

  entryAt(offset: Offset): Entry {
    return must(this.#entries[offset - this.#startOffset], 'the offset lies in the log')
  }

  /** Epoch of the last entry below `endOffset`. */
  epochBefore(endOffset: Offset): QuorumEpoch {
    return endOffset === this.#startOffset ? this.#startEpoch : this.entryAt(endOffset - 1).epoch
  }

  /**
   * Where the entries of the largest known epoch at or below `epoch` end. Null: older than all that is known here, only
   * a snapshot can tell.
   */
  endOffsetForEpoch(epoch: QuorumEpoch): SnapshotId | null {
    let endOffset = this.endOffset
    for (let at = this.#epochStarts.length - 1; at >= 0; at--) {
      const start = this.#epochStarts[at] as { epoch: QuorumEpoch; startOffset: Offset }
      if (start.epoch <= epoch) return { epoch: start.epoch, endOffset }
      endOffset = start.startOffset
    }
    return this.#startEpoch <= epoch ? { epoch: this.#startEpoch, endOffset } : null
  }

  /**
   * For the leader: where a log that ends at `fetchOffset` with an entry of `lastFetchedEpoch` leaves this one. Null if it is a
   * prefix of this one, or too old to tell.
   */
  divergenceOf(fetchOffset: Offset, lastFetchedEpoch: QuorumEpoch): SnapshotId | null {
    if (fetchOffset < this.#startOffset) return null
    const end = this.endOffsetForEpoch(lastFetchedEpoch)
    if (end === null) return null
    return end.epoch !== lastFetchedEpoch || end.endOffset < fetchOffset ? end : null
  }

  /** For the follower: the end of what this log can share with one that leaves it at `divergence`. */
  sharedEnd(divergence: SnapshotId): Offset {
    const own = this.endOffsetForEpoch(divergence.epoch)
    // Older than all that is known here: only what the snapshot holds is shared for certain.
    if (own === null) return this.#startOffset
    return Math.min(own.endOffset, divergence.endOffset)
  }

  slice(from: Offset, to: Offset): readonly Entry[] {
    return this.#entries.slice(from - this.#startOffset, to - this.#startOffset)
  }

  /** Entries from `from` below `to`, at most `bytesMax` of them but at least one if there is one. */
  read(from: Offset, to: Offset, bytesMax: number): readonly Entry[] {
    let end = from
    let bytes = 0
    while (end < to) {
      bytes += this.entryAt(end).payload.length + entryOverheadBytes
      if (bytes > bytesMax && end > from) break
      end++
    }
    return this.slice(from, end)
  }
}
