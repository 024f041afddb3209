import { type Uuid, zeroUuid } from '@trimaran/common'
import { ProtocolError } from './errors.ts'

/**
 * Array elements in one request, all nesting levels together. A server spends 1 to 4 µs on each, decoding, handling and
 * encoding, and answers nobody else meanwhile: this is half a second at the very worst. Requests name what one broker
 * leads or one group reads, some ten thousand partitions; a hundred thousand still pass.
 */
export const REQUEST_ELEMENTS_MAX = 128 * 1024
/** Answers come from servers one has chosen: metadata of 1 M partitions with 3 replicas holds 7 M elements. */
export const RESPONSE_ELEMENTS_MAX = 64 * 1024 * 1024

const INT64_HIGH_MIN = -(2 ** 21)
const INT64_HIGH_MAX = 2 ** 21
const SAFE_MAX = Number.MAX_SAFE_INTEGER

/**
 * Reads Kafka's primitive types from `[offset, end)` of `bytes`. Every length is checked against what remains before
 * anything is allocated by it. `bytes` and `records` are views on the input: copy what is to be kept.
 * @throws ProtocolError from every method, if the bytes end too early or are not what they must be
 *
 * Invariant: offset <= position <= end <= bytes.length
 */
export class Reader {
  position: number
  #end: number
  #elementsLeft: number
  readonly #buffer: Buffer

  constructor(
    bytes: Uint8Array,
    offset: number = 0,
    end: number = bytes.length,
    elementsMax: number = REQUEST_ELEMENTS_MAX,
  ) {
    this.#buffer = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.position = offset
    this.#end = Math.min(end, bytes.length)
    this.#elementsLeft = elementsMax
  }

  get remaining(): number {
    return this.#end - this.position
  }

  boolean(): boolean {
    return this.int8() !== 0
  }

  int8(): number {
    const at = this.#take(1)
    return (this.#buffer[at]! << 24) >> 24
  }

  int16(): number {
    const at = this.#take(2)
    const b = this.#buffer
    return (((b[at]! << 8) | b[at + 1]!) << 16) >> 16
  }

  uint16(): number {
    return this.int16() & 0xffff
  }

  int32(): number {
    const at = this.#take(4)
    const b = this.#buffer
    return (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!
  }

  uint32(): number {
    return this.int32() >>> 0
  }

  /** Whole numbers within ±2^53 - 1: offsets, epochs, ids and times never leave it. */
  int64(): number {
    const at = this.#take(8)
    const b = this.#buffer
    const high = (b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!
    const low = ((b[at + 4]! << 24) | (b[at + 5]! << 16) | (b[at + 6]! << 8) | b[at + 7]!) >>> 0
    const value = high * 4294967296 + low
    if (high >= INT64_HIGH_MAX || high < INT64_HIGH_MIN || value < -SAFE_MAX) {
      throw new ProtocolError(`int64 ${high}·2^32 + ${low} is out of the range of ±2^53`)
    }
    return value
  }

  /** Values beyond ±2^53 are drawn to the end of the range: for bounds, where "later than all" is what is meant. */
  saturatedInt64(): number {
    const high = this.int32()
    const value = high * 4294967296 + this.uint32()
    return Math.max(-SAFE_MAX, Math.min(SAFE_MAX, value))
  }

  float64(): number {
    return this.#buffer.readDoubleBE(this.#take(8))
  }

  /** Up to five bytes; longer than needed is fine, as in Kafka. */
  uvarint(): number {
    const b = this.#buffer
    const first = b[this.#take(1)]!
    if (first < 0x80) return first
    let value = first & 0x7f
    for (let shift = 7; shift <= 28; shift += 7) {
      const byte = b[this.#take(1)]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    throw new ProtocolError('varint is longer than five bytes')
  }

  /** Zigzag, as inside records. */
  varint(): number {
    const raw = this.uvarint()
    return (raw >>> 1) ^ -(raw & 1)
  }

  /** Zigzag of 64 bits, up to ten bytes; values within ±2^52, since twice the value must be exact. */
  varlong(): number {
    let raw = 0
    let scale = 1
    for (let byteCount = 1; byteCount <= 10; byteCount++) {
      const byte = this.#buffer[this.#take(1)]!
      raw += (byte & 0x7f) * scale
      scale *= 128
      if (byte >= 0x80) continue
      if (raw > SAFE_MAX) throw new ProtocolError('varlong is out of the range of ±2^52')
      return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2
    }
    throw new ProtocolError('varlong is longer than ten bytes')
  }

  uuid(): Uuid {
    const at = this.#take(16)
    const b = this.#buffer
    for (let index = at; index < at + 16; index++) {
      if (b[index] !== 0) return b.toString('base64url', at, at + 16)
    }
    return zeroUuid
  }

  string(): string {
    return this.#text(this.#notNull(this.int16()))
  }

  nullableString(): string | null {
    const length = this.int16()
    return length < 0 ? null : this.#text(length)
  }

  compactString(): string {
    return this.#text(this.#notNull(this.uvarint() - 1))
  }

  compactNullableString(): string | null {
    const length = this.uvarint() - 1
    return length < 0 ? null : this.#text(length)
  }

  bytes(): Uint8Array {
    return this.view(this.#notNull(this.int32()))
  }

  nullableBytes(): Uint8Array | null {
    const length = this.int32()
    return length < 0 ? null : this.view(length)
  }

  compactBytes(): Uint8Array {
    return this.view(this.#notNull(this.uvarint() - 1))
  }

  compactNullableBytes(): Uint8Array | null {
    const length = this.uvarint() - 1
    return length < 0 ? null : this.view(length)
  }

  /** The next `lengthBytes` of the input itself. */
  view(lengthBytes: number): Uint8Array {
    const at = this.#take(lengthBytes)
    return new Uint8Array(this.#buffer.buffer, this.#buffer.byteOffset + at, lengthBytes)
  }

  /**
   * Length of an array whose elements take at least `elementBytesMin` (≥ 1) each; the memory of what follows is then
   * bounded by the bytes that are there.
   */
  arrayLength(elementBytesMin: number): number {
    return this.#elements(this.#notNull(this.int32()), elementBytesMin)
  }

  /** The same; -1 is null, and so is any other negative length, as in Kafka. */
  nullableArrayLength(elementBytesMin: number): number {
    const count = this.int32()
    return count < 0 ? -1 : this.#elements(count, elementBytesMin)
  }

  compactArrayLength(elementBytesMin: number): number {
    return this.#elements(this.#notNull(this.uvarint() - 1), elementBytesMin)
  }

  compactNullableArrayLength(elementBytesMin: number): number {
    const count = this.uvarint() - 1
    return count < 0 ? -1 : this.#elements(count, elementBytesMin)
  }

  /** Skips a section of tagged fields (KIP-482) of which none is known here. */
  skipTags(): void {
    for (let count = this.uvarint(); count > 0; count--) {
      this.uvarint()
      this.#take(this.uvarint())
    }
  }

  /** Begins a tagged field: reads no further than its announced size until `closeTag`, which takes what this returns. */
  openTag(): number {
    const outerEnd = this.#end
    const size = this.uvarint()
    if (size > this.remaining) this.#cutOff(size)
    this.#end = this.position + size
    return outerEnd
  }

  /** Ends the tagged field; what a newer version may have added to it is skipped. */
  closeTag(outerEnd: number): void {
    this.position = this.#end
    this.#end = outerEnd
  }

  #text(lengthBytes: number): string {
    const at = this.#take(lengthBytes)
    return lengthBytes === 0 ? '' : this.#buffer.toString('utf8', at, at + lengthBytes)
  }

  #notNull(length: number): number {
    if (length < 0) throw new ProtocolError('null where the protocol allows none')
    return length
  }

  #elements(count: number, elementBytesMin: number): number {
    if (count * elementBytesMin > this.remaining) {
      throw new ProtocolError(
        `an array of ${count} elements, but only ${this.remaining} bytes remain`,
      )
    }
    this.#elementsLeft -= count
    if (this.#elementsLeft < 0) throw new ProtocolError('the message holds too many array elements')
    return count
  }

  /** Position of the next `count` bytes, which are there. */
  #take(count: number): number {
    const at = this.position
    if (count > this.#end - at) this.#cutOff(count)
    this.position = at + count
    return at
  }

  #cutOff(count: number): never {
    throw new ProtocolError(`${count} bytes wanted, but only ${this.remaining} remain`)
  }
}
