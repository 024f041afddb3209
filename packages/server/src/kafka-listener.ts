import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { ClusterError } from '@trimaran/common'
import type { Clock, LogEvent } from '@trimaran/common'
import type { ConnectionContext } from '@trimaran/broker'
import { BacklogPace } from './backlog-pace.ts'
import { ByteBudget, PipelineBudget, UnreadBudget } from './byte-budget.ts'
import { ClosableContext, KafkaConnection } from './kafka-connection.ts'
import type { ConnectionHost } from './kafka-connection.ts'
import { systemClock } from './ports/clock.ts'
import { eventLoopBusyShare } from './ports/event-loop.ts'

export interface ListenerAddress {
  readonly name: string
  /** Empty: every interface. */
  readonly host: string
  readonly port: number
}

export interface ListenerLimits {
  /** socket.request.max.bytes */
  readonly requestMaxBytes: number
  /** queued.max.request.bytes: requests held by the node, unfinished ones included. */
  readonly queuedMaxBytes: number
  /** Answers written and not read, of all clients together. Seventy of the largest fetches unless told otherwise. */
  readonly unreadMaxBytes?: number
  /** How long a client that sends no more waits for what it asked. */
  readonly halfClosedMaxMs?: number
  /** connections.max.idle.ms; negative: never. */
  readonly connectionsMaxIdleMs: number
  /** max.connections */
  readonly maxConnections: number
  /** max.connections.per.ip */
  readonly maxConnectionsPerIp: number
}

export interface KafkaListenerOptions {
  readonly listeners: readonly ListenerAddress[]
  readonly limits: ListenerLimits
  readonly logEvent: LogEvent
  /** Only asked for the time; the machine's unless told otherwise. */
  readonly clock?: Pick<Clock, 'monotonicMs'>
  /** Of the event loop's time since the last call; measured unless told otherwise. */
  readonly busyShare?: () => number
  handle(connection: ConnectionContext, frame: Uint8Array): Promise<readonly Uint8Array[] | null>
  /** What no handler should let out: a broken invariant, or a fault in this code. */
  failed(error: unknown): void
}

/** SYNs the kernel keeps while the event loop is busy. */
const BACKLOG = 1024
/** A client that has the right to finish its frame over the node's budget must keep sending. */
const PRIVILEGED_STALL_MS = 5_000
/** Seventy of the largest fetch answers (4 MiB), or five thousand of 55 KiB. */
const UNREAD_MAX_BYTES = 275 * 1024 * 1024
/**
 * Of all clients together, beyond five requests of each. With 64 of each of six connections in line, on three nodes on
 * two cores, another client's acknowledgement p99 was 360 ms; with five and these it is 110 ms.
 */
const PIPELINED_MAX = 16
/** While others wait for room, who takes nothing for this long loses its connection: at worst 5 MiB/s are too slow. */
const UNREAD_STALL_MS = 10_000
/** Whether who has sent FIN still reads, TCP does not tell: it may be gone, and have asked to wait for 24 days. */
const HALF_CLOSED_MAX_MS = 10_000
const SWEEP_INTERVAL_MS = 1_000
/** Refused connections are counted, not logged one by one. */
const REFUSAL_LOG_INTERVAL_MS = 10_000

/** Every client connection of a node, on any number of listeners. */
export class KafkaListener {
  readonly #options: KafkaListenerOptions
  readonly #host: ConnectionHost
  readonly #servers: Server[] = []
  readonly #connections = new Set<KafkaConnection>()
  readonly #countByIp = new Map<string, number>()
  #nextId = 1
  #refusedTotal = 0
  #sweep: NodeJS.Timeout | undefined
  #refused = 0
  #refusedLoggedMs = Number.NEGATIVE_INFINITY

  constructor(options: KafkaListenerOptions) {
    this.#options = options
    const { limits, logEvent, clock = systemClock, busyShare = eventLoopBusyShare() } = options
    this.#host = {
      maxFrameBytes: limits.requestMaxBytes,
      budget: new ByteBudget(Math.max(limits.queuedMaxBytes, limits.requestMaxBytes)),
      unread: new UnreadBudget(limits.unreadMaxBytes ?? UNREAD_MAX_BYTES),
      pipeline: new PipelineBudget(PIPELINED_MAX),
      pace: new BacklogPace(() => clock.monotonicMs(), busyShare),
      logEvent,
      handle: (context, frame) => options.handle(context, frame),
      nowMs: () => clock.monotonicMs(),
      failed: error => options.failed(error),
      closed: connection => this.#forget(connection),
    }
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /** Since the start. */
  get accepted(): number {
    return this.#nextId - 1
  }

  /** Since the start. */
  get refused(): number {
    return this.#refusedTotal
  }

  /** Of requests: received, or being handled. */
  get requestBytes(): number {
    return this.#host.budget.heldBytes
  }

  /** Of answers that clients have not read. */
  get unreadBytes(): number {
    return this.#host.unread.heldBytes
  }

  /** Between the requests of clients that always have more of them waiting. */
  get backlogWaitMs(): number {
    return this.#host.pace.presentWaitMs
  }

  /** Takes the ports; clients may connect, and are answered from the moment `handle` can. Throws CANNOT_LISTEN. */
  async listen(): Promise<readonly ListenerAddress[]> {
    const bound = await Promise.all(this.#options.listeners.map(address => this.#listenOn(address)))
    this.#sweep = setInterval(() => this.#closeIdle(), SWEEP_INTERVAL_MS)
    this.#sweep.unref()
    return bound
  }

  /** Accepts nobody any more, and no further requests; resolves when the last connection is closed. */
  async close(): Promise<void> {
    clearInterval(this.#sweep)
    const closed = this.#servers.map(
      server => new Promise<void>(done => server.close(() => done())),
    )
    for (const connection of this.#connections) connection.finish()
    await Promise.all(closed)
  }

  /** Ends what is still open by then. */
  destroyAfter(delayMs: number): void {
    setTimeout(() => this.destroy(), delayMs).unref()
  }

  /** As a killed process. */
  destroy(): void {
    clearInterval(this.#sweep)
    for (const server of this.#servers) server.close(() => {})
    for (const connection of this.#connections) connection.destroy()
  }

  #listenOn(address: ListenerAddress): Promise<ListenerAddress> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, socket =>
      this.#accept(socket, address.name),
    )
    this.#servers.push(server)
    return new Promise((resolve, reject) => {
      server.once('error', cause => {
        const where = `${address.name}://${address.host}:${address.port}`
        const text = `cannot listen on ${where}: ${cause.message}`
        reject(new ClusterError('CANNOT_LISTEN', text, { cause }))
      })
      const where = address.host === '' ? {} : { host: address.host }
      server.listen({ ...where, port: address.port, backlog: BACKLOG }, () => {
        // A failed accept (no file descriptor left) concerns that one connection.
        server.on('error', err => this.#options.logEvent('warn', 'accept failed', { err }))
        resolve({ ...address, port: (server.address() as AddressInfo).port })
      })
    })
  }

  #accept(socket: Socket, listenerName: string): void {
    const ip = socket.remoteAddress ?? ''
    const fromIp = this.#countByIp.get(ip) ?? 0
    const { maxConnections, maxConnectionsPerIp } = this.#options.limits
    if (this.#connections.size >= maxConnections || fromIp >= maxConnectionsPerIp) {
      socket.on('error', () => {})
      socket.destroy()
      this.#noteRefusal(ip)
      return
    }
    this.#countByIp.set(ip, fromIp + 1)
    const context = new ClosableContext(this.#nextId++, listenerName, ip)
    this.#connections.add(new KafkaConnection(socket, context, this.#host))
  }

  #forget(connection: KafkaConnection): void {
    if (!this.#connections.delete(connection)) return
    const ip = connection.context.remoteAddress
    const left = (this.#countByIp.get(ip) ?? 1) - 1
    if (left === 0) this.#countByIp.delete(ip)
    else this.#countByIp.set(ip, left)
  }

  #noteRefusal(ip: string): void {
    this.#refused++
    this.#refusedTotal++
    const nowMs = this.#host.nowMs()
    if (nowMs - this.#refusedLoggedMs < REFUSAL_LOG_INTERVAL_MS) return
    this.#refusedLoggedMs = nowMs
    const { size } = this.#connections
    this.#options.logEvent('warn', 'too many connections', {
      ip,
      refused: this.#refused,
      open: size,
    })
    this.#refused = 0
  }

  #closeIdle(): void {
    const { connectionsMaxIdleMs, halfClosedMaxMs = HALF_CLOSED_MAX_MS } = this.#options.limits
    const nowMs = this.#host.nowMs()
    for (const connection of this.#connections) {
      connection.countUnread()
      const { idleSinceMs, unreadSinceMs, halfClosedSinceMs } = connection
      if (halfClosedSinceMs !== null && nowMs - halfClosedSinceMs > halfClosedMaxMs) {
        connection.destroy()
      }
      if (!this.#host.unread.hasRoom && unreadSinceMs !== null) {
        if (nowMs - unreadSinceMs > UNREAD_STALL_MS) connection.destroy()
      }
      if (idleSinceMs === null) continue
      const idleMs = nowMs - idleSinceMs
      const stalled = connection.isPrivileged && idleMs > PRIVILEGED_STALL_MS
      if (stalled || (connectionsMaxIdleMs >= 0 && idleMs > connectionsMaxIdleMs))
        connection.destroy()
    }
  }
}
