import { connect, type Socket } from 'node:net'
import type { HostPort } from '@trimaran/common'
import { ConnectionError } from '../client/connection.ts'

const connectTimeoutMs = 3000
/** One read of the kernel's buffer; larger ones gain nothing, smaller ones cost a call each. */
const RECEIVE_BYTES = 256 * 1024
/** Bytes are looked at before the next read, so all sockets of a thread share one buffer that stays in the cache. */
const received = Buffer.allocUnsafeSlow(RECEIVE_BYTES)

export interface SocketEvents {
  /** `bytes[0, end)` are gone after this call. */
  readonly onBytes: (bytes: Buffer, end: number) => void
  /** Once; not after `close`. */
  readonly onBroken: (error: ConnectionError) => void
}

/** A TCP connection without a buffer, a promise or a timer per request. */
export class RawSocket {
  readonly #socket: Socket
  #isOpen = true

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  static async connect(address: HostPort, events: SocketEvents): Promise<RawSocket> {
    const name = `${address.host}:${address.port}`
    let opened: RawSocket | null = null
    const give = (why: string): void => {
      if (opened === null || !opened.#isOpen) return
      opened.close()
      events.onBroken(new ConnectionError(`${name}: ${why}`))
    }
    const socket = connect({
      ...address,
      noDelay: true,
      onread: {
        buffer: received,
        callback: (count, bytes) => {
          try {
            if (opened !== null && opened.#isOpen) events.onBytes(bytes as Buffer, count)
          } catch (error) {
            give((error as Error).message)
          }
          return true
        },
      },
    })
    await new Promise<void>((settle, fail) => {
      const refuse = (why: string): void => {
        clearTimeout(timer)
        socket.destroy()
        fail(new ConnectionError(`${name}: ${why}`))
      }
      const timer = setTimeout(() => refuse('no answer'), connectTimeoutMs)
      socket.once('error', error => refuse(error.message))
      socket.once('connect', () => {
        clearTimeout(timer)
        socket.removeAllListeners('error')
        settle()
      })
    })
    opened = new RawSocket(socket)
    socket.on('error', error => give(error.message))
    socket.on('close', () => give('the connection was closed'))
    return opened
  }

  /** All parts in one system call. `onWritten`: the kernel has them all. */
  write(parts: readonly Buffer[], onWritten?: () => void): void {
    const last = parts.length - 1
    this.#socket.cork()
    for (let at = 0; at < last; at++) this.#socket.write(parts[at] as Buffer)
    if (onWritten === undefined) this.#socket.write(parts[last] as Buffer)
    else
      this.#socket.write(parts[last] as Buffer, error => {
        if (error === null || error === undefined) onWritten()
      })
    this.#socket.uncork()
  }

  close(): void {
    this.#isOpen = false
    this.#socket.destroy()
  }
}

/** No answer is longer: a fetch asks for 50 MiB and may get one batch more. */
const FRAME_BYTES_MAX = 256 * 1024 * 1024

/** Puts frames together: whole ones are looked at where they were received. */
export class FrameAssembler {
  readonly #onFrame: (bytes: Buffer, at: number, end: number) => void
  /** The beginning of a frame whose end is still to come. */
  #partial: Buffer = Buffer.alloc(0)
  #partialBytes = 0

  constructor(onFrame: (bytes: Buffer, at: number, end: number) => void) {
    this.#onFrame = onFrame
  }

  /** What follows is of another connection. */
  reset(): void {
    this.#partialBytes = 0
  }

  push(bytes: Buffer, end: number): void {
    let at = 0
    while (this.#partialBytes > 0 && at < end) {
      const wanted = this.#wanted()
      const taken = Math.min(wanted - this.#partialBytes, end - at)
      this.#keep(bytes, at, at + taken, wanted)
      at += taken
      if (this.#partialBytes >= 4 && this.#partialBytes === this.#wanted()) {
        const frameEnd = this.#partialBytes
        this.#partialBytes = 0
        this.#onFrame(this.#partial, 4, frameEnd)
      }
    }
    while (end - at >= 4) {
      const frameEnd = at + 4 + sizeAt(bytes, at)
      if (frameEnd > end) break
      this.#onFrame(bytes, at + 4, frameEnd)
      at = frameEnd
    }
    if (at < end) this.#keep(bytes, at, end, end - at)
  }

  #wanted(): number {
    return this.#partialBytes < 4 ? 4 : 4 + sizeAt(this.#partial, 0)
  }

  #keep(bytes: Buffer, from: number, to: number, capacity: number): void {
    if (this.#partial.length < capacity) {
      const larger = Buffer.allocUnsafeSlow(capacity)
      larger.set(this.#partial.subarray(0, this.#partialBytes))
      this.#partial = larger
    }
    this.#partial.set(bytes.subarray(from, to), this.#partialBytes)
    this.#partialBytes += to - from
  }
}

function sizeAt(bytes: Buffer, at: number): number {
  const size = bytes.readInt32BE(at)
  if (size < 4 || size > FRAME_BYTES_MAX)
    throw new ConnectionError(`a frame of ${size} bytes: this is not a Kafka listener`)
  return size
}
