import { ClusterError, noLeader, partitionKey } from '@trimaran/common'
import type { BrokerId, TopicId } from '@trimaran/common'
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

interface LostReplica {
  readonly topicId: TopicId
  readonly partition: number
  /** A leadership is given up only if another one can lead: without, the partition would have no leader, and this one serves. */
  readonly isServing: boolean
}

/**
 * Replicas that are not what the metadata says: their log failed or is damaged. This broker asks the controller for an ISR
 * without itself, which is to say: let another one lead, and do not count what I had, as a member of the ISR or of the ELR.
 * Asked again, with the newest epochs, until the metadata does. The leader would find out only when a record comes that is
 * not fetched. Bounded by the partitions of the broker.
 */
export class LostReplicas {
  readonly #context: ReplicationContext
  readonly #controller: ControllerChannel
  readonly #lost = new Map<string, LostReplica>()
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

  /** Null: nothing to ask for. A follower that nobody leads may be the best there is. */
  #counted({ topicId, partition, isServing }: LostReplica): PartitionImage | null {
    const { table, brokerId } = this.#context
    const image = table.image.topicsById.get(topicId)?.partitions[partition]
    if (image === undefined || image.leader === noLeader) return null
    if (image.leader === brokerId) return isServing && image.isr.length < 2 ? null : image
    return isCounted(image, brokerId) ? image : null
  }

  #send(): void {
    if (this.#isInFlight || this.#isStopped) return
    for (const [key, lost] of this.#lost) if (!this.#counted(lost)) this.#lost.delete(key)
    const asked = [...this.#lost].slice(0, maxPartitionsPerRequest)
    if (asked.length === 0) return
    const { brokerId, brokerEpoch } = this.#context
    const partitions = asked.flatMap(([, lost]) => {
      const image = this.#counted(lost)
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

/** Whether the metadata says that it has what is committed. */
export const isCounted = ({ isr, elr }: PartitionImage, brokerId: BrokerId): boolean =>
  isr.includes(brokerId) || elr?.includes(brokerId) === true
