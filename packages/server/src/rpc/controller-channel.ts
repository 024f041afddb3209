import { ClusterError } from '@trimaran/common'
import type { Clock, NodeId } from '@trimaran/common'
import type { ControllerChannel } from '@trimaran/broker'
import type { ControllerRequests } from '@trimaran/metadata'
import type { PeerRpc } from './peer-rpc.ts'
import { answerOfRepeated } from './repeated-request.ts'

/** Between two attempts at the same leader. A change of leader does not wait for it. */
const RETRY_BACKOFF_MS = 20
const RETRY_BACKOFF_MAX_MS = 200
const DEFAULT_TIMEOUT_MS = 30_000

type Kind = keyof ControllerRequests

/** The controller of this very node, if it has that role. */
export interface LocalController {
  request<K extends Kind>(
    kind: K,
    request: ControllerRequests[K]['request'],
  ): Promise<ControllerRequests[K]['response']>
}

export interface PeerControllerChannelOptions {
  readonly clock: Clock
  readonly nodeId: NodeId
  readonly rpc: PeerRpc
  readonly local: LocalController | null
}

interface Call {
  readonly kind: Kind
  readonly request: never
  readonly deadlineMs: number
  /** Only the newest attempt counts: answers of attempts at older leaders come too late. */
  attempt: number
  /** How often a leader was asked: it may have obeyed, whatever became of its answer. */
  asked: number
  failures: number
  cancelRetry: () => void
  lastError: ClusterError
  readonly settle: { resolve: (response: never) => void; reject: (error: ClusterError) => void }
  cancelDeadline: () => void
}

/**
 * The way to the active controller: on this node without a detour, else over the link to the quorum's leader. A call
 * outlives changes of leader: it is sent again, to the new one, until it has an answer or its time is out.
 */
export class PeerControllerChannel implements ControllerChannel {
  readonly #options: PeerControllerChannelOptions
  readonly #calls = new Set<Call>()
  #leaderId: NodeId | null = null
  #stopped = false

  constructor(options: PeerControllerChannelOptions) {
    this.#options = options
  }

  request<K extends Kind>(
    kind: K,
    request: ControllerRequests[K]['request'],
    timeoutMs: number = DEFAULT_TIMEOUT_MS,
  ): Promise<ControllerRequests[K]['response']> {
    if (this.#stopped) return Promise.reject(new ClusterError('STOPPING', 'the node is stopping'))
    return new Promise((resolve, reject) => {
      const { clock } = this.#options
      const deadlineMs = clock.monotonicMs() + timeoutMs
      const call: Call = {
        kind,
        request: request as never,
        deadlineMs,
        attempt: 0,
        asked: 0,
        failures: 0,
        cancelRetry: () => {},
        lastError: new ClusterError('RPC_UNAVAILABLE', 'no leader of the quorum is known'),
        settle: { resolve, reject },
        cancelDeadline: clock.wakeAt(deadlineMs, () => this.#expire(call)),
      }
      this.#calls.add(call)
      this.#send(call)
    })
  }

  /** Everything under way goes to the new leader at once. */
  leaderChanged(leaderId: NodeId | null): void {
    if (leaderId === this.#leaderId) return
    this.#leaderId = leaderId
    if (leaderId === null) return
    for (const call of this.#calls) {
      call.failures = 0
      this.#send(call)
    }
  }

  stop(): void {
    this.#stopped = true
    for (const call of this.#calls) {
      this.#finish(call)
      call.settle.reject(new ClusterError('STOPPING', 'the node is stopping'))
    }
  }

  halt(): void {
    this.#stopped = true
    for (const call of this.#calls) this.#finish(call)
  }

  #send(call: Call): void {
    call.cancelRetry()
    const attempt = ++call.attempt
    const leaderId = this.#leaderId
    if (leaderId === null) return
    call.asked++
    this.#ask(leaderId, call).then(
      response => {
        if (!this.#calls.has(call) || call.attempt !== attempt) return
        this.#finish(call)
        const answer = call.asked > 1 ? answerOfRepeated(call.kind, response as never) : response
        call.settle.resolve(answer as never)
      },
      (error: unknown) => {
        if (!this.#calls.has(call) || call.attempt !== attempt) return
        this.#failed(call, error)
      },
    )
  }

  #ask(leaderId: NodeId, call: Call): Promise<unknown> {
    const { nodeId, rpc, local, clock } = this.#options
    if (leaderId === nodeId && local !== null) return local.request(call.kind, call.request)
    return rpc.request(leaderId, call.kind, call.request, call.deadlineMs - clock.monotonicMs())
  }

  #failed(call: Call, error: unknown): void {
    if (!(error instanceof ClusterError) || !error.retriable) {
      this.#finish(call)
      call.settle.reject(error as ClusterError)
      return
    }
    // It is not the one to ask, so it did nothing.
    if (error.code === 'NOT_CONTROLLER') call.asked--
    call.lastError = error
    const { clock } = this.#options
    const backoffMs = Math.min(RETRY_BACKOFF_MS * 2 ** call.failures++, RETRY_BACKOFF_MAX_MS)
    call.cancelRetry = clock.wakeAt(clock.monotonicMs() + backoffMs, () => this.#send(call))
  }

  #expire(call: Call): void {
    if (!this.#calls.has(call)) return
    this.#finish(call)
    const { code, message } = call.lastError
    const text = `${call.kind} had no answer in time: ${message}`
    call.settle.reject(new ClusterError(code === 'STOPPING' ? 'RPC_UNAVAILABLE' : code, text))
  }

  #finish(call: Call): void {
    this.#calls.delete(call)
    call.cancelRetry()
    call.cancelDeadline()
  }
}
