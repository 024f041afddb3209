import type { TopicId } from './ids.ts'

/** A map by partition, without a key to be joined and hashed for each look. */
export class ByPartition<Value> {
  readonly #byTopic = new Map<TopicId, Map<number, Value>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(topicId: TopicId, partition: number): Value | undefined {
    return this.#byTopic.get(topicId)?.get(partition)
  }

  set(topicId: TopicId, partition: number, value: Value): void {
    let ofTopic = this.#byTopic.get(topicId)
    if (ofTopic === undefined) {
      ofTopic = new Map()
      this.#byTopic.set(topicId, ofTopic)
    }
    if (!ofTopic.has(partition)) this.#size++
    ofTopic.set(partition, value)
  }

  /** False: there was none. */
  delete(topicId: TopicId, partition: number): boolean {
    const ofTopic = this.#byTopic.get(topicId)
    if (ofTopic?.delete(partition) !== true) return false
    this.#size--
    if (ofTopic.size === 0) this.#byTopic.delete(topicId)
    return true
  }

  ofTopic(topicId: TopicId): Iterable<Value> {
    return this.#byTopic.get(topicId)?.values() ?? []
  }

  *values(): Generator<Value> {
    for (const ofTopic of this.#byTopic.values()) yield* ofTopic.values()
  }

  clear(): void {
    this.#byTopic.clear()
    this.#size = 0
  }
}
