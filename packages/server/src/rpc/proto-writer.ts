/** Most messages between nodes fit; it comes from Node's own pool. */
const FIRST_BUFFER_BYTES = 256
/** From here on, handing the bytes over as a piece of their own is cheaper than copying them. */
const OWN_PIECE_BYTES_MIN = 1024
/** Continuation bit of a varint's byte. */
const MORE = 0x80
/** The low part of a 64-bit zigzag varint: four bytes of seven bits, one of which is the sign. */
const LOW_RANGE = 2 ** 27

/**
 * Writes protobuf into a list of pieces: large `bytes` become pieces themselves and are not copied, so whoever gave them
 * must leave them unchanged until the pieces are sent. What is small goes into one buffer; the length of a message is put
 * before it when it is known, by moving what follows.
 */
export class ProtoWriter {
  #buffer: Buffer = Buffer.allocUnsafe(FIRST_BUFFER_BYTES)
  #at = 0
  /** Pieces of others, and how much of `#buffer` comes before each. */
  readonly #inserted: Uint8Array[] = []
  readonly #insertedAt: number[] = []
  #insertedBytes = 0
  /** Of the messages that are open: where each begins, and what was inserted before it. */
  readonly #starts: number[] = []
  readonly #insertedBytesBefore: number[] = []

  uint32(value: number): this {
    this.#room(5)
    this.#varint(value >>> 0)
    return this
  }

  /** Zigzag; a safe integer. */
  sint64(value: number): this {
    this.#room(10)
    const sign = value < 0 ? 1 : 0
    const magnitude = value < 0 ? -value - 1 : value
    const low = (magnitude % LOW_RANGE) * 2 + sign
    const high = Math.floor(magnitude / LOW_RANGE)
    if (high === 0) {
      this.#varint(low)
      return this
    }
    for (let shift = 0; shift < 28; shift += 7) this.#buffer[this.#at++] = (low >>> shift) | MORE
    this.#varint(high)
    return this
  }

  bool(value: boolean): this {
    return this.uint32(value ? 1 : 0)
  }

  string(value: string): this {
    const sizeBytes = Buffer.byteLength(value, 'utf8')
    this.uint32(sizeBytes)
    this.#room(sizeBytes)
    this.#buffer.write(value, this.#at, sizeBytes === value.length ? 'latin1' : 'utf8')
    this.#at += sizeBytes
    return this
  }

  bytes(value: Uint8Array): this {
    this.uint32(value.length)
    return this.raw(value)
  }

  /** The bytes as they are, no length before them. */
  raw(value: Uint8Array): this {
    if (value.length >= OWN_PIECE_BYTES_MIN) {
      this.#inserted.push(value)
      this.#insertedAt.push(this.#at)
      this.#insertedBytes += value.length
      return this
    }
    this.#room(value.length)
    this.#buffer.set(value, this.#at)
    this.#at += value.length
    return this
  }

  /** Opens a message, whose length will stand here. */
  fork(): this {
    this.#starts.push(this.#at)
    this.#insertedBytesBefore.push(this.#insertedBytes)
    return this
  }

  /** Closes the message opened last. */
  ldelim(): this {
    const start = this.#starts.pop() as number
    const insertedBytes = this.#insertedBytes - (this.#insertedBytesBefore.pop() as number)
    const length = this.#at - start + insertedBytes
    const prefixBytes = varintBytes(length)
    this.#room(prefixBytes)
    const end = this.#at
    this.#buffer.copyWithin(start + prefixBytes, start, end)
    this.#at = start
    this.#varint(length)
    this.#at = end + prefixBytes
    if (insertedBytes === 0) return this
    for (let last = this.#insertedAt.length - 1; last >= 0; last--) {
      // Those that stand exactly at the start may belong before it; bytes inside of a message always follow a length.
      if ((this.#insertedAt[last] as number) <= start) break
      this.#insertedAt[last] = (this.#insertedAt[last] as number) + prefixBytes
    }
    return this
  }

  /** All that was written, in order. The writer is not to be used again. */
  pieces(): readonly Uint8Array[] {
    if (this.#inserted.length === 0) return [this.#buffer.subarray(0, this.#at)]
    const pieces: Uint8Array[] = []
    let from = 0
    this.#inserted.forEach((piece, index) => {
      const to = this.#insertedAt[index] as number
      if (to > from) pieces.push(this.#buffer.subarray(from, to))
      pieces.push(piece)
      from = to
    })
    if (this.#at > from) pieces.push(this.#buffer.subarray(from, this.#at))
    return pieces
  }

  /** The same as one. */
  finish(): Uint8Array {
    const pieces = this.pieces()
    return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces)
  }

  #varint(value: number): void {
    let rest = value
    while (rest >= MORE) {
      this.#buffer[this.#at++] = (rest & 0x7f) | MORE
      rest >>>= 7
    }
    this.#buffer[this.#at++] = rest
  }

  #room(count: number): void {
    const needed = this.#at + count
    if (needed <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2))
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#buffer = larger
  }
}

function varintBytes(value: number): number {
  let count = 1
  for (let rest = value; rest >= MORE; rest >>>= 7) count++
  return count
}
