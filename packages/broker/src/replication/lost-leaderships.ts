import { ClusterError, partitionKey } from '@trimaran/common'
import type { TopicId } from '@trimaran/common'
import type { PartitionImage } from '@trimaran/metadata'
import { errorCodes } from '@trimaran/protocol'
import type { ControllerChannel } from '../channels.ts'
import type { ReplicationContext } from './context.ts'
import { EndOfTurn } from './timers.ts'

const timeoutMs = 5_000
const retryMs = 100
const retryMaxMs = 5_000
/** Of one request; the rest follows when it is answered. */
const maxPartitionsPerRequest = 1_000

interface LostLeadership {
  readonly topicId: TopicId
  readonly partition: number
  /** Only if another one can lead: without, the partition would have no leader, and this one serves. */
  readonly isServing: boolean
}

/**
 * Leaderships that this broker cannot exercise, or not wholly: its log of the partition failed or is damaged. It asks the
 * controller for an ISR without itself, which is to say: let another one lead. Asked again, with the newest epochs, until the metadata
 * names another leader or none. Bounded by the partitions of the broker.
 */
export class LostLeaderships {
  readonly #context: ReplicationContext
  readonly #controller: ControllerChannel
  readonly #lost = new Map<string, LostLeadership>()
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

  giveUp(topicId: TopicId, partition: number, { isServing = false } = {}): void {
    this.#lost.set(partitionKey(topicId, partition), { topicId, partition, isServing })
    if (!this.#cancelRetry) this.#endOfTurn.request()
  }

  stop(): void {
    this.#isStopped = true
    this.#endOfTurn.stop()
    this.#cancelRetry?.()
  }

  #led({ topicId, partition, isServing }: LostLeadership): PartitionImage | null {
    const { table, brokerId } = this.#context
    const image = table.image.topicsById.get(topicId)?.partitions[partition]
    if (image?.leader !== brokerId) return null
    return isServing && image.isr.length < 2 ? null : image
  }

  #send(): void {
    if (this.#isInFlight || this.#isStopped) return
    for (const [key, lost] of this.#lost) if (!this.#led(lost)) this.#lost.delete(key)
    const asked = [...this.#lost].slice(0, maxPartitionsPerRequest)
    if (asked.length === 0) return
    const { brokerId, brokerEpoch } = this.#context
    const partitions = asked.flatMap(([, lost]) => {
      const image = this.#led(lost)
      return image ? [this.#item(lost.topicId, image)] : []
    })
    this.#isInFlight = true
    const request = { brokerId, brokerEpoch: brokerEpoch(), partitions }
    this.#controller.request('alterPartition', request, timeoutMs).then(
      answer => {
        this.#isInFlight = false
        let isOpen = answer.errorCode !== errorCodes.NONE
        for (const { topicId, partition, errorCode } of answer.partitions) {
          if (errorCode === errorCodes.NONE) this.#lost.delete(partitionKey(topicId, partition))
          else isOpen = true
        }
        if (isOpen) {
          this.#retryLater()
          return
        }
        this.#failures = 0
        if (this.#lost.size > 0) this.#endOfTurn.request()
      },
      (error: unknown) => {
        this.#isInFlight = false
        if (!(error instanceof ClusterError)) throw error
        this.#retryLater()
      },
    )
  }

  #item(topicId: TopicId, image: PartitionImage) {
    const { table, brokerId } = this.#context
    return {
      topicId,
      partition: image.partition,
      leaderEpoch: image.leaderEpoch,
      partitionEpoch: image.partitionEpoch,
      newIsr: image.isr
        .filter(id => id !== brokerId)
        .map(id => ({ brokerId: id, brokerEpoch: table.image.brokers.get(id)?.epoch ?? -1 })),
      recovering: image.recovering,
    }
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
