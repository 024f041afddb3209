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

/** What one decoding leaves for the next, if its result is not kept: a usual batch, four times over. */
const SCRATCH_BYTES_MAX = 1024 * 1024
let scratch: Uint8Array = new Uint8Array(0)

/** Output so far: `bytes[0, size)`; grows by doubling, never beyond `maxBytes`. */
class Output {
  bytes: Uint8Array
  size = 0
  readonly #maxBytes: number
  readonly #isTransient: boolean

  constructor(firstBytes: number, maxBytes: number, isTransient: boolean) {
    this.#maxBytes = maxBytes
    this.#isTransient = isTransient
    this.bytes =
      isTransient && scratch.length > 0
        ? scratch.subarray(0, maxBytes)
        : new Uint8Array(Math.min(firstBytes, maxBytes))
  }

  /** Room for so many bytes after the first `size`, which stay. */
  reserve(size: number, count: number): Uint8Array {
    const needed = size + count
    if (needed <= this.bytes.length) return this.bytes
    if (needed > this.#maxBytes) throw new OutputTooLargeError(this.#maxBytes)
    const grown = new Uint8Array(Math.min(this.#maxBytes, Math.max(needed, this.bytes.length * 2)))
    grown.set(this.bytes.subarray(0, size))
    this.bytes = grown
    return grown
  }

  content(): Uint8Array {
    const { length } = this.bytes
    if (this.#isTransient && length > scratch.length && length <= SCRATCH_BYTES_MAX)
      scratch = this.bytes
    return this.bytes.subarray(0, this.size)
  }
}

const uint32Le = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0

/**
 * The content of one frame. `isTransient`: it is looked at before the next call and never kept, so its memory is used
 * again.
 * @throws OutputTooLargeError if it is more than `maxBytes`
 * @throws ProtocolError if it is not a frame
 */
export function decompressLz4Frame(
  frame: Uint8Array,
  maxBytes: number,
  isTransient = false,
): Uint8Array {
  if (frame.length < 7 || uint32Le(frame, 0) !== FRAME_MAGIC)
    throw new ProtocolError('lz4: no frame')
  const flags = frame[4]!
  if (flags >>> 6 !== 1) throw new ProtocolError('lz4: unknown version of the frame')
  if (flags & FLAG_DICTIONARY) throw new ProtocolError('lz4: dictionaries are not supported')
  const blockTrailerBytes = flags & FLAG_BLOCK_CHECKSUM ? 4 : 0
  let at = flags & FLAG_CONTENT_SIZE ? 15 : 7
  const output = new Output(frame.length * FIRST_GUESS_RATIO, maxBytes, isTransient)
  for (;;) {
    if (at + 4 > frame.length) throw new ProtocolError('lz4: the frame is cut off')
    const sizeField = uint32Le(frame, at)
    at += 4
    if (sizeField === 0) return output.content()
    const stored = sizeField >= 0x80000000
    const size = stored ? sizeField - 0x80000000 : sizeField
    if (size > BLOCK_BYTES_MAX || at + size > frame.length)
      throw new ProtocolError('lz4: the block is cut off')
    if (stored) copyStored(frame, at, size, output)
    else decompressBlock(frame, at, at + size, output)
    at += size + blockTrailerBytes
  }
}

function copyStored(frame: Uint8Array, at: number, size: number, output: Output): void {
  output.reserve(output.size, size).set(frame.subarray(at, at + size), output.size)
  output.size += size
}

/**
 * Sequences of literals and matches (LZ4 block format); the last one has literals only. One loop over local variables:
 * this is where all the time of an lz4 batch goes.
 */
function decompressBlock(bytes: Uint8Array, start: number, end: number, output: Output): void {
  let into = output.bytes
  let to = output.size
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
    if (to + literalCount > into.length) into = output.reserve(to, literalCount)
    if (literalCount <= SHORT_COPY_BYTES) {
      for (const stop = at + literalCount; at < stop;) into[to++] = bytes[at++]!
    } else {
      into.set(bytes.subarray(at, at + literalCount), to)
      to += literalCount
      at += literalCount
    }
    if (at === end) break
    if (at + 2 > end) throw new ProtocolError('lz4: the match is cut off')
    const distance = bytes[at]! | (bytes[at + 1]! << 8)
    at += 2
    let matchCount = (token & 15) + MATCH_BYTES_MIN
    if (matchCount === 15 + MATCH_BYTES_MIN) {
      for (let more = 255; more === 255;) {
        if (at >= end) throw new ProtocolError('lz4: the length is cut off')
        more = bytes[at++]!
        matchCount += more
      }
    }
    if (distance === 0 || distance > to) throw new ProtocolError('lz4: match before the start')
    if (to + matchCount > into.length) into = output.reserve(to, matchCount)
    let from = to - distance
    if (distance >= matchCount && matchCount > SHORT_COPY_BYTES) {
      into.copyWithin(to, from, from + matchCount)
      to += matchCount
    } else {
      // Repeats what was written so many bytes ago; the ranges may overlap.
      for (const stop = to + matchCount; to < stop;) into[to++] = into[from++]!
    }
  }
  output.size = to
}
