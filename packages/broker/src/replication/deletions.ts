import { ClusterError } from '@trimaran/common'
import type { TopicId } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import type { ControllerChannel } from '../channels.ts'
import type { ReplicationContext } from './context.ts'
import { EndOfTurn } from './timers.ts'

const timeoutMs = 5_000
const retryMs = 100
const retryMaxMs = 5_000

/**
 * Tells the controller which removed topics this broker has none of any more. Said again until it is heard: the metadata
 * names a topic anew after a restart, but not after a lost request.
 */
export class Deletions {
  readonly #context: ReplicationContext
  readonly #controller: ControllerChannel
  readonly #topicIds = new Set<TopicId>()
  readonly #endOfTurn: EndOfTurn
  #isInFlight = false
  #failures = 0
  #cancelRetry: (() => void) | null = null
  #isStopped = false

  constructor(options: {
    readonly context: ReplicationContext
    readonly controller: ControllerChannel
  }) {
    this.#context = options.context
    this.#controller = options.controller
    this.#endOfTurn = new EndOfTurn(options.context.clock, () => this.#send())
  }

  acknowledge(topicId: TopicId): void {
    this.#topicIds.add(topicId)
    if (!this.#cancelRetry) this.#endOfTurn.request()
  }

  stop(): void {
    this.#isStopped = true
    this.#endOfTurn.stop()
    this.#cancelRetry?.()
  }

  #send(): void {
    if (this.#isInFlight || this.#isStopped || this.#topicIds.size === 0) return
    const topicIds = [...this.#topicIds]
    const { brokerId, brokerEpoch } = this.#context
    this.#isInFlight = true
    this.#controller
      .request('replicasDeleted', { brokerId, brokerEpoch: brokerEpoch(), topicIds }, timeoutMs)
      .then(
        ({ errorCode }) => {
          this.#isInFlight = false
          if (errorCode !== errorCodes.NONE) {
            this.#retryLater()
            return
          }
          this.#failures = 0
          for (const topicId of topicIds) this.#topicIds.delete(topicId)
          this.#send()
        },
        (error: unknown) => {
          this.#isInFlight = false
          if (!(error instanceof ClusterError)) throw error
          this.#retryLater()
        },
      )
  }

  #retryLater(): void {
    if (this.#isStopped) return
    const { clock } = this.#context
    const delayMs = Math.min(retryMs * 2 ** Math.min(this.#failures++, 6), retryMaxMs)
    this.#cancelRetry = clock.wakeAt(clock.monotonicMs() + delayMs, () => {
      this.#cancelRetry = null
      this.#send()
    })
  }
}
