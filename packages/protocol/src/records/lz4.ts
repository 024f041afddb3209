/**
 * Decoder of the LZ4 frame format, by hand because the output must be bounded exactly before it is allocated, which
 * the native binding does not offer. The frame's own checksums are not verified: the batch's CRC-32C covers them.
 */
import { OutputTooLargeError, ProtocolError } from '../errors.ts'

const FRAME_MAGIC = 0x184d2204
const FLAG_CONTENT_SIZE = 0x08
const FLAG_BLOCK_CHECKSUM = 0x10
const FLAG_DICTIONARY = 0x01
/** A block is at most 4 MiB by the format (§ Block Maximum Size). */
const BLOCK_BYTES_MAX = 4 * 1024 * 1024
/** What output is begun with per byte of input; doubles when it does not suffice. */
const FIRST_GUESS_RATIO = 4
/** Copies up to this long are cheaper byte by byte. */
const SHORT_COPY_BYTES = 32
const MATCH_BYTES_MIN = 4

/** Output so far: `bytes[0, size)`; grows by doubling, never beyond `maxBytes`. */
class Output {
  bytes: Uint8Array
  size = 0
  readonly #maxBytes: number

  constructor(firstBytes: number, maxBytes: number) {
    this.bytes = new Uint8Array(Math.min(firstBytes, maxBytes))
    this.#maxBytes = maxBytes
  }

  reserve(count: number): void {
    const needed = this.size + count
    if (needed <= this.bytes.length) return
    if (needed > this.#maxBytes) throw new OutputTooLargeError(this.#maxBytes)
    const grown = new Uint8Array(Math.min(this.#maxBytes, Math.max(needed, this.bytes.length * 2)))
    grown.set(this.bytes.subarray(0, this.size))
    this.bytes = grown
  }

  literals(source: Uint8Array, from: number, count: number): void {
    this.reserve(count)
    if (count <= SHORT_COPY_BYTES) {
      for (let index = 0; index < count; index++)
        this.bytes[this.size + index] = source[from + index]!
    } else {
      this.bytes.set(source.subarray(from, from + count), this.size)
    }
    this.size += count
  }

  /** Repeats what was written `distance` bytes ago; the ranges may overlap. */
  match(distance: number, count: number): void {
    if (distance === 0 || distance > this.size)
      throw new ProtocolError('lz4: match before the start')
    this.reserve(count)
    const from = this.size - distance
    if (distance >= count && count > SHORT_COPY_BYTES) {
      this.bytes.copyWithin(this.size, from, from + count)
    } else {
      for (let index = 0; index < count; index++)
        this.bytes[this.size + index] = this.bytes[from + index]!
    }
    this.size += count
  }
}

const uint32Le = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0

/**
 * The content of one frame.
 * @throws OutputTooLargeError if it is more than `maxBytes`
 * @throws ProtocolError if it is not a frame
 */
export function decompressLz4Frame(frame: Uint8Array, maxBytes: number): Uint8Array {
  if (frame.length < 7 || uint32Le(frame, 0) !== FRAME_MAGIC)
    throw new ProtocolError('lz4: no frame')
  const flags = frame[4]!
  if (flags >>> 6 !== 1) throw new ProtocolError('lz4: unknown version of the frame')
  if (flags & FLAG_DICTIONARY) throw new ProtocolError('lz4: dictionaries are not supported')
  const blockTrailerBytes = flags & FLAG_BLOCK_CHECKSUM ? 4 : 0
  let at = flags & FLAG_CONTENT_SIZE ? 15 : 7
  const output = new Output(frame.length * FIRST_GUESS_RATIO, maxBytes)
  for (;;) {
    if (at + 4 > frame.length) throw new ProtocolError('lz4: the frame is cut off')
    const sizeField = uint32Le(frame, at)
    at += 4
    if (sizeField === 0) return output.bytes.subarray(0, output.size)
    const stored = sizeField >= 0x80000000
    const size = stored ? sizeField - 0x80000000 : sizeField
    if (size > BLOCK_BYTES_MAX || at + size > frame.length)
      throw new ProtocolError('lz4: the block is cut off')
    if (stored) output.literals(frame, at, size)
    else decompressBlock(frame, at, at + size, output)
    at += size + blockTrailerBytes
  }
}

/** Sequences of literals and matches (LZ4 block format); the last one has literals only. */
function decompressBlock(bytes: Uint8Array, start: number, end: number, output: Output): void {
  let at = start
  while (at < end) {
    const token = bytes[at++]!
    let literalCount = token >>> 4
    if (literalCount === 15) {
      for (let more = 255; more === 255;) {
        if (at >= end) throw new ProtocolError('lz4: the length is cut off')
        more = bytes[at++]!
        literalCount += more
      }
    }
    if (at + literalCount > end) throw new ProtocolError('lz4: the literals are cut off')
    output.literals(bytes, at, literalCount)
    at += literalCount
    if (at === end) return
    if (at + 2 > end) throw new ProtocolError('lz4: the match is cut off')
    const distance = bytes[at]! | (bytes[at + 1]! << 8)
    at += 2
    let matchCount = (token & 15) + MATCH_BYTES_MIN
    if ((token & 15) === 15) {
      for (let more = 255; more === 255;) {
        if (at >= end) throw new ProtocolError('lz4: the length is cut off')
        more = bytes[at++]!
        matchCount += more
      }
    }
    output.match(distance, matchCount)
  }
}
