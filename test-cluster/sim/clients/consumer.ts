import type { KafkaClient } from './kafka-client.ts'
import { endOffset, Reader } from './reader.ts'
import type { ReaderOptions } from './reader.ts'

/** Reads all partitions of a topic by assignment, from the beginning on; starts over now and then. */
export class Consumer {
  readonly reader: Reader
  readonly #client: KafkaClient
  readonly #topic: string
  #topicId = ''
  #partitionCount = 0

  constructor(client: KafkaClient, topic: string, options: ReaderOptions) {
    this.#client = client
    this.#topic = topic
    this.reader = new Reader(client, options)
  }

  async run(): Promise<void> {
    const { random, shared } = this.#client
    while (!shared.isDraining) {
      await this.#client.sleep(random.between(10, 150))
      await this.#assign(random.chance(1, 400))
      await this.reader.poll()
      if (random.chance(1, 8)) await this.#askForEnds()
    }
  }

  async #assign(startsOver: boolean): Promise<void> {
    if (this.#client.random.chance(1, 50)) await this.#client.refresh([this.#topic])
    const topic = this.#client.topics.get(this.#topic)
    if (topic === undefined) {
      await this.#client.refresh([this.#topic])
      return
    }
    const isSame =
      topic.topicId === this.#topicId && topic.partitions.length === this.#partitionCount
    if (isSame && !startsOver) return
    this.#topicId = topic.topicId
    this.#partitionCount = topic.partitions.length
    this.reader.seek(
      topic.partitions.map(({ partition, topicId }) => {
        const known = startsOver ? undefined : this.reader.positions.get(`${topicId}/${partition}`)
        return (
          known ?? {
            topic: topic.name,
            topicId,
            partition,
            offset: startsOver ? 0 : -1,
            lastEpoch: -1,
          }
        )
      }),
    )
  }

  async #askForEnds(): Promise<void> {
    const topic = this.#client.topics.get(this.#topic)
    for (const address of topic?.partitions ?? []) {
      if (address.leader >= 0) await endOffset(this.#client, this.#topic, address, -1)
    }
  }
}
