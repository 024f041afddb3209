import {
  ClusterError,
  noEpoch,
  type BrokerEpoch,
  type Clock,
  type LogEvent,
  type Random,
  type Uuid,
} from '@trimaran/common'
import type { ControllerRequests, Image } from '@trimaran/metadata'
import { errorCodes, errorInfo } from '@trimaran/protocol'
import type { ControllerChannel } from './channels.ts'

/**
 * The broker's side of its membership: registers, beats, learns whether it is fenced, leaves in order.
 *
 *   starting ──registered, caught up──▶ recovery ──unfenced──▶ running
 *       └────────────────────────────────────┴───────────────────┴──▶ pendingControlledShutdown ──▶ shuttingDown
 *
 * Every step is driven by an event (an answer, a newer image), the interval only keeps the session alive: a broker serves
 * as soon as the controller can know that it may.
 */
export type LifecycleState =
  | 'notRunning'
  | 'starting'
  | 'recovery'
  | 'running'
  | 'pendingControlledShutdown'
  | 'shuttingDown'

export type Registration = Omit<
  ControllerRequests['registerBroker']['request'],
  'incarnationId' | 'previousBrokerEpoch'
>

export interface LifecycleOptions {
  readonly clock: Clock
  readonly random: Random
  readonly controller: ControllerChannel
  readonly registration: Registration
  /** Of the clean stop before this start; −1 without one. */
  readonly previousBrokerEpoch: BrokerEpoch
  readonly heartbeatIntervalMs: number
  readonly sessionTimeoutMs: number
  readonly logEvent: LogEvent
  /** This broker does not belong to the cluster: it must stop. */
  readonly onFatal: (error: ClusterError) => void
}

/**
 * After a refused or lost request, with a jitter of as much again; a controller that is there answers in less. The end
 * is what a quick restart waits at most once its former session is over: 1000 brokers make 1300 requests a second.
 */
const retryMs = 50
const retryMaxMs = 500
/** An answer that is lost must not cost the session: there is time to ask twice more. */
const heartbeatsPerSession = 3
/** While leaving: the controller's view of who has caught up changes without an event here. */
const shutdownHeartbeatIntervalMs = 100
/** Leaving in order is a courtesy: after this the broker just stops, and is fenced. Kafka: 3 retries of 5 s. */
const controlledShutdownMaxMs = 15_000

export class BrokerLifecycle {
  readonly #options: LifecycleOptions
  readonly #incarnationId: Uuid
  #state: LifecycleState = 'notRunning'
  #brokerEpoch: BrokerEpoch = noEpoch
  #fenced = true
  #image: Image | null = null
  /** Another broker is in controlled shutdown, which ends when the controller has heard that all others know. */
  #othersLeave = false
  #busy = false
  /** Something happened while a request was under way: beat again at once. */
  #again = false
  #failures = 0
  #cancelTimer: (() => void) | null = null
  #leaving: { readonly settle: () => void; readonly promise: Promise<void> } | null = null
  #cancelDeadline: (() => void) | null = null

  constructor(options: LifecycleOptions, incarnationId: Uuid) {
    this.#options = options
    this.#incarnationId = incarnationId
  }

  get state(): LifecycleState {
    return this.#state
  }

  get brokerEpoch(): BrokerEpoch {
    return this.#brokerEpoch
  }

  /** As the controller said last. */
  get isFenced(): boolean {
    return this.#fenced
  }

  start(): void {
    if (this.#state !== 'notRunning') return
    this.#become('starting')
    this.#act()
  }

  /**
   * What others wait to hear is told at once: that this broker is caught up, fenced by surprise, has nothing left to
   * lead, or knows that another one leaves.
   */
  onMetadata(image: Image): void {
    const before = this.#image
    this.#image = image
    if (before?.brokers !== image.brokers) this.#othersLeave = this.#isLeftByOthers(image)
    if (this.#state === 'notRunning' || this.#state === 'shuttingDown') return
    if (this.#brokerEpoch === noEpoch) return
    const me = this.#options.registration.brokerId
    const changed = before?.brokers.get(me) !== image.brokers.get(me)
    const waitsForMetadata = this.#fenced || this.#state === 'pendingControlledShutdown'
    if (changed || waitsForMetadata || this.#othersLeave) this.#act()
  }

  #isLeftByOthers({ brokers }: Image): boolean {
    const me = this.#options.registration.brokerId
    for (const { id, fenced, inControlledShutdown } of brokers.values()) {
      if (id !== me && inControlledShutdown && !fenced) return true
    }
    return false
  }

  /** Resolves when the controller has moved everything away, or it took too long. */
  controlledShutdown(): Promise<void> {
    if (this.#leaving !== null) return this.#leaving.promise
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#leaving = { promise, settle: resolve }
    const isMember = this.#brokerEpoch !== noEpoch && !this.#fenced
    if (!isMember) {
      this.#finish('not a member')
      return promise
    }
    this.#become('pendingControlledShutdown')
    const { clock } = this.#options
    this.#cancelDeadline = clock.wakeAt(clock.monotonicMs() + controlledShutdownMaxMs, () => {
      this.#finish('took too long')
    })
    this.#act()
    return promise
  }

  stop(): void {
    this.#finish('stopped')
  }

  #finish(why: string): void {
    if (this.#state === 'shuttingDown') return
    const from = this.#state
    this.#become('shuttingDown')
    this.#cancelTimer?.()
    this.#cancelDeadline?.()
    if (from === 'pendingControlledShutdown') {
      this.#options.logEvent('info', 'controlled shutdown ends', { why })
    }
    this.#leaving?.settle()
  }

  #become(state: LifecycleState): void {
    if (state === this.#state) return
    this.#options.logEvent('info', 'broker state changes', { from: this.#state, to: state })
    this.#state = state
  }

  #isOver(): boolean {
    return this.#state === 'shuttingDown' || this.#state === 'notRunning'
  }

  /** Sends what is next, one request at a time. */
  #act(): void {
    if (this.#isOver()) return
    if (this.#busy) {
      this.#again = true
      return
    }
    this.#cancelTimer?.()
    this.#cancelTimer = null
    this.#busy = true
    this.#again = false
    const request = this.#brokerEpoch === noEpoch ? this.#register() : this.#heartbeat()
    void request.then(
      succeeded => this.#answered(succeeded),
      error => this.#lost(error),
    )
  }

  #answered(succeeded: boolean): void {
    this.#busy = false
    if (this.#isOver()) return
    if (!succeeded) {
      this.#retryLater()
      return
    }
    this.#failures = 0
    if (this.#again) this.#act()
    else this.#wakeIn(this.#intervalMs())
  }

  #lost(error: unknown): void {
    this.#busy = false
    if (!(error instanceof ClusterError)) throw error
    if (this.#isOver()) return
    this.#options.logEvent('debug', 'controller does not answer', { err: error })
    this.#retryLater()
  }

  #retryLater(): void {
    const backoffMs = Math.min(retryMs * 2 ** Math.min(this.#failures, 5), retryMaxMs)
    this.#failures++
    this.#wakeIn(backoffMs + this.#options.random.between(0, backoffMs))
  }

  #wakeIn(delayMs: number): void {
    const { clock } = this.#options
    this.#cancelTimer = clock.wakeAt(clock.monotonicMs() + delayMs, () => {
      this.#cancelTimer = null
      this.#act()
    })
  }

  #intervalMs(): number {
    return this.#state === 'pendingControlledShutdown'
      ? Math.min(shutdownHeartbeatIntervalMs, this.#options.heartbeatIntervalMs)
      : this.#options.heartbeatIntervalMs
  }

  async #register(): Promise<boolean> {
    const { controller, registration, previousBrokerEpoch, sessionTimeoutMs } = this.#options
    const answer = await controller.request(
      'registerBroker',
      { ...registration, incarnationId: this.#incarnationId, previousBrokerEpoch },
      sessionTimeoutMs,
    )
    if (this.#isOver()) return true
    if (answer.errorCode !== errorCodes.NONE) {
      this.#refused('registration refused', answer)
      return false
    }
    this.#brokerEpoch = answer.brokerEpoch
    this.#options.logEvent('info', 'broker registered', { brokerEpoch: answer.brokerEpoch })
    // Not an interval later: the first heartbeat is what lifts the fence.
    this.#again = true
    return true
  }

  async #heartbeat(): Promise<boolean> {
    const { controller, registration, sessionTimeoutMs } = this.#options
    const brokerEpoch = this.#brokerEpoch
    const answer = await controller.request(
      'heartbeat',
      {
        brokerId: registration.brokerId,
        brokerEpoch,
        metadataOffset: this.#image?.endOffset ?? 0,
        wantFence: false,
        wantShutDown: this.#state === 'pendingControlledShutdown',
      },
      Math.ceil(sessionTimeoutMs / heartbeatsPerSession),
    )
    if (this.#isOver()) return true
    if (answer.errorCode !== errorCodes.NONE) {
      this.#refused('heartbeat refused', answer)
      return false
    }
    this.#fenced = answer.isFenced
    this.#followAnswer(answer)
    return true
  }

  #followAnswer(answer: ControllerRequests['heartbeat']['response']): void {
    switch (this.#state) {
      case 'starting':
        if (answer.isCaughtUp) this.#become(answer.isFenced ? 'recovery' : 'running')
        return
      case 'recovery':
        if (!answer.isFenced) this.#become('running')
        return
      case 'pendingControlledShutdown':
        if (answer.shouldShutDown) this.#finish('nothing is led here any more')
        return
      case 'running':
      case 'notRunning':
      case 'shuttingDown':
        return
    }
  }

  #refused(
    phrase: string,
    answer: { readonly errorCode: number; readonly errorMessage: string | null },
  ): void {
    const error = errorInfo(answer.errorCode).name
    const { errorMessage } = answer
    switch (answer.errorCode) {
      case errorCodes.INCONSISTENT_CLUSTER_ID:
        this.#finish(error)
        this.#options.onFatal(
          new ClusterError('WRONG_DIRECTORY', `${phrase}: ${errorMessage ?? error}`),
        )
        return
      case errorCodes.STALE_BROKER_EPOCH:
      case errorCodes.BROKER_ID_NOT_REGISTERED:
        // Another incarnation took the id, or somebody unregistered it. Ask for a place again: with the same
        // incarnation, so that one that lives is not thrown out.
        this.#brokerEpoch = noEpoch
        this.#fenced = true
        if (this.#state === 'pendingControlledShutdown') this.#finish(error)
        else this.#become('starting')
        break
      default:
    }
    this.#options.logEvent('warn', phrase, { error, errorMessage })
  }
}
