import { ClusterError } from '@trimaran/common'
import type { BrokerEpoch, BrokerId, Clock, LogEvent } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import type { ControllerChannel } from '../channels.ts'
import type { AlterPartitionAnswer, IsrProposal } from './leader.ts'
import type { Partition } from './partition.ts'
import { EndOfTurn } from './timers.ts'

export interface AlterPartitionQueueOptions {
  readonly clock: Clock
  readonly brokerId: BrokerId
  readonly brokerEpoch: () => BrokerEpoch
  readonly controller: ControllerChannel
  readonly logEvent: LogEvent
  /** 'retry': ask the same again. `certain`: no other attempt can still reach a controller. */
  readonly answered: (
    partition: Partition,
    proposal: IsrProposal,
    answer: AlterPartitionAnswer,
    certain: boolean,
  ) => 'done' | 'retry'
}

interface Item {
  readonly partition: Partition
  readonly proposal: IsrProposal
  /** When the last attempt ended without an answer; −∞: none did. */
  lostAtMs: number
}

/** A lost answer must not fence a leader's ISR for long (B10); a commit takes milliseconds. */
const alterPartitionTimeoutMs = 5_000
/** Six timeouts: after this a request is on no wire and in no queue any more. */
const lostAttemptMaxMs = 30_000
const retryMs = 50
const retryMaxMs = 1_000
/**
 * Of one request, which the controller decides about in one turn, at some 20 µs each, and everybody who follows the
 * metadata takes in one. A broker that comes back joins thousands of ISRs.
 */
const maxPartitionsPerRequest = 500

/**
 * ISR changes on their way to the controller: at most one per partition, batched, one request in flight. A change is
 * asked for again until an answer or newer metadata settles it; asking twice is safe, because the partition epoch lets
 * only the first one pass.
 */
export class AlterPartitionQueue {
  readonly #options: AlterPartitionQueueOptions
  readonly #items = new Map<Partition, Item>()
  readonly #endOfTurn: EndOfTurn
  #isInFlight = false
  #failures = 0
  #cancelRetry: (() => void) | null = null
  #isStopped = false

  constructor(options: AlterPartitionQueueOptions) {
    this.#options = options
    this.#endOfTurn = new EndOfTurn(options.clock, () => this.#send())
  }

  get size(): number {
    return this.#items.size
  }

  /** Replaces what was asked for the partition: it lost by its epoch. */
  submit(partition: Partition, proposal: IsrProposal): void {
    this.#items.set(partition, { partition, proposal, lostAtMs: -Infinity })
    if (!this.#cancelRetry) this.#endOfTurn.request()
  }

  /** Settled by the metadata, or not led here any more. */
  withdraw(partition: Partition): void {
    this.#items.delete(partition)
  }

  /** The way to the controller may be open again, or the metadata moved: no reason to wait any longer. */
  retryNow(): void {
    if (!this.#cancelRetry) return
    this.#cancelRetry()
    this.#cancelRetry = null
    this.#endOfTurn.request()
  }

  stop(): void {
    this.#isStopped = true
    this.#endOfTurn.stop()
    this.#cancelRetry?.()
    this.#items.clear()
  }

  #send(): void {
    if (this.#isInFlight || this.#items.size === 0 || this.#isStopped) return
    const items = [...this.#items.values()].slice(0, maxPartitionsPerRequest)
    const brokerEpoch = this.#options.brokerEpoch()
    const { brokerId, controller } = this.#options
    this.#isInFlight = true
    const request = {
      brokerId,
      brokerEpoch,
      partitions: items.map(({ partition, proposal }) => ({
        topicId: partition.topicId,
        partition: partition.partition,
        leaderEpoch: proposal.leaderEpoch,
        partitionEpoch: proposal.partitionEpoch,
        newIsr: proposal.newIsr.map(member =>
          member.brokerId === brokerId ? { brokerId, brokerEpoch } : member,
        ),
        recovering: false,
      })),
    }
    controller.request('alterPartition', request, alterPartitionTimeoutMs).then(
      answer => {
        this.#isInFlight = false
        if (this.#isStopped) return
        if (answer.errorCode === errorCodes.NONE) this.#settle(items, answer.partitions)
        else this.#failed(items, false, { errorCode: answer.errorCode })
      },
      (error: unknown) => {
        this.#isInFlight = false
        if (!(error instanceof ClusterError)) throw error
        // A controller that says it is none has done nothing; silence says nothing.
        if (!this.#isStopped) this.#failed(items, error.code !== 'NOT_CONTROLLER', { err: error })
      },
    )
  }

  #settle(
    items: readonly Item[],
    answers: readonly ({
      readonly topicId: string
      readonly partition: number
    } & AlterPartitionAnswer)[],
  ): void {
    const answersByPartition = new Map(
      answers.map(answer => [`${answer.topicId}/${answer.partition}`, answer]),
    )
    const nowMs = this.#options.clock.monotonicMs()
    let isOpen = false
    for (const item of items) {
      const { partition, proposal } = item
      if (this.#items.get(partition) !== item) continue
      const answer = answersByPartition.get(`${partition.topicId}/${partition.partition}`)
      const certain = nowMs - item.lostAtMs > lostAttemptMaxMs
      if (answer && this.#options.answered(partition, proposal, answer, certain) === 'done') {
        // The answer may have led to the next proposal already.
        if (this.#items.get(partition) === item) this.#items.delete(partition)
      } else {
        isOpen = true
      }
    }
    if (isOpen) this.#retryLater()
    else {
      this.#failures = 0
      if (this.#items.size > 0) this.#endOfTurn.request()
    }
  }

  #failed(items: readonly Item[], isLost: boolean, fields: Record<string, unknown>): void {
    const nowMs = this.#options.clock.monotonicMs()
    if (isLost) for (const item of items) item.lostAtMs = nowMs
    this.#options.logEvent('debug', 'isr changes wait for a controller', {
      count: items.length,
      ...fields,
    })
    this.#retryLater()
  }

  #retryLater(): void {
    const { clock } = this.#options
    const backoffMs = Math.min(retryMs * 2 ** Math.min(this.#failures, 5), retryMaxMs)
    this.#failures++
    this.#cancelRetry?.()
    this.#cancelRetry = clock.wakeAt(clock.monotonicMs() + backoffMs, () => {
      this.#cancelRetry = null
      this.#send()
    })
  }
}
