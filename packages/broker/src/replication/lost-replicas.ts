import { noLeader, partitionKey } from '@trimaran/common'
import type { TopicId } from '@trimaran/common'
import { isBrokerActive } from '@trimaran/metadata'
import type { PartitionImage } from '@trimaran/metadata'
import { errorCodes } from '@trimaran/protocol'
import type { ControllerChannel } from '../channels.ts'
import type { ReplicationContext } from './context.ts'
import { isCounted } from './isr.ts'
import { UntilHeard } from './until-heard.ts'

const timeoutMs = 5_000
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
  readonly #untilHeard: UntilHeard

  constructor(options: {
    readonly context: ReplicationContext
    readonly controller: ControllerChannel
  }) {
    this.#context = options.context
    this.#controller = options.controller
    this.#untilHeard = new UntilHeard(options.context.clock, () => this.#tell())
  }

  giveUp(topicId: TopicId, partition: number, { isServing = false } = {}): void {
    this.#lost.set(partitionKey(topicId, partition), { topicId, partition, isServing })
    this.#untilHeard.request()
  }

  stop(): void {
    this.#untilHeard.stop()
  }

  /** Null: nothing to ask for. A follower that nobody leads may be the best there is. */
  #counted({ topicId, partition, isServing }: LostReplica): PartitionImage | null {
    const { table, brokerId } = this.#context
    const image = table.image.topicsById.get(topicId)?.partitions[partition]
    if (image === undefined || image.leader === noLeader) return null
    if (image.leader === brokerId) return isServing && !this.#hasHeir(image) ? null : image
    return isCounted(image, brokerId) ? image : null
  }

  /** Somebody who has all that is committed and could lead at once. */
  #hasHeir({ isr, elr = [] }: PartitionImage): boolean {
    const { brokers } = this.#context.table.image
    return isr.length > 1 || elr.some(id => isBrokerActive(brokers.get(id)))
  }

  #tell(): Promise<boolean> | null {
    for (const [key, lost] of this.#lost) if (!this.#counted(lost)) this.#lost.delete(key)
    const partitions = [...this.#lost.values()].slice(0, maxPartitionsPerRequest).flatMap(lost => {
      const image = this.#counted(lost)
      return image ? [this.#item(lost.topicId, image)] : []
    })
    if (partitions.length === 0) return null
    const { brokerId, brokerEpoch } = this.#context
    const request = { brokerId, brokerEpoch: brokerEpoch(), partitions }
    return this.#controller.request('alterPartition', request, timeoutMs).then(answer => {
      let isHeard = answer.errorCode === errorCodes.NONE
      for (const { topicId, partition, errorCode } of answer.partitions) {
        if (errorCode === errorCodes.NONE) this.#lost.delete(partitionKey(topicId, partition))
        else isHeard = false
      }
      return isHeard
    })
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
}
