import { assert } from '@trimaran/common'
import { setInt16, setInt32, setInt64 } from './big-endian.ts'

/** Most requests and answers of the control kind fit, and it comes from Node's own 8 KiB pool. */
const FIRST_CHUNK_BYTES = 512
/** Chunks double up to this: less would mean more parts per write, more would leave more unused. */
const CHUNK_BYTES_MAX = 64 * 1024
/** From here on, handing the bytes over as a part of their own is cheaper than copying them. */
const PASS_THROUGH_BYTES_MIN = 1024

/** int16 lengths of strings and headers of non-flexible versions end here. */
const INT16_MAX = 0x7fff
/** Its double is the largest number that is still exact. */
const VARLONG_MAX = 2 ** 52 - 1

/**
 * Writes Kafka's primitive types into a list of chunks. Nothing is copied when it grows, and large `bytes` and
 * `records` become chunks themselves: whoever gave them must leave them unchanged until the chunks are sent.
 */
export class Writer {
  #chunks: Uint8Array[] = []
  /** Bytes in `#chunks`. */
  #chunksBytes = 0
  #buffer: Buffer
  /** `#buffer[#start, #at)` is written and not yet in `#chunks`. */
  #start = 0
  #at = 0

  constructor(firstChunkBytes: number = FIRST_CHUNK_BYTES) {
    this.#buffer = Buffer.allocUnsafe(firstChunkBytes)
  }

  get sizeBytes(): number {
    return this.#chunksBytes + this.#at - this.#start
  }

  boolean(value: boolean): void {
    this.int8(value ? 1 : 0)
  }

  int8(value: number): void {
    const at = this.#take(1)
    this.#buffer[at] = value
  }

  int16(value: number): void {
    const at = this.#take(2)
    setInt16(this.#buffer, at, value)
  }

  uint16(value: number): void {
    this.int16(value)
  }

  int32(value: number): void {
    const at = this.#take(4)
    setInt32(this.#buffer, at, value)
  }

  uint32(value: number): void {
    this.int32(value)
  }

  /** A whole number within ±2^53. */
  int64(value: number): void {
    const at = this.#take(8)
    setInt64(this.#buffer, at, value)
  }

  /** The ends of ±2^53 stand for those of 64 bits. */
  saturatedInt64(value: number): void {
    if (Math.abs(value) < Number.MAX_SAFE_INTEGER) return this.int64(value)
    this.int32(value > 0 ? 0x7fffffff : -0x80000000)
    this.int32(value > 0 ? -1 : 0)
  }

  float64(value: number): void {
    const at = this.#take(8)
    this.#buffer.writeDoubleBE(value, at)
  }

  uvarint(value: number): void {
    let at = this.#take(5)
    const b = this.#buffer
    let rest = value >>> 0
    while (rest >= 0x80) {
      b[at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    b[at++] = rest
    this.#at = at
  }

  /** Zigzag, as inside records. */
  varint(value: number): void {
    this.uvarint((value << 1) ^ (value >> 31))
  }

  /** Zigzag of 64 bits; `value` is within ±2^52, since twice the value must be exact. */
  varlong(value: number): void {
    assert(Math.abs(value) <= VARLONG_MAX, `varlong of ${value}`)
    let rest = value >= 0 ? value * 2 : -value * 2 - 1
    while (rest >= 0x80) {
      this.int8((rest % 128) | 0x80)
      rest = Math.floor(rest / 128)
    }
    this.int8(rest)
  }

  /** 22 characters of base64url. */
  uuid(value: string): void {
    const at = this.#take(16)
    const written = value.length === 22 ? this.#buffer.write(value, at, 16, 'base64url') : 0
    assert(written === 16, `a uuid is 22 characters of base64url, not "${value}"`)
  }

  string(value: string): void {
    const size = textBytes(value)
    assert(
      size <= INT16_MAX,
      `a string of ${size} bytes is too long for this version of the message`,
    )
    this.int16(size)
    this.#text(value, size)
  }

  nullableString(value: string | null): void {
    if (value === null) this.int16(-1)
    else this.string(value)
  }

  compactString(value: string): void {
    const size = textBytes(value)
    this.uvarint(size + 1)
    this.#text(value, size)
  }

  compactNullableString(value: string | null): void {
    if (value === null) this.uvarint(0)
    else this.compactString(value)
  }

  bytes(value: Uint8Array): void {
    this.int32(value.length)
    this.raw(value)
  }

  nullableBytes(value: Uint8Array | null): void {
    if (value === null) this.int32(-1)
    else this.bytes(value)
  }

  compactBytes(value: Uint8Array): void {
    this.uvarint(value.length + 1)
    this.raw(value)
  }

  compactNullableBytes(value: Uint8Array | null): void {
    if (value === null) this.uvarint(0)
    else this.compactBytes(value)
  }

  /** Length prefix of an array; -1 is null. */
  arrayLength(count: number): void {
    this.int32(count)
  }

  compactArrayLength(count: number): void {
    this.uvarint(count + 1)
  }

  /** The bytes as they are, no length before them. */
  raw(value: Uint8Array): void {
    if (value.length >= PASS_THROUGH_BYTES_MIN) {
      this.#flush()
      this.#chunks.push(value)
      this.#chunksBytes += value.length
    } else {
      const at = this.#take(value.length)
      this.#buffer.set(value, at)
    }
  }

  /** One tagged field (KIP-482); the caller writes them in order of their tags, after their count. */
  taggedField(tag: number, content: Writer): void {
    this.uvarint(tag)
    this.uvarint(content.sizeBytes)
    for (const chunk of content.finish()) this.raw(chunk)
  }

  /** All that was written, in order. The writer is not to be used again. */
  finish(): readonly Uint8Array[] {
    this.#flush()
    return this.#chunks
  }

  /** The same, preceded by its size: the first thing written must have been an int32 to hold it. */
  finishFrame(): readonly Uint8Array[] {
    this.#flush()
    setInt32(this.#chunks[0]!, 0, this.#chunksBytes - 4)
    return this.#chunks
  }

  /** The same as one piece of exactly its size: nothing larger is kept alive by it. */
  finishOne(): Uint8Array {
    const whole = new Uint8Array(this.sizeBytes)
    let at = 0
    for (const chunk of this.finish()) {
      whole.set(chunk, at)
      at += chunk.length
    }
    return whole
  }

  #text(value: string, sizeBytes: number): void {
    if (sizeBytes === 0) return
    const at = this.#take(sizeBytes)
    if (sizeBytes === value.length) this.#buffer.write(value, at, sizeBytes, 'latin1')
    else this.#buffer.write(value, at, sizeBytes, 'utf8')
  }

  #flush(): void {
    if (this.#at === this.#start) return
    this.#chunks.push(this.#buffer.subarray(this.#start, this.#at))
    this.#chunksBytes += this.#at - this.#start
    this.#start = this.#at
  }

  /** Position of `count` free bytes in `#buffer`. */
  #take(count: number): number {
    let at = this.#at
    if (at + count > this.#buffer.length) {
      this.#flush()
      const size = Math.max(count, Math.min(this.#buffer.length * 2, CHUNK_BYTES_MAX))
      this.#buffer = Buffer.allocUnsafe(size)
      this.#start = 0
      at = 0
    }
    this.#at = at + count
    return at
  }
}

/** Bytes of `value` in UTF-8. */
function textBytes(value: string): number {
  return Buffer.byteLength(value, 'utf8')
}
