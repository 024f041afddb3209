import { emptyBytes, passOn, type Offset } from '@trimaran/common'

/** Bytes of recent batches that one log may keep: what producers have under way on one partition, twice. */
const tailBytesMax = 1024 * 1024
/** Batches that one log may keep, so that many tiny ones do not make a long list: 1,024 × ~70 B of bookkeeping = 70 KiB. */
const tailBatchesMax = 1024
/** Blocks double up to the largest: an idle partition holds little, a busy one fills a block in some milliseconds. */
const firstBlockBytes = 1024
const blockBytesMax = 256 * 1024

/** Batches one after the other, as in the file. What is written stays as it is, so readers get views. */
interface Block {
  bytes: Uint8Array
  used: number
}

interface TailBatch {
  readonly baseOffset: Offset
  readonly endOffset: Offset
  readonly block: Block
  readonly at: number
  readonly sizeBytes: number
}

/** In the place of a batch that is gone: the list is cut seldom, and must not hold its block until then. */
const goneBatch: TailBatch = {
  baseOffset: -1,
  endOffset: -1,
  block: { bytes: emptyBytes, used: 0 },
  at: 0,
  sizeBytes: 0,
}

/**
 * The batches just appended, so that followers and consumers at the end of the log read no file. They are copied once,
 * next to each other: readers then take any number of them as one view, and the buffers they came in, which hold
 * whole requests, are given back at once.
 *
 * Invariant: contiguous, and the last one ends at the log's end.
 */
export class TailCache {
  readonly #budget: TailBudget
  #batches: TailBatch[] = []
  /** Index in `#batches` of the first that is kept; those before it are gone and wait for a splice. */
  #first = 0
  #sizeBytes = 0

  constructor(budget: TailBudget) {
    this.#budget = budget
  }

  /** Of the blocks, unused room included. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  append(baseOffset: Offset, endOffset: Offset, bytes: Uint8Array): void {
    const sizeBytes = bytes.length
    if (sizeBytes > tailBytesMax) return this.clear()
    const block = this.#blockFor(bytes)
    const at = block.used - sizeBytes
    this.#batches.push({ baseOffset, endOffset, block, at, sizeBytes })
    while (this.#sizeBytes > tailBytesMax || this.#batches.length - this.#first > tailBatchesMax) {
      this.#dropOldest()
    }
    this.#budget.grew(this)
  }

  /** Null: not kept, the file has it. A view, unless what is asked for lies in several blocks. */
  read(
    offset: Offset,
    limits: {
      readonly maxBytes: number
      readonly endOffset: Offset
      readonly minOneBatch: boolean
    },
  ): Uint8Array | null {
    const batches = this.#batches
    const first = batches[this.#first]
    if (first === undefined || offset < first.baseOffset) return null
    let low = this.#first
    let high = batches.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((batches[middle] as TailBatch).endOffset > offset) high = middle
      else low = middle + 1
    }
    const end = this.#endOf(low, limits)
    if (end === low) return emptyBytes
    const { block, at } = batches[low] as TailBatch
    const last = batches[end - 1] as TailBatch
    if (last.block === block) return block.bytes.subarray(at, last.at + last.sizeBytes)
    return this.#join(low, end)
  }

  /** Index after the last batch that the limits allow, from the batch at `first` on. */
  #endOf(
    first: number,
    limits: {
      readonly maxBytes: number
      readonly endOffset: Offset
      readonly minOneBatch: boolean
    },
  ): number {
    let sizeBytes = 0
    let end = first
    for (; end < this.#batches.length; end++) {
      const batch = this.#batches[end] as TailBatch
      if (batch.endOffset > limits.endOffset) break
      sizeBytes += batch.sizeBytes
      const always = limits.minOneBatch && end === first
      if (sizeBytes > limits.maxBytes && !always) break
    }
    return end
  }

  /** Over the end of a block: readers that ask for a least number of bytes must get all that there is. */
  #join(first: number, end: number): Uint8Array {
    const parts: Uint8Array[] = []
    let sizeBytes = 0
    for (let at = first; at < end;) {
      const { block, at: from } = this.#batches[at] as TailBatch
      while (at < end && (this.#batches[at] as TailBatch).block === block) at++
      const last = this.#batches[at - 1] as TailBatch
      parts.push(block.bytes.subarray(from, last.at + last.sizeBytes))
      sizeBytes += last.at + last.sizeBytes - from
    }
    const joined = Buffer.allocUnsafeSlow(sizeBytes)
    let to = 0
    for (const part of parts) {
      joined.set(part, to)
      to += part.length
    }
    return passOn(joined)
  }

  clear(): void {
    if (this.#batches.length === 0) return
    this.#batches = []
    this.#first = 0
    this.#sizeBytes = 0
    this.#budget.cleared(this)
  }

  /** The block that ends with the bytes. */
  #blockFor(bytes: Uint8Array): Block {
    const sizeBytes = bytes.length
    const last = this.#batches.at(-1)?.block
    if (last !== undefined && last.used + sizeBytes <= blockBytesMax) {
      if (last.used + sizeBytes > last.bytes.length) this.#grow(last, sizeBytes)
      last.bytes.set(bytes, last.used)
      last.used += sizeBytes
      return last
    }
    const block = { bytes: this.#room(last, sizeBytes), used: sizeBytes }
    block.bytes.set(bytes)
    this.#sizeBytes += block.bytes.length
    return block
  }

  /** Who follows a full block will be full, too; the first begins small. */
  #room(last: Block | undefined, sizeBytes: number): Uint8Array {
    const usualBytes = last === undefined ? firstBlockBytes : blockBytesMax
    return Buffer.allocUnsafeSlow(Math.max(usualBytes, sizeBytes))
  }

  /** Views given out keep the old bytes. */
  #grow(block: Block, sizeBytes: number): void {
    const bytes = Buffer.allocUnsafeSlow(
      Math.min(Math.max(block.bytes.length * 2, block.used + sizeBytes), blockBytesMax),
    )
    bytes.set(block.bytes.subarray(0, block.used))
    this.#sizeBytes += bytes.length - block.bytes.length
    block.bytes = bytes
  }

  #dropOldest(): void {
    const { block } = this.#batches[this.#first] as TailBatch
    this.#batches[this.#first++] = goneBatch
    if (this.#batches[this.#first]?.block !== block) this.#sizeBytes -= block.bytes.length
    // Seldom, and in one go: shifting a long list for every batch would cost more than the batch.
    if (this.#first * 2 < this.#batches.length) return
    this.#batches = this.#batches.slice(this.#first)
    this.#first = 0
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
