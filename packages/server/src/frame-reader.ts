import { passOn } from '@trimaran/common'

const SIZE_BYTES = 4

/** The bytes are no Kafka frame; `message` says why in words for an operator, and the connection is to be closed. */
export class FramingError extends Error {
  override readonly name = 'FramingError'
}

/**
 * Cuts a byte stream into frames: four bytes of size, then that many. Keeps the chunks as they came, and nothing is
 * allocated by an announced size; a frame within one chunk is a view on it.
 */
export class FrameReader {
  readonly #maxFrameBytes: number
  #chunks: Buffer[] = []
  #bufferedBytes = 0
  /** Of the frame that is being received; −1 while its size is not complete. */
  #frameBytes = -1

  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes
  }

  /** Bytes received and not given out. */
  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  add(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bufferedBytes += chunk.length
  }

  /** The next whole frame without its size, or null. Throws FramingError. */
  next(): Uint8Array | null {
    if (this.#frameBytes < 0) {
      if (this.#bufferedBytes < SIZE_BYTES) return null
      const head = this.#take(SIZE_BYTES)
      const size = head.readInt32BE(0)
      if (size <= 0 || size > this.#maxFrameBytes) {
        throw new FramingError(this.#whatCame(head, size))
      }
      this.#frameBytes = size
    }
    if (this.#bufferedBytes < this.#frameBytes) return null
    const frame = this.#take(this.#frameBytes)
    this.#frameBytes = -1
    return frame
  }

  #take(count: number): Buffer {
    this.#bufferedBytes -= count
    const first = this.#chunks[0] as Buffer
    if (first.length > count) {
      this.#chunks[0] = first.subarray(count)
      return first.subarray(0, count)
    }
    if (first.length === count) {
      this.#chunks.shift()
      return first
    }
    const parts: Buffer[] = []
    let missing = count
    let used = 0
    while (missing > 0) {
      const chunk = this.#chunks[used] as Buffer
      if (chunk.length > missing) {
        parts.push(chunk.subarray(0, missing))
        this.#chunks[used] = chunk.subarray(missing)
        missing = 0
      } else {
        parts.push(chunk)
        missing -= chunk.length
        used++
      }
    }
    const whole = this.#chunks.splice(0, used)
    const frame = Buffer.concat(parts, count)
    for (const chunk of whole) release(chunk)
    return passOn(frame)
  }

  #whatCame(head: Buffer, size: number): string {
    if (head[0] === 0x16 && head[1] === 3) return 'a TLS handshake on a plaintext listener'
    if (httpMethods.has(head.toString('latin1'))) return 'an HTTP request on a Kafka listener'
    if (size <= 0) return `a request of ${size} bytes`
    return `a request of ${size} bytes; socket.request.max.bytes is ${this.#maxFrameBytes}`
  }
}

/**
 * Gives the memory of a chunk that was copied back at once, instead of leaving it to the garbage collector: the next chunk
 * takes the same. A chunk of which a part was given out, or that is one itself, is left alone.
 */
function release(chunk: Buffer): void {
  const { buffer } = chunk
  if (buffer instanceof ArrayBuffer && chunk.length === buffer.byteLength) buffer.transfer(0)
}

const httpMethods = new Set([
  'GET ',
  'POST',
  'PUT ',
  'HEAD',
  'OPTI',
  'DELE',
  'PATC',
  'CONN',
  'PRI ',
])
