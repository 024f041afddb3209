import type { TopicId } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import type { ControllerChannel } from '../channels.ts'
import type { ReplicationContext } from './context.ts'
import { UntilHeard } from './until-heard.ts'

const timeoutMs = 5_000

/**
 * Tells the controller which removed topics this broker has none of any more. Said again until it is heard: the metadata
 * names a topic anew after a restart, but not after a lost request.
 */
export class Deletions {
  readonly #context: ReplicationContext
  readonly #controller: ControllerChannel
  readonly #topicIds = new Set<TopicId>()
  readonly #untilHeard: UntilHeard

  constructor(options: {
    readonly context: ReplicationContext
    readonly controller: ControllerChannel
  }) {
    this.#context = options.context
    this.#controller = options.controller
    this.#untilHeard = new UntilHeard(options.context.clock, () => this.#tell())
  }

  acknowledge(topicId: TopicId): void {
    this.#topicIds.add(topicId)
    this.#untilHeard.request()
  }

  stop(): void {
    this.#untilHeard.stop()
  }

  #tell(): Promise<boolean> | null {
    if (this.#topicIds.size === 0) return null
    const topicIds = [...this.#topicIds]
    const { brokerId, brokerEpoch } = this.#context
    const request = { brokerId, brokerEpoch: brokerEpoch(), topicIds }
    return this.#controller.request('replicasDeleted', request, timeoutMs).then(({ errorCode }) => {
      if (errorCode !== errorCodes.NONE) return false
      for (const topicId of topicIds) this.#topicIds.delete(topicId)
      return true
    })
  }
}
