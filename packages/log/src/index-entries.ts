import { assert, type Disk } from '@trimaran/common'
import { viewOf } from './int64.ts'

/** Entries of the first buffer; it doubles from there. */
const firstCapacity = 8

/**
 * Fixed-size entries of an index, in memory in their disk format; appended to their file when the segment is sealed,
 * closed or unloaded. Between those moments the file is behind: an index is a cache, rebuilt after an unclean stop, and
 * a write per entry would double the system calls of a produce.
 */
export class IndexEntries {
  readonly entryBytes: number
  readonly path: string
  #bytes: Uint8Array
  #view: DataView
  #count = 0
  /** Entries that the file holds and that are still the same here. */
  #writtenCount = 0
  #fileHoldsMore = false
  /** Kafka's tools want an `.index` and a `.timeindex` beside every log, but no `.txnindex` without need. */
  #isWrittenEmpty = false

  private constructor(path: string, entryBytes: number, bytes: Uint8Array) {
    this.path = path
    this.entryBytes = entryBytes
    this.#bytes = bytes
    this.#view = viewOf(bytes)
  }

  static empty(
    path: string,
    entryBytes: number,
    options: { readonly isWrittenEmpty: boolean },
  ): IndexEntries {
    const entries = new IndexEntries(path, entryBytes, new Uint8Array(0))
    entries.#isWrittenEmpty = options.isWrittenEmpty
    // What an earlier life left under this name is not ours.
    entries.#fileHoldsMore = true
    return entries
  }

  /** null: the bytes are no whole number of entries. */
  static fromFile(path: string, entryBytes: number, bytes: Uint8Array): IndexEntries | null {
    if (bytes.length % entryBytes !== 0) return null
    const entries = new IndexEntries(path, entryBytes, bytes)
    entries.#count = bytes.length / entryBytes
    entries.#writtenCount = entries.#count
    return entries
  }

  get count(): number {
    return this.#count
  }

  get capacityBytes(): number {
    return this.#bytes.length
  }

  get view(): DataView {
    return this.#view
  }

  /** All entries in disk format; a view that the next push may leave behind. */
  get content(): Uint8Array {
    return this.#bytes.subarray(0, this.#count * this.entryBytes)
  }

  get isDirty(): boolean {
    return this.#fileHoldsMore || this.#writtenCount < this.#count
  }

  /** Makes room for one entry and returns where in `view` it is to be written. */
  push(): number {
    const at = this.#count * this.entryBytes
    if (at === this.#bytes.length) {
      const grown = new Uint8Array(Math.max(firstCapacity * this.entryBytes, at * 2))
      grown.set(this.#bytes)
      this.#bytes = grown
      this.#view = viewOf(grown)
    }
    this.#count++
    return at
  }

  truncateTo(count: number): void {
    assert(count <= this.#count, 'an index is cut, never extended')
    this.#count = count
    if (count < this.#writtenCount) {
      this.#writtenCount = count
      this.#fileHoldsMore = true
    }
  }

  /** How many entries, from the front, satisfy a predicate that no entry after the first refusal satisfies. */
  countWhile(holds: (at: number) => boolean): number {
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (holds(middle * this.entryBytes)) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Brings the file up to date, without a sync. */
  write(disk: Disk): void {
    if (!this.isDirty) return
    if (this.#count === 0 && !this.#isWrittenEmpty && !disk.exists(this.path)) {
      this.#fileHoldsMore = false
      return
    }
    const file = disk.open(this.path, { create: true })
    try {
      const keptBytes = this.#writtenCount * this.entryBytes
      if (file.sizeBytes !== keptBytes) file.truncate(keptBytes)
      if (this.#count > this.#writtenCount) {
        file.append([this.#bytes.subarray(keptBytes, this.#count * this.entryBytes)])
      }
    } finally {
      file.close()
    }
    this.#writtenCount = this.#count
    this.#fileHoldsMore = false
  }
}
