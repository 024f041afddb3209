/**
 * Records inside a batch. Each is: length (varint), attributes (int8, unused), timestamp delta (varlong), offset delta
 * (varint), key and value (varint length, -1 null, bytes), header count (varint), headers (key as key above, never
 * null; value as value above). Varints are zigzag.
 */
import { ProtocolError } from '../errors.ts'

/**
 * Steps through records without making an object for any of them: after `next()`, the fields say where the parts of
 * the record are in `bytes`.
 */
export class RecordCursor {
  readonly bytes: Uint8Array
  /** Relative to the batch's base timestamp; rounded beyond ±2^53. */
  timestampDelta = 0
  offsetDelta = 0
  /** Index of the first byte; the length is -1 for null. */
  keyAt = 0
  keyLength = 0
  valueAt = 0
  valueLength = 0
  headerCount = 0
  /** Where the headers begin; `nextHeader` moves on from here. */
  headersAt = 0
  #at: number
  readonly #end: number

  constructor(bytes: Uint8Array, start: number = 0, end: number = bytes.length) {
    this.bytes = bytes
    this.#at = start
    this.#end = end
  }

  /** Bytes after the current record. */
  get remaining(): number {
    return this.#end - this.#at
  }

  /**
   * Moves to the next record and checks its whole structure.
   * @throws ProtocolError if it does not fit, in itself or into what remains
   */
  next(): void {
    const length = this.#varint()
    const end = this.#at + length
    if (length < 0 || end > this.#end)
      throw new ProtocolError(`a record of ${length} bytes does not fit into its batch`)
    this.#at++
    this.timestampDelta = this.#varlong()
    this.offsetDelta = this.#varint()
    this.keyLength = this.#varint()
    this.keyAt = this.#at
    this.#skip(this.keyLength, end)
    this.valueLength = this.#varint()
    this.valueAt = this.#at
    this.#skip(this.valueLength, end)
    this.headerCount = this.#varint()
    this.headersAt = this.#at
    // A header takes at least two bytes, its two lengths.
    if (this.headerCount < 0 || this.headerCount * 2 > end - this.#at) {
      throw new ProtocolError(`a record cannot have ${this.headerCount} headers`)
    }
    for (let header = 0; header < this.headerCount; header++) {
      const keyLength = this.#varint()
      if (keyLength < 0) throw new ProtocolError('a record header has no key')
      this.#skip(keyLength, end)
      this.#skip(this.#varint(), end)
    }
    if (this.#at !== end)
      throw new ProtocolError(`the parts of a record are not of its length, ${length}`)
  }

  /** Calls `visit` with each header of the current record, in order. */
  forEachHeader(
    visit: (keyAt: number, keyLength: number, valueAt: number, valueLength: number) => void,
  ): void {
    const after = this.#at
    this.#at = this.headersAt
    for (let header = 0; header < this.headerCount; header++) {
      const keyLength = this.#varint()
      const keyAt = this.#at
      this.#at += keyLength
      const valueLength = this.#varint()
      const valueAt = this.#at
      this.#at += Math.max(valueLength, 0)
      visit(keyAt, keyLength, valueAt, valueLength)
    }
    this.#at = after
  }

  /** Past `length` bytes; -1, null, has none. */
  #skip(length: number, end: number): void {
    if (length < -1 || length > end - this.#at)
      throw new ProtocolError('a part of a record does not fit into it')
    if (length > 0) this.#at += length
  }

  #varint(): number {
    const first = this.#at < this.#end ? this.bytes[this.#at]! : this.#cutOff()
    if (first < 0x80) {
      this.#at++
      return (first >>> 1) ^ -(first & 1)
    }
    let raw = 0
    for (let shift = 0; shift <= 28; shift += 7) {
      if (this.#at >= this.#end) this.#cutOff()
      const byte = this.bytes[this.#at++]!
      raw |= (byte & 0x7f) << shift
      if (byte < 0x80) return (raw >>> 1) ^ -(raw & 1)
    }
    throw new ProtocolError('varint is longer than five bytes')
  }

  #varlong(): number {
    let raw = 0
    let scale = 1
    for (let byteCount = 1; byteCount <= 10; byteCount++) {
      if (this.#at >= this.#end) this.#cutOff()
      const byte = this.bytes[this.#at++]!
      raw += (byte & 0x7f) * scale
      if (byte < 0x80)
        return (this.bytes[this.#at - byteCount]! & 1) === 0 ? raw / 2 : -(raw + 1) / 2
      scale *= 128
    }
    throw new ProtocolError('varlong is longer than ten bytes')
  }

  #cutOff(): never {
    throw new ProtocolError('a record is cut off')
  }
}

export const varintBytes = (value: number): number =>
  uvarintBytes(((value << 1) ^ (value >> 31)) >>> 0)

function uvarintBytes(raw: number): number {
  if (raw < 0x80) return 1
  if (raw < 0x4000) return 2
  if (raw < 0x200000) return 3
  return raw < 0x10000000 ? 4 : 5
}

export function varlongBytes(value: number): number {
  let count = 1
  for (let raw = value >= 0 ? value * 2 : -value * 2 - 1; raw >= 0x80; raw = Math.floor(raw / 128))
    count++
  return count
}
