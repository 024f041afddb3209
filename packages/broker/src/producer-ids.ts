import type { BrokerEpoch, BrokerId, ProducerId } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import type { ControllerChannel } from './channels.ts'
import { forward } from './forward.ts'

/** Asked for ahead of need when this many of a block are left: a tenth of the controller's blocks of 1000. */
const prefetchAtLeft = 100
/** A producer that starts waits no longer; it asks again. */
const blockTimeoutMs = 5000

export type NextProducerId =
  | { readonly kind: 'assigned'; readonly producerId: ProducerId }
  | { readonly kind: 'unavailable'; readonly errorCode: number }

interface Block {
  next: number
  /** Exclusive. */
  readonly end: number
}

/**
 * Hands out producer ids from blocks that the controller has committed to this incarnation of the broker (KIP-730): no
 * id is ever given twice, because no block is; what is left of a block when the broker stops is lost, and may be.
 */
export class ProducerIds {
  readonly #controller: ControllerChannel
  readonly #brokerId: BrokerId
  readonly #brokerEpoch: () => BrokerEpoch
  #current: Block = { next: 0, end: 0 }
  #following: Block | null = null
  /** One at a time, shared by all who wait. The error code of its outcome. */
  #asking: Promise<number> | null = null

  constructor(options: {
    readonly controller: ControllerChannel
    readonly brokerId: BrokerId
    readonly brokerEpoch: () => BrokerEpoch
  }) {
    this.#controller = options.controller
    this.#brokerId = options.brokerId
    this.#brokerEpoch = options.brokerEpoch
  }

  async next(): Promise<NextProducerId> {
    for (;;) {
      const producerId = this.#take()
      if (producerId !== null) return { kind: 'assigned', producerId }
      const errorCode = await this.#ask()
      if (errorCode !== errorCodes.NONE) return { kind: 'unavailable', errorCode }
    }
  }

  #take(): ProducerId | null {
    if (this.#current.next === this.#current.end && this.#following !== null) {
      this.#current = this.#following
      this.#following = null
    }
    if (this.#current.next === this.#current.end) return null
    const producerId = this.#current.next++
    const left = this.#current.end - this.#current.next
    if (left <= prefetchAtLeft && this.#following === null) void this.#ask()
    return producerId
  }

  #ask(): Promise<number> {
    this.#asking ??= this.#allocate().finally(() => {
      this.#asking = null
    })
    return this.#asking
  }

  async #allocate(): Promise<number> {
    const answer = await forward(
      this.#controller,
      'allocateProducerIds',
      { brokerId: this.#brokerId, brokerEpoch: this.#brokerEpoch() },
      blockTimeoutMs,
    )
    // Clients take this code as "soon": Kafka's brokers answer the same while a block is under way.
    if (answer.kind === 'failed') return errorCodes.COORDINATOR_LOAD_IN_PROGRESS
    const { errorCode, firstProducerId, count } = answer.response
    if (errorCode !== errorCodes.NONE || count <= 0) return errorCodes.COORDINATOR_LOAD_IN_PROGRESS
    this.#following = { next: firstProducerId, end: firstProducerId + count }
    return errorCodes.NONE
  }
}
