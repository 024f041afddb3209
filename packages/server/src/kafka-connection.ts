import type { Socket } from 'node:net'
import { CloseConnection } from '@trimaran/broker'
import type { ConnectionContext } from '@trimaran/broker'
import { giveBack, isPassing, type LogEvent } from '@trimaran/common'
import type { BacklogPace } from './backlog-pace.ts'
import type { ByteBudget, PipelineBudget, UnreadBudget } from './byte-budget.ts'
import { FrameReader, FramingError } from './frame-reader.ts'

/** Requests of one connection that are being handled. */
const MAX_IN_FLIGHT = 64
/** Of these, what each has for itself: as many as Kafka's clients keep (max.in.flight.requests.per.connection). */
const OWN_IN_FLIGHT = 5
/** Frames handled before the event loop gets its turn: one connection's thousand small requests are not one stall. */
const FRAMES_PER_TURN = 64
/** Answers that a client does not read: beyond, its requests wait. One answer of each kind may pass it once. */
const MAX_UNREAD_BYTES = 1024 * 1024
/** Bytes of requests being handled for one connection; beyond, the rest stays in the kernel. One frame may pass it. */
const MAX_REQUEST_BYTES = 8 * 1024 * 1024
/**
 * Requests that are read while earlier ones have to be done first. Who reads nothing does not hear of a reset either, and
 * keeps what the connection holds until the long poll before it ends: a few hundred small requests are read ahead.
 */
const READ_AHEAD_BYTES = 64 * 1024
/** More requests waiting than may be under way, for so long: no burst, but a client that does not wait for answers. */
const BACKLOG_MS = 250
const SIZE_BYTES = 4
const LINGER_MS = 1_000
/** Its answers are small, whatever it asks for, and it is the only request that clients pipeline for speed. */
const PRODUCE_KEY = 0

export interface ConnectionHost {
  readonly maxFrameBytes: number
  /** Of requests. */
  readonly budget: ByteBudget
  /** Of answers that are written and that clients have not read. */
  readonly unread: UnreadBudget
  /** Of requests beyond those that each connection may have under way. */
  readonly pipeline: PipelineBudget
  /** For clients that have more waiting than that for long. */
  readonly pace: BacklogPace
  readonly logEvent: LogEvent
  /** Null: no answer. A rejection closes the connection after the answers before it. */
  handle(context: ConnectionContext, frame: Uint8Array): Promise<readonly Uint8Array[] | null>
  nowMs(): number
  /** A rejection that is not a wish to close the connection: a broken invariant may be behind it. */
  failed(error: unknown): void
  closed(connection: KafkaConnection): void
}

/** An answer in its place in the order of the requests. */
interface Slot {
  readonly apiKey: number
  /** Of the frame, with its size. */
  readonly heldBytes: number
  /** Taken from `pipeline`. */
  readonly isPipelined: boolean
  answer: readonly Uint8Array[] | null | undefined
  closeReason: string | null
}

/**
 * One client: frames in, answers out in the order of the requests. `handle` is called without waiting for earlier
 * answers; what limits a client is what it has in flight and what it does not read. Apart from Produce a request waits
 * for the answer to an earlier one of its kind to be written: how large an answer will be is known only when it is there,
 * and fifty fetches at once are fifty times `fetch.max.bytes`. (Kafka lets every request wait so.)
 */
export class KafkaConnection {
  readonly context: ClosableContext
  readonly #socket: Socket
  readonly #host: ConnectionHost
  readonly #frames: FrameReader
  readonly #slots: Slot[] = []
  #inFlightBytes = 0
  /** The next frame, where it was looked at and has to wait. */
  #next: Uint8Array | null = null
  /** If it has to wait: since when. */
  #waitsSinceMs: number | null = null
  /** Since when there has always been one more than may be under way; null: there is not. */
  #backlogSinceMs: number | null = null
  /** Until it may ask again. */
  #pace: NodeJS.Timeout | null = null
  /** It has had to wait for being backlogged, and still is. */
  #isPaced = false
  /** Of its answers, as `unread` knows. */
  #unreadBytes = 0
  #progressMs: number
  /** Bytes that the budget holds for it: received, and in flight. */
  #heldBytes = 0
  #lastActiveMs: number
  #paused = false
  #turnPending = false
  #corked = false
  #uncorkPending = false
  /** Since when the client sends no more; what it has sent is still handled. */
  #inputEndedMs: number | null = null
  /** No further request is handled; what comes is thrown away. */
  #closing = false
  #ended = false

  constructor(socket: Socket, context: ClosableContext, host: ConnectionHost) {
    this.#socket = socket
    this.context = context
    this.#host = host
    this.#frames = new FrameReader(host.maxFrameBytes)
    this.#lastActiveMs = host.nowMs()
    this.#progressMs = this.#lastActiveMs
    socket.setNoDelay(true)
    socket.on('data', chunk => this.#received(chunk))
    socket.on('drain', () => {
      this.countUnread()
      this.#work()
    })
    socket.on('end', () => this.#halfClosed())
    socket.on('error', err =>
      this.#host.logEvent('debug', 'connection failed', { ...this.#names(), err }),
    )
    socket.on('close', () => this.#gone())
  }

  /** Since when nothing happens and nothing is awaited; null while a request is being handled. */
  get idleSinceMs(): number | null {
    return this.#slots.length > 0 ? null : this.#lastActiveMs
  }

  /**
   * Since when a client that sends no more lets nothing happen: it waits for a request to be handled, or does not read what
   * was answered. Null: it may still send.
   */
  get halfClosedSinceMs(): number | null {
    const endedMs = this.#inputEndedMs
    if (endedMs === null || this.#slots.length > 0) return endedMs
    return Math.max(endedMs, this.#progressMs)
  }

  /** Since when the client takes nothing of what was written for it; null: nothing waits. */
  get unreadSinceMs(): number | null {
    return this.#unreadBytes === 0 ? null : this.#progressMs
  }

  /** Tells the node's budget what waits in this socket. */
  countUnread(): void {
    const unread = this.#socket.destroyed ? 0 : this.#socket.writableLength
    const change = unread - this.#unreadBytes
    if (change === 0) return
    if (change < 0 || this.#unreadBytes === 0) this.#progressMs = this.#host.nowMs()
    this.#unreadBytes = unread
    if (change > 0) this.#host.unread.hold(change)
    else this.#host.unread.release(-change)
  }

  /** Holds the right to finish its frame over the node's budget. */
  get isPrivileged(): boolean {
    return this.#host.budget.isPrivileged(this)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** No further request; the answers under way are still written. */
  finish(): void {
    this.#closing = true
    this.#flush()
  }

  #received(chunk: Buffer): void {
    if (this.#closing) return
    this.#lastActiveMs = this.#host.nowMs()
    this.#frames.add(chunk)
    this.#hold(chunk.length)
    this.#work()
  }

  /** Handles the frames that are whole, as far as the bounds allow, and decides whether to read on. */
  #work(): void {
    if (this.#turnPending || this.#closing) return
    let isFull = false
    for (let handled = 0; !isFull; handled++) {
      if (handled === FRAMES_PER_TURN) {
        this.#nextTurn()
        return
      }
      const frame = this.#peek()
      if (frame === null) {
        this.#backlogSinceMs = null
        this.#isPaced = false
        break
      }
      isFull = !this.#mayHandle(frame)
      if (isFull) this.#waitsSinceMs ??= this.#lastActiveMs
      else this.#handle(frame)
    }
    if (this.#closing) return
    if (isFull && this.#frames.bufferedBytes >= READ_AHEAD_BYTES) this.#pause()
    else if (!isFull && this.#inputEndedMs !== null) this.finish()
    else this.#readOn()
  }

  /** Null: there is no whole frame. */
  #peek(): Uint8Array | null {
    if (this.#next !== null) return this.#next
    try {
      this.#next = this.#frames.next()
      return this.#next
    } catch (error) {
      if (!(error instanceof FramingError)) throw error
      // In its place in the order: answers to what came before it are still written.
      const ended = { heldBytes: 0, isPipelined: false, answer: null, closeReason: error.message }
      this.#slots.push({ apiKey: -1, ...ended })
      this.finish()
      return null
    }
  }

  /** If not: `#work` runs again when an answer is written, when the client has read, or when the node has room. */
  #mayHandle(frame: Uint8Array): boolean {
    if (this.#pace !== null) return false
    if (
      this.#slots.length >= MAX_IN_FLIGHT ||
      (this.#slots.length >= OWN_IN_FLIGHT && (this.#isPaced || !this.#host.pipeline.hasRoom))
    ) {
      this.#backlogged()
      return false
    }
    if (
      this.#inFlightBytes >= MAX_REQUEST_BYTES ||
      this.#socket.writableLength >= MAX_UNREAD_BYTES
    ) {
      return false
    }
    const apiKey = apiKeyOf(frame)
    if (apiKey === PRODUCE_KEY) return true
    if (this.#slots.some(slot => slot.apiKey === apiKey)) return false
    const { unread } = this.#host
    if (unread.hasRoom) return true
    unread.wait(this, () => this.#work())
    return false
  }

  /** As many as may be under way are, and there is one more. Who has to wait for that has nothing but its own five. */
  #backlogged(): void {
    const nowMs = this.#host.nowMs()
    this.#backlogSinceMs ??= nowMs
    if (nowMs - this.#backlogSinceMs < BACKLOG_MS) return
    const waitMs = this.#host.pace.waitMs()
    this.#isPaced = waitMs > 0
    if (!this.#isPaced) return
    this.#pace = setTimeout(() => {
      this.#pace = null
      this.#work()
    }, waitMs)
  }

  #handle(frame: Uint8Array): void {
    const heldBytes = SIZE_BYTES + frame.length
    const apiKey = apiKeyOf(frame)
    const isPipelined = this.#slots.length >= OWN_IN_FLIGHT
    const slot: Slot = { apiKey, heldBytes, isPipelined, answer: undefined, closeReason: null }
    this.#next = null
    this.context.requestSinceMs = this.#waitsSinceMs ?? this.#lastActiveMs
    this.#waitsSinceMs = null
    if (this.#backlogSinceMs === null) this.#host.pace.servesOthers(this.#lastActiveMs)
    this.#slots.push(slot)
    this.#inFlightBytes += heldBytes
    this.#host.budget.handling(this)
    if (isPipelined) this.#host.pipeline.hold()
    this.#host.handle(this.context, frame).then(
      answer => {
        slot.answer = answer
        this.#settled(slot)
      },
      (error: unknown) => {
        slot.answer = null
        const wanted = error instanceof CloseConnection
        slot.closeReason = wanted ? error.message : 'internal error'
        if (!wanted) this.#host.failed(error)
        this.#settled(slot)
      },
    )
  }

  #settled(slot: Slot): void {
    this.#host.budget.handled()
    if (slot.isPipelined) this.#host.pipeline.release()
    this.#inFlightBytes -= slot.heldBytes
    this.#release(slot.heldBytes)
    if (this.context.closed) return
    this.#lastActiveMs = this.#host.nowMs()
    this.#flush()
    this.#work()
  }

  /** Writes the answers that are next in order. */
  #flush(): void {
    let done = 0
    let reason: string | null = null
    while (done < this.#slots.length && reason === null) {
      const slot = this.#slots[done] as Slot
      if (slot.answer === undefined) break
      if (slot.answer !== null) this.#write(slot.answer)
      reason = slot.closeReason
      done++
    }
    if (done > 0) {
      this.#slots.splice(0, done)
      this.#uncork()
      this.countUnread()
    }
    if (reason !== null) this.#close(reason)
    else if (this.#closing && this.#slots.length === 0) this.#end()
  }

  #write(answer: readonly Uint8Array[]): void {
    if (!this.#corked) {
      this.#corked = true
      this.#socket.cork()
    }
    for (const part of answer) {
      if (isPassing(part)) this.#socket.write(part, error => givenBack(part, error))
      else this.#socket.write(part)
    }
  }

  /**
   * All answers of a turn go out as one: several times the rate for small ones. But a lone record's would wait for whatever
   * else the turn has to do, a tenth of its latency: when no request is left, they go with the event that brought the last.
   */
  #uncork(): void {
    const isLast = this.#slots.length === 0
    if (!this.#corked || (this.#uncorkPending && !isLast)) return
    this.#uncorkPending = true
    const uncork = (): void => {
      if (!this.#corked) return
      this.#corked = false
      this.#uncorkPending = false
      this.#socket.uncork()
      this.countUnread()
    }
    if (isLast) process.nextTick(uncork)
    else setImmediate(uncork)
  }

  #readOn(): void {
    if (this.#closing) return
    const { budget } = this.#host
    if (budget.mayRead(this)) this.#resume()
    else {
      this.#pause()
      budget.wait(this, () => this.#work())
    }
  }

  #nextTurn(): void {
    this.#turnPending = true
    this.#pause()
    setImmediate(() => {
      this.#turnPending = false
      this.#work()
    })
  }

  #pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.#socket.pause()
  }

  #resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#socket.resume()
  }

  /** FIN: what came before it is still answered, as Kafka does. */
  #halfClosed(): void {
    this.#inputEndedMs = this.#host.nowMs()
    this.#work()
  }

  #close(reason: string): void {
    this.#host.logEvent('info', 'connection closed by this broker', { ...this.#names(), reason })
    this.#closing = true
    this.#slots.length = 0
    this.#end()
  }

  /**
   * Closing a socket with unread input resets the connection, and a reset can overtake the last answers. So: FIN, then
   * what still comes is read and dropped until the client closes, or a moment has passed.
   */
  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#socket.end()
    this.#resume()
    if (this.#inputEndedMs !== null) return
    const linger = setTimeout(() => this.#socket.destroy(), LINGER_MS)
    this.#socket.once('close', () => clearTimeout(linger))
  }

  #gone(): void {
    if (this.#pace !== null) clearTimeout(this.#pace)
    this.#release(this.#heldBytes)
    this.#host.budget.leave(this)
    this.countUnread()
    this.#host.unread.leave(this)
    this.#slots.length = 0
    this.context.close()
    this.#host.closed(this)
  }

  #hold(count: number): void {
    this.#heldBytes += count
    this.#host.budget.hold(count)
  }

  #release(count: number): void {
    const released = Math.min(count, this.#heldBytes)
    this.#heldBytes -= released
    this.#host.budget.release(released)
  }

  #names(): Record<string, unknown> {
    const { listenerName, remoteAddress } = this.context
    return { listener: listenerName, remoteAddress }
  }
}

/** Not after a failure: the system may still be reading it. */
function givenBack(part: Uint8Array, error: Error | null | undefined): void {
  if (error === null || error === undefined) giveBack(part)
}

/** What the header begins with; −1 where the frame is too short for one. */
const apiKeyOf = (frame: Uint8Array): number =>
  frame.length < 2 ? -1 : ((frame[0] as number) << 8) | (frame[1] as number)

/** What handlers see of a connection, and who wants to know of its end. */
export class ClosableContext implements ConnectionContext {
  readonly id: number
  readonly listenerName: string
  readonly remoteAddress: string
  closed = false
  requestSinceMs = 0
  readonly #listeners = new Set<() => void>()

  constructor(id: number, listenerName: string, remoteAddress: string) {
    this.id = id
    this.listenerName = listenerName
    this.remoteAddress = remoteAddress
  }

  onClose(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    for (const listener of this.#listeners) listener()
    this.#listeners.clear()
  }
}
