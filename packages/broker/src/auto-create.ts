import type { Clock, LogEvent } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import type { ControllerChannel } from './channels.ts'
import type { BrokerConfig } from './config.ts'
import { forward } from './forward.ts'
import {
  clusterMetadataTopic,
  consumerOffsetsTopic,
  internalTopics,
  topicNameProblem,
  transactionStateTopic,
} from './topics.ts'

/** Bounds what clients that ask for ever new names can keep under way: 1000 names of at most 249 characters. */
const maxInFlight = 1000
/** A name that could not be created is not tried again before: clients ask every tenth of a second. */
const retryAfterMs = 250

export interface TopicToCreate {
  readonly name: string
  /** −1: the cluster's default. */
  readonly partitionCount: number
  readonly replicationFactor: number
  readonly configs: readonly { readonly name: string; readonly value: string | null }[]
}

/**
 * Creates topics that clients name before they exist (`auto.create.topics.enable`) and the internal ones. A name is asked
 * for once at a time, however many clients ask; they learn of the topic from the metadata, as with Kafka.
 */
export class TopicAutoCreator {
  readonly #clock: Clock
  readonly #controller: ControllerChannel
  readonly #config: BrokerConfig
  readonly #logEvent: LogEvent
  readonly #inFlight = new Set<string>()

  constructor(options: {
    readonly clock: Clock
    readonly controller: ControllerChannel
    readonly config: BrokerConfig
    readonly logEvent: LogEvent
  }) {
    this.#clock = options.clock
    this.#controller = options.controller
    this.#config = options.config
    this.#logEvent = options.logEvent
  }

  /** What a name that does not exist is answered with: it may be on its way after this. */
  requested(name: string): number {
    if (topicNameProblem(name) !== null || name === clusterMetadataTopic) {
      return errorCodes.INVALID_TOPIC_EXCEPTION
    }
    // Without transactions nobody would keep anything there.
    if (name !== transactionStateTopic) this.create(this.#definition(name))
    return errorCodes.UNKNOWN_TOPIC_OR_PARTITION
  }

  /** Does nothing while a creation of that name is under way. */
  create(topic: TopicToCreate): void {
    if (this.#inFlight.has(topic.name) || this.#inFlight.size >= maxInFlight) return
    this.#inFlight.add(topic.name)
    void this.#send(topic).then(created => {
      if (created) this.#inFlight.delete(topic.name)
      else this.#deleteLater(topic.name)
    })
  }

  #definition(name: string): TopicToCreate {
    if (name === consumerOffsetsTopic) return this.#config.consumerOffsetsTopic
    return { name, partitionCount: -1, replicationFactor: -1, configs: [] }
  }

  #deleteLater(name: string): void {
    this.#clock.wakeAt(this.#clock.monotonicMs() + retryAfterMs, () => this.#inFlight.delete(name))
  }

  /** False: the controller does not want it, or nobody answered. */
  async #send(topic: TopicToCreate): Promise<boolean> {
    const answer = await forward(
      this.#controller,
      'createTopics',
      { validateOnly: false, topics: [{ ...topic, assignments: [] }] },
      this.#config.requestTimeoutMs,
    )
    const outcome = answer.kind === 'failed' ? answer : answer.response.topics[0]
    if (outcome === undefined) return false
    const { errorCode, errorMessage } = outcome
    if (errorCode === errorCodes.NONE || errorCode === errorCodes.TOPIC_ALREADY_EXISTS) return true
    const level = internalTopics.has(topic.name) ? 'warn' : 'info'
    this.#logEvent(level, 'topic not created automatically', {
      topic: topic.name,
      errorCode,
      errorMessage,
    })
    return false
  }
}
