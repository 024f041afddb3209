import { concatBytes, type Offset } from '@trimaran/common'

/** Bytes of recent batches that one log may keep: a few fetches' worth, enough for readers that wait at the end. */
const tailBytesMax = 256 * 1024
/** Batches that one log may keep, so that many tiny ones do not make a long list: 256 × ~100 B of bookkeeping = 25 KiB. */
const tailBatchesMax = 256
/** A view smaller than this share of its buffer is copied: a kept slice keeps its whole buffer alive. */
const wasteFactorMax = 2

interface TailBatch {
  readonly baseOffset: Offset
  readonly endOffset: Offset
  readonly bytes: Uint8Array
}

/**
 * The batches just appended, so that followers and consumers at the end of the log read no file. Invariant: contiguous,
 * and the last one ends at the log's end.
 */
export class TailCache {
  readonly #budget: TailBudget
  #batches: TailBatch[] = []
  #sizeBytes = 0

  constructor(budget: TailBudget) {
    this.#budget = budget
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Keeps a reference: from here on nobody may change the bytes. */
  append(baseOffset: Offset, endOffset: Offset, bytes: Uint8Array): void {
    if (bytes.length > tailBytesMax) return this.clear()
    const roomy = bytes.buffer.byteLength > bytes.length * wasteFactorMax
    this.#batches.push({ baseOffset, endOffset, bytes: roomy ? bytes.slice() : bytes })
    this.#sizeBytes += bytes.length
    let dropped = 0
    while (this.#sizeBytes > tailBytesMax || this.#batches.length - dropped > tailBatchesMax) {
      this.#sizeBytes -= (this.#batches[dropped++] as TailBatch).bytes.length
    }
    if (dropped > 0) this.#batches.splice(0, dropped)
    this.#budget.grew(this)
  }

  /** null: not kept, the file has it. */
  read(
    offset: Offset,
    limits: {
      readonly maxBytes: number
      readonly endOffset: Offset
      readonly minOneBatch: boolean
    },
  ): Uint8Array | null {
    const first = this.#batches[0]
    if (first === undefined || offset < first.baseOffset) return null
    let low = 0
    let high = this.#batches.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#batches[middle] as TailBatch).endOffset > offset) high = middle
      else low = middle + 1
    }
    const parts: Uint8Array[] = []
    let sizeBytes = 0
    for (let at = low; at < this.#batches.length; at++) {
      const batch = this.#batches[at] as TailBatch
      if (batch.endOffset > limits.endOffset) break
      const always = limits.minOneBatch && parts.length === 0
      if (!always && sizeBytes + batch.bytes.length > limits.maxBytes) break
      parts.push(batch.bytes)
      sizeBytes += batch.bytes.length
    }
    return concatBytes(parts)
  }

  clear(): void {
    if (this.#batches.length === 0) return
    this.#batches = []
    this.#sizeBytes = 0
    this.#budget.cleared(this)
  }
}

/** What the tails of all logs of a directory may hold together; the longest idle one gives first. */
export class TailBudget {
  readonly #bytesMax: number
  readonly #sizes = new Map<TailCache, number>()
  #totalBytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get totalBytes(): number {
    return this.#totalBytes
  }

  grew(tail: TailCache): void {
    this.#totalBytes += tail.sizeBytes - (this.#sizes.get(tail) ?? 0)
    this.#sizes.delete(tail)
    this.#sizes.set(tail, tail.sizeBytes)
    while (this.#totalBytes > this.#bytesMax) {
      const oldest = this.#sizes.keys().next()
      if (oldest.done === true) return
      oldest.value.clear()
    }
  }

  cleared(tail: TailCache): void {
    this.#totalBytes -= this.#sizes.get(tail) ?? 0
    this.#sizes.delete(tail)
  }
}
