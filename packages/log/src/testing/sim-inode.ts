import type { Random } from '@trimaran/common'
import type { CrashMode } from './sim-disk.ts'

/** Disks write sectors whole. */
const sectorBytes = 512
/** Of a file's buffers; they double from there. */
const firstBytes = 1024
const slabBytes = 64 * 1024
const pieceMaxBytes = 4096

type Pending =
  | { readonly kind: 'write'; readonly at: number; readonly data: Uint8Array }
  | { readonly kind: 'truncate'; readonly sizeBytes: number }

/** A file: what is in the page cache, what is on the platter, and what is on its way between them. */
export class SimInode {
  #buffer = new Uint8Array(0)
  #sizeBytes = 0
  /** With room to grow; zeros behind `#durableBytes`. */
  #durable = new Uint8Array(0)
  #durableBytes = 0
  #pending: Pending[] = []
  /** Pending operations dropped from the front by syncs, so that an older sync does not count them twice. */
  #settledCount = 0

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** A copy. */
  read(position: number, lengthBytes: number): Uint8Array {
    const end = Math.min(position + lengthBytes, this.#sizeBytes)
    const bytes = piece(Math.max(0, end - position))
    bytes.set(this.#buffer.subarray(position, position + bytes.length))
    return bytes
  }

  /** A view. */
  get cache(): Uint8Array {
    return this.#buffer.subarray(0, this.#sizeBytes)
  }

  write(data: Uint8Array): void {
    const at = this.#sizeBytes
    const end = at + data.length
    if (end > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(end, this.#buffer.length * 2, firstBytes))
      grown.set(this.cache)
      this.#buffer = grown
    }
    this.#buffer.set(data, at)
    this.#sizeBytes = end
    // A view: what was written is never written over, a truncated file gets a buffer of its own.
    this.#pending.push({ kind: 'write', at, data: this.#buffer.subarray(at, end) })
  }

  truncate(sizeBytes: number): void {
    this.#buffer = resized(this.cache, sizeBytes)
    this.#sizeBytes = sizeBytes
    this.#pending.push({ kind: 'truncate', sizeBytes })
  }

  /** New content, durable. */
  replace(content: Uint8Array): void {
    this.#buffer = content.slice()
    this.#sizeBytes = content.length
    this.#durable = resized(content, content.length)
    this.#durableBytes = content.length
    this.forgetPending()
  }

  startSync(): number {
    return this.#settledCount + this.#pending.length
  }

  finishSync(count: number): void {
    const settled = this.#pending.splice(0, Math.max(0, count - this.#settledCount))
    this.#settledCount += settled.length
    for (const operation of settled) this.#persist(operation)
  }

  forgetPending(): void {
    this.#settledCount += this.#pending.length
    this.#pending = []
  }

  crash(mode: CrashMode, random: Random): void {
    const pending = this.#pending
    let kept: Pending[] = []
    if (mode === 'prefix' || mode === 'torn')
      kept = pending.slice(0, random.between(0, pending.length))
    if (mode === 'subset') kept = pending.filter(() => random.between(0, 1) === 1)
    for (const operation of kept) this.#persist(operation)
    if (mode === 'torn') this.#tear(pending[kept.length], random)
    this.replace(this.#durable.subarray(0, this.#durableBytes))
  }

  #persist(operation: Pending): void {
    if (operation.kind === 'truncate') {
      this.#durable = resized(this.#durable.subarray(0, this.#durableBytes), operation.sizeBytes)
      this.#durableBytes = operation.sizeBytes
      return
    }
    const { at, data } = operation
    this.#extendTo(at + data.length)
    this.#durable.set(data, at)
  }

  #extendTo(end: number): void {
    if (end > this.#durable.length) {
      this.#durable = resized(this.#durable, Math.max(end, this.#durable.length * 2, firstBytes))
    }
    this.#durableBytes = Math.max(this.#durableBytes, end)
  }

  #tear(operation: Pending | undefined, random: Random): void {
    if (operation === undefined || operation.kind !== 'write') return
    const { at, data } = operation
    const sectors = random.between(0, Math.floor(data.length / sectorBytes))
    const cut = sectors * sectorBytes || random.between(0, data.length)
    this.#persist({ kind: 'write', at, data: data.subarray(0, cut) })
    // The size was extended before the data arrived.
    if (random.between(0, 2) === 0) this.#extendTo(at + data.length)
  }

  clone(): SimInode {
    const copy = new SimInode()
    copy.replace(this.cache)
    return copy
  }
}

export class SimDirectory {
  entries = new Map<string, SimDirectory | SimInode>()
  durable = new Map<string, SimDirectory | SimInode>()

  get sizeBytes(): number {
    let sizeBytes = 0
    for (const node of this.entries.values()) sizeBytes += node.sizeBytes
    return sizeBytes
  }

  crash(mode: CrashMode, random: Random, done: Set<SimInode>): void {
    this.entries = new Map(this.durable)
    for (const node of this.entries.values()) {
      if (node instanceof SimDirectory) node.crash(mode, random, done)
      else if (!done.has(node)) {
        done.add(node)
        node.crash(mode, random)
      }
    }
  }

  clone(): SimDirectory {
    const copy = new SimDirectory()
    for (const [name, node] of this.entries) copy.entries.set(name, node.clone())
    copy.durable = new Map(copy.entries)
    return copy
  }
}

let slab = new ArrayBuffer(slabBytes)
let slabUsedBytes = 0

/** Memory for small reads comes from slabs: an array buffer of its own costs more than what is read into it. */
function piece(sizeBytes: number): Uint8Array {
  if (sizeBytes > pieceMaxBytes) return new Uint8Array(sizeBytes)
  if (slabUsedBytes + sizeBytes > slabBytes) {
    slab = new ArrayBuffer(slabBytes)
    slabUsedBytes = 0
  }
  const bytes = new Uint8Array(slab, slabUsedBytes, sizeBytes)
  slabUsedBytes += sizeBytes
  return bytes
}

function resized(bytes: Uint8Array, sizeBytes: number): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(sizeBytes)
  result.set(bytes.subarray(0, Math.min(bytes.length, sizeBytes)))
  return result
}
