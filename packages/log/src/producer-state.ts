import { assert, type Offset, type ProducerId } from '@trimaran/common'
import { type BatchHeader, type ErrorCode, errorCodes } from '@trimaran/protocol'

/** Batches per producer whose retry is answered with the original offset; clients have at most five in flight. */
export const batchesKeptMax = 5
/** Producers per partition; the longest silent one gives way. 50,000 × ~400 B = 20 MB at worst. */
export const producerCountMax = 50_000
/** Decided transactions that may still be cut off; past this, neighbours are merged, which only delays their visibility. */
const undeterminedMax = 1000
const sequenceCount = 2 ** 31

export interface ProducedBatch {
  readonly lastSequence: number
  readonly lastOffset: Offset
  /** Offsets of the batch less one. */
  readonly offsetDelta: number
  readonly timestampMs: number
}

export interface ProducerEntry {
  readonly producerId: ProducerId
  producerEpoch: number
  /** Epoch of the coordinator that wrote the last marker; −1 if there was none. */
  coordinatorEpoch: number
  /** Where the open transaction begins; −1 if none is open. */
  currentTransactionFirstOffset: Offset
  lastTimestampMs: number
  /** Oldest first, all of `producerEpoch`. */
  batches: ProducedBatch[]
}

/** What an end-transaction marker says (KIP-98); null in `MarkedBatch` for data. */
export interface TransactionMarker {
  readonly committed: boolean
  readonly coordinatorEpoch: number
}

/** A transaction whose marker is in the log, but perhaps not yet replicated. */
export interface DecidedTransaction {
  readonly producerId: ProducerId
  readonly firstOffset: Offset
  /** Offset of the marker. */
  readonly lastOffset: Offset
  readonly committed: boolean
}

export type ProducerVerdict =
  | { readonly kind: 'next' }
  | { readonly kind: 'duplicate'; readonly batch: ProducedBatch }
  | { readonly kind: 'rejected'; readonly errorCode: ErrorCode; readonly errorMessage: string }

/** Shared by the many partitions without producers, which then cost nothing; never written to. */
const noEntries = new Map<ProducerId, ProducerEntry>()
const noneOpen = new Map<ProducerId, Offset>()
const noneUndetermined: { readonly firstOffset: Offset; readonly lastOffset: Offset }[] = []

const next: ProducerVerdict = { kind: 'next' }

/**
 * What a partition remembers of its producers: for idempotence the last five batches of each, for transactions where
 * they begin. A fold over the batches of the log; nothing here decides what is in the log except through `check`.
 */
export class ProducerStates {
  /** In order of their last append, so that the longest silent one is found first. */
  #entries: Map<ProducerId, ProducerEntry> = noEntries
  /** First offsets of open transactions; in the order they began, so the first is the smallest. */
  #open: Map<ProducerId, Offset> = noneOpen
  /** Decided, and not known to be replicated; by marker offset. */
  #undetermined: { readonly firstOffset: Offset; readonly lastOffset: Offset }[] = noneUndetermined
  /** End of the last batch that changed anything here. */
  #changedAt: Offset = 0

  get count(): number {
    return this.#entries.size
  }

  get changedAt(): Offset {
    return this.#changedAt
  }

  get(producerId: ProducerId): ProducerEntry | undefined {
    return this.#entries.get(producerId)
  }

  entries(): Iterable<ProducerEntry> {
    return this.#entries.values()
  }

  get undetermined(): readonly { readonly firstOffset: Offset; readonly lastOffset: Offset }[] {
    return this.#undetermined
  }

  /** Before the write, on the leader only. Changes nothing. */
  check(header: BatchHeader, marker: TransactionMarker | null): ProducerVerdict {
    const entry = this.#entries.get(header.producerId)
    if (marker !== null) return checkMarker(entry, header, marker)
    if (entry === undefined) return next
    const duplicate = findDuplicate(entry, header)
    if (duplicate !== undefined) return { kind: 'duplicate', batch: duplicate }
    return (
      checkEpoch(entry, header) ?? checkSequence(entry, header) ?? checkTransaction(entry, header)
    )
  }

  /** After the write, and when replaying: the log is the truth. Returns the transaction that a marker ended. */
  apply(header: BatchHeader, marker: TransactionMarker | null): DecidedTransaction | null {
    const entry = this.#touch(header.producerId)
    this.#changedAt = header.lastOffset + 1
    if (entry.producerEpoch !== header.producerEpoch) {
      entry.producerEpoch = header.producerEpoch
      entry.batches = []
    }
    entry.lastTimestampMs = header.maxTimestampMs
    if (marker !== null) return this.#end(entry, header, marker)
    if (header.baseSequence >= 0) {
      entry.batches.push({
        lastSequence: header.lastSequence,
        lastOffset: header.lastOffset,
        offsetDelta: header.lastOffsetDelta,
        timestampMs: header.maxTimestampMs,
      })
      if (entry.batches.length > batchesKeptMax) entry.batches.shift()
    }
    if (header.isTransactional && entry.currentTransactionFirstOffset < 0) {
      entry.currentTransactionFirstOffset = header.baseOffset
      this.#open.set(header.producerId, header.baseOffset)
    }
    return null
  }

  /** Before the first change. */
  #own(): void {
    if (this.#entries !== noEntries) return
    this.#entries = new Map()
    this.#open = new Map()
    if (this.#undetermined === noneUndetermined) this.#undetermined = []
  }

  #touch(producerId: ProducerId): ProducerEntry {
    this.#own()
    let entry = this.#entries.get(producerId)
    if (entry === undefined) {
      if (this.#entries.size >= producerCountMax) this.#dropLongestSilent()
      entry = {
        producerId,
        producerEpoch: -1,
        coordinatorEpoch: -1,
        currentTransactionFirstOffset: -1,
        lastTimestampMs: -1,
        batches: [],
      }
    } else {
      this.#entries.delete(producerId)
    }
    this.#entries.set(producerId, entry)
    return entry
  }

  #end(
    entry: ProducerEntry,
    header: BatchHeader,
    marker: TransactionMarker,
  ): DecidedTransaction | null {
    entry.coordinatorEpoch = marker.coordinatorEpoch
    const firstOffset = entry.currentTransactionFirstOffset
    if (firstOffset < 0) return null
    entry.currentTransactionFirstOffset = -1
    this.#open.delete(header.producerId)
    const decided = { firstOffset, lastOffset: header.lastOffset }
    this.#undetermined.push(decided)
    if (this.#undetermined.length > undeterminedMax) this.#mergeOldest()
    return { ...decided, producerId: header.producerId, committed: marker.committed }
  }

  #mergeOldest(): void {
    const [first, second] = this.#undetermined.splice(0, 2)
    assert(first !== undefined && second !== undefined, 'there are two transactions to merge')
    this.#undetermined.unshift({
      firstOffset: Math.min(first.firstOffset, second.firstOffset),
      lastOffset: Math.max(first.lastOffset, second.lastOffset),
    })
  }

  #dropLongestSilent(): void {
    for (const entry of this.#entries.values()) {
      if (entry.currentTransactionFirstOffset >= 0) continue
      this.#entries.delete(entry.producerId)
      return
    }
  }

  /**
   * The first offset of a transaction that is open, or whose marker is not below the high watermark; null if there is
   * none. Until the marker is replicated it may still be cut off and decided otherwise.
   */
  firstUnstableOffset(highWatermark: Offset): Offset | null {
    let replicated = 0
    while (replicated < this.#undetermined.length) {
      const { lastOffset } = this.#undetermined[replicated] as { lastOffset: Offset }
      if (lastOffset >= highWatermark) break
      replicated++
    }
    if (replicated > 0) this.#undetermined.splice(0, replicated)
    let first = this.firstOpenOffset()
    for (const { firstOffset } of this.#undetermined) {
      if (first === null || firstOffset < first) first = firstOffset
    }
    return first
  }

  firstOpenOffset(): Offset | null {
    const first = this.#open.values().next()
    return first.done === true ? null : first.value
  }

  /** Forgets producers silent since before `nowWallMs − expirationMs`; never one with an open transaction. */
  expire(nowWallMs: number, expirationMs: number): number {
    let expired = 0
    for (const entry of this.#entries.values()) {
      if (entry.currentTransactionFirstOffset >= 0) continue
      if (nowWallMs - entry.lastTimestampMs < expirationMs) continue
      this.#entries.delete(entry.producerId)
      expired++
    }
    return expired
  }

  /** Puts back what a snapshot as of `offset` holds, into an empty state. */
  restore(
    entries: readonly ProducerEntry[],
    undetermined: readonly { readonly firstOffset: Offset; readonly lastOffset: Offset }[],
    offset: Offset,
  ): void {
    this.#changedAt = offset
    if (entries.length > 0) this.#own()
    for (const entry of entries) {
      this.#entries.set(entry.producerId, entry)
    }
    const open = entries.filter(entry => entry.currentTransactionFirstOffset >= 0)
    open.sort((a, b) => a.currentTransactionFirstOffset - b.currentTransactionFirstOffset)
    for (const entry of open) this.#open.set(entry.producerId, entry.currentTransactionFirstOffset)
    this.#undetermined = [...undetermined]
  }
}

function rejected(errorCode: ErrorCode, errorMessage: string): ProducerVerdict {
  return { kind: 'rejected', errorCode, errorMessage }
}

/** KIP-98: same epoch and same first and last sequence. The epoch keeps an aborted attempt from answering a new one. */
function findDuplicate(entry: ProducerEntry, header: BatchHeader): ProducedBatch | undefined {
  if (entry.producerEpoch !== header.producerEpoch || header.baseSequence < 0) return undefined
  return entry.batches.find(
    batch =>
      batch.lastSequence === header.lastSequence && batch.offsetDelta === header.lastOffsetDelta,
  )
}

function checkEpoch(entry: ProducerEntry, header: BatchHeader): ProducerVerdict | null {
  if (header.producerEpoch >= entry.producerEpoch) return null
  return rejected(
    errorCodes.INVALID_PRODUCER_EPOCH,
    `producer ${header.producerId} has epoch ${entry.producerEpoch}, not ${header.producerEpoch}`,
  )
}

function checkSequence(entry: ProducerEntry, header: BatchHeader): ProducerVerdict | null {
  // A coordinator writes for a producer without being it; from clients, validation takes no batch without a sequence.
  if (header.baseSequence < 0) return null
  const isNewEpoch = header.producerEpoch !== entry.producerEpoch
  const last = isNewEpoch ? undefined : entry.batches.at(-1)
  const expected = last === undefined ? 0 : (last.lastSequence + 1) % sequenceCount
  if (header.baseSequence === expected) return null
  return rejected(
    errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER,
    `producer ${header.producerId} epoch ${header.producerEpoch}: sequence ${header.baseSequence}, expected ${expected}`,
  )
}

function checkTransaction(entry: ProducerEntry, header: BatchHeader): ProducerVerdict {
  if (entry.currentTransactionFirstOffset < 0 || header.isTransactional) return next
  return rejected(
    errorCodes.INVALID_TXN_STATE,
    `producer ${header.producerId} has an open transaction, the batch is not part of it`,
  )
}

function checkMarker(
  entry: ProducerEntry | undefined,
  header: BatchHeader,
  marker: TransactionMarker,
): ProducerVerdict {
  if (entry === undefined) return next
  const stale = checkEpoch(entry, header)
  if (stale !== null) return stale
  if (marker.coordinatorEpoch < entry.coordinatorEpoch) {
    return rejected(
      errorCodes.TRANSACTION_COORDINATOR_FENCED,
      `marker of coordinator epoch ${marker.coordinatorEpoch}, ${entry.coordinatorEpoch} was here before`,
    )
  }
  return next
}
