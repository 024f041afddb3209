import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'
import { Transform, type TransformCallback } from 'node:stream'
import type { HostPort } from '@trimaran/common'

/** Dials of one node into a partition: five a second for a minute, before the ones that were given up are gone. */
const connectionsMax = 512
/** Of one connection and direction, while it is delayed: what arrives beyond stays in the kernel's buffers. */
const delayedBytesMax = 1024 * 1024

/** One direction of all connections of a proxy. While it is shut, nothing passes: no byte, no FIN, no RST. */
class Valve {
  delayMs = 0
  #isOpen = true
  #waiting: (() => void)[] = []

  get isOpen(): boolean {
    return this.#isOpen
  }

  set isOpen(isOpen: boolean) {
    this.#isOpen = isOpen
    if (!isOpen) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const action of waiting) action()
  }

  whenOpen(action: () => void): void {
    if (this.#isOpen) action()
    else this.#waiting.push(action)
  }
}

/** Bytes of one connection in one direction. Who is not let through is not read on: back-pressure does the rest. */
class Gate extends Transform {
  readonly #valve: Valve
  #delayedBytes = 0
  /** Of the last chunk that was delayed: a later one never overtakes it. */
  #lastDueMs = 0
  #full: (() => void) | null = null

  constructor(valve: Valve) {
    super()
    this.#valve = valve
  }

  override _transform(chunk: Buffer, _: BufferEncoding, taken: TransformCallback): void {
    this.#later(chunk.length, () => this.push(chunk))
    if (this.#delayedBytes <= delayedBytesMax && this.#valve.isOpen) taken()
    else this.#full = taken
  }

  override _flush(ended: TransformCallback): void {
    this.#later(0, ended)
  }

  #later(sizeBytes: number, action: () => void): void {
    const nowMs = performance.now()
    const dueMs = Math.max(nowMs + this.#valve.delayMs, this.#lastDueMs)
    this.#lastDueMs = dueMs
    this.#delayedBytes += sizeBytes
    const pass = (): void =>
      this.#valve.whenOpen(() => {
        if (this.destroyed) return
        this.#delayedBytes -= sizeBytes
        action()
        if (this.#delayedBytes > delayedBytesMax) return
        // It brings the next chunk in the same breath, and with it the next such callback.
        const taken = this.#full
        this.#full = null
        taken?.()
      })
    if (dueMs <= nowMs) pass()
    else setTimeout(pass, dueMs - nowMs)
  }
}

/**
 * An address that stands for another one, and can be cut: bytes stay unread then, as on a network that lost its way; nobody is
 * told anything. What was sent meanwhile arrives when it is mended. Only a dial succeeds where a real one would not: the
 * connection is taken by this machine's kernel, and says nothing.
 */
export class LinkProxy {
  /** From who dials to the target, and back. */
  readonly there = new Valve()
  readonly back = new Valve()
  readonly #target: HostPort
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(target: HostPort) {
    this.#target = target
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
      this.#keep(socket)
      this.there.whenOpen(() => this.#join(socket))
    })
    this.#server.maxConnections = connectionsMax
  }

  static async open(target: HostPort): Promise<LinkProxy> {
    const proxy = new LinkProxy(target)
    await new Promise<void>((settle, fail) => {
      proxy.#server.once('error', fail)
      proxy.#server.listen({ host: '127.0.0.1', port: 0 }, settle)
    })
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Of each byte, in each direction. */
  set delayMs(delayMs: number) {
    this.there.delayMs = delayMs
    this.back.delayMs = delayMs
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #join(dialler: Socket): void {
    if (dialler.destroyed) return
    const target = connect({ ...this.#target, allowHalfOpen: true, noDelay: true })
    this.#keep(target)
    this.#tie(dialler, target, this.there)
    this.#tie(target, dialler, this.back)
  }

  /** Until it closes, joined or not. */
  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
  }

  #tie(from: Socket, to: Socket, valve: Valve): void {
    from.pipe(new Gate(valve)).pipe(to)
    // A reset, a refused dial, or both directions at their ends: told once it can be told.
    from.on('close', isBroken => {
      valve.whenOpen(() => {
        if (isBroken) to.resetAndDestroy()
      })
    })
  }
}
