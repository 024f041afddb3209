import type { TopicId } from '@trimaran/common'

/** A map by partition, without a key to be joined and hashed for each look. */
export class ByPartition<Value> {
  readonly #byTopic = new Map<TopicId, Map<number, Value>>()

  get(topicId: TopicId, partition: number): Value | undefined {
    return this.#byTopic.get(topicId)?.get(partition)
  }

  set(topicId: TopicId, partition: number, value: Value): void {
    let ofTopic = this.#byTopic.get(topicId)
    if (ofTopic === undefined) {
      ofTopic = new Map()
      this.#byTopic.set(topicId, ofTopic)
    }
    ofTopic.set(partition, value)
  }

  delete(topicId: TopicId, partition: number): void {
    const ofTopic = this.#byTopic.get(topicId)
    if (ofTopic?.delete(partition) === true && ofTopic.size === 0) this.#byTopic.delete(topicId)
  }

  *values(): Generator<Value> {
    for (const ofTopic of this.#byTopic.values()) yield* ofTopic.values()
  }

  clear(): void {
    this.#byTopic.clear()
  }
}
