import { ClusterError, clusterErrorCodes } from '@trimaran/common'
import type { Clock, ClusterErrorCode, LogEvent, NodeId, Random } from '@trimaran/common'
import { encodeEnvelope } from './envelope.ts'
import type { Envelope, Failure, PeerRequestKind, PeerRequests } from './envelope.ts'

/** Requests to one peer that have no answer yet: heartbeats, fetches and admin requests are few per peer. */
export const MAX_PENDING_PER_PEER = 4096

/**
 * Every start of a node counts its requests from a random number on. A peer answers late what an earlier life of the node
 * asked, over the link of the present one: that answer must fit no request of now. 2^31 such numbers, 2^20 apart, stay
 * below 2^53 with 2^32 requests to come; each late answer fits by chance once in 2^31 times.
 */
const LIVES = 2 ** 31
const REQUESTS_PER_LIFE = 2 ** 20

export interface PeerRpcOptions {
  readonly clock: Clock
  readonly random: Random
  readonly send: (to: NodeId, frame: readonly Uint8Array[]) => boolean
  readonly serve: PeerServer
  readonly logEvent: LogEvent
}
/** Answers what a peer asks. `from` is who the link says it is, not what the request says. */
export type PeerServer = <K extends PeerRequestKind>(
  from: NodeId,
  call: K,
  request: PeerRequests[K]['request'],
) => Promise<PeerRequests[K]['response']>

interface Pending {
  readonly to: NodeId
  readonly call: PeerRequestKind
  /** Kept until a link took it. */
  frame: readonly Uint8Array[] | null
  readonly resolve: (response: never) => void
  readonly reject: (error: ClusterError) => void
  readonly cancelTimeout: () => void
}

/**
 * Requests and answers over the links: correlation, time-outs, and failing what is under way as soon as the link it
 * went out on is broken. A request made while there is no link waits for one until its time is out or the peer is gone.
 */
export class PeerRpc {
  readonly #options: PeerRpcOptions
  readonly #pending = new Map<number, Pending>()
  readonly #countByPeer = new Map<NodeId, number>()
  #nextId: number
  #stopped = false

  constructor(options: PeerRpcOptions) {
    this.#options = options
    this.#nextId = options.random.between(0, LIVES - 1) * REQUESTS_PER_LIFE
  }

  request<K extends PeerRequestKind>(
    to: NodeId,
    call: K,
    body: PeerRequests[K]['request'],
    timeoutMs: number,
  ): Promise<PeerRequests[K]['response']> {
    if (this.#stopped) return Promise.reject(new ClusterError('STOPPING', 'the node is stopping'))
    const count = this.#countByPeer.get(to) ?? 0
    if (count >= MAX_PENDING_PER_PEER) {
      return Promise.reject(
        new ClusterError('RPC_UNAVAILABLE', `${count} requests to node ${to} wait already`),
      )
    }
    this.#countByPeer.set(to, count + 1)
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      const { clock } = this.#options
      const cancelTimeout = clock.wakeAt(clock.monotonicMs() + timeoutMs, () => {
        const text = `node ${to} has not answered ${call} within ${timeoutMs} ms`
        this.#take(id)?.reject(new ClusterError('RPC_TIMEOUT', text))
      })
      const frame = encodeEnvelope({ kind: 'request', id, call, body })
      const sent = this.#options.send(to, frame)
      this.#pending.set(id, {
        to,
        call,
        frame: sent ? null : frame,
        resolve,
        reject,
        cancelTimeout,
      })
    })
  }

  /** A request, response or failure that came in. */
  receive(from: NodeId, envelope: Envelope): void {
    if (this.#stopped) return
    switch (envelope.kind) {
      case 'request':
        this.#serve(from, envelope.id, envelope.call, envelope.body)
        return
      case 'response': {
        const pending = this.#pending.get(envelope.id)
        // Answers that come after the time-out, or from whom nothing was asked, are dropped.
        if (pending === undefined || pending.to !== from || pending.call !== envelope.call) return
        this.#take(envelope.id)?.resolve(envelope.body as never)
        return
      }
      case 'failure': {
        const { id, code, message } = envelope.failure
        if (this.#pending.get(id)?.to !== from) return
        this.#take(id)?.reject(new ClusterError(knownCode(code), `node ${from}: ${message}`))
        return
      }
      case 'hello':
      case 'quorum':
      case 'chunk':
        return
      default:
        envelope satisfies never
    }
  }

  /** A new link: what went out on an older one will not be answered; what waited goes out now. */
  reachable(nodeId: NodeId): void {
    for (const [id, pending] of this.#of(nodeId)) {
      if (pending.frame === null) this.#fail(id, nodeId)
      else if (this.#options.send(nodeId, pending.frame)) pending.frame = null
    }
  }

  gone(nodeId: NodeId): void {
    for (const [id] of this.#of(nodeId)) this.#fail(id, nodeId)
  }

  stop(): void {
    this.#stopped = true
    for (const id of this.#pending.keys()) {
      this.#take(id)?.reject(new ClusterError('STOPPING', 'the node is stopping'))
    }
  }

  /** As a killed process: nobody hears of anything any more. */
  halt(): void {
    this.#stopped = true
    for (const { cancelTimeout } of this.#pending.values()) cancelTimeout()
    this.#pending.clear()
  }

  #of(nodeId: NodeId): [number, Pending][] {
    return [...this.#pending].filter(([, pending]) => pending.to === nodeId)
  }

  #fail(id: number, nodeId: NodeId): void {
    this.#take(id)?.reject(
      new ClusterError('RPC_UNAVAILABLE', `the link to node ${nodeId} broke before the answer`),
    )
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    if (pending === undefined) return undefined
    this.#pending.delete(id)
    pending.cancelTimeout()
    const count = (this.#countByPeer.get(pending.to) ?? 1) - 1
    if (count === 0) this.#countByPeer.delete(pending.to)
    else this.#countByPeer.set(pending.to, count)
    return pending
  }

  #serve(from: NodeId, id: number, call: PeerRequestKind, body: unknown): void {
    const reply = (envelope: Envelope): void => {
      if (!this.#stopped) this.#options.send(from, encodeEnvelope(envelope))
    }
    this.#options.serve(from, call, body as never).then(
      response => reply({ kind: 'response', id, call, body: response }),
      (error: unknown) => reply({ kind: 'failure', failure: this.#failure(id, call, error) }),
    )
  }

  #failure(id: number, call: PeerRequestKind, error: unknown): Failure {
    if (error instanceof ClusterError) return { id, code: error.code, message: error.message }
    this.#options.logEvent('error', 'peer request failed', { call, err: error })
    return { id, code: 'RPC_INVALID', message: String(error) }
  }
}

const knownCode = (code: string): ClusterErrorCode =>
  Object.hasOwn(clusterErrorCodes, code) ? (code as ClusterErrorCode) : 'RPC_INVALID'
