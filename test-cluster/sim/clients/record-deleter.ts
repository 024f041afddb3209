import { apis, errorCodes } from '@trimaran/protocol'
import type { Deletion } from 'trimaran/history'
import { isRefusal } from '../../checkers/log-starts.ts'
import { NoAnswer } from './kafka-client.ts'
import type { KafkaClient, PartitionAddress } from './kafka-client.ts'
import { endOffset } from './reader.ts'

/** Deletes records from the front of partitions while others write and read there. */
export class RecordDeleter {
  readonly #client: KafkaClient
  readonly #topics: readonly string[]

  constructor(client: KafkaClient, topics: readonly string[]) {
    this.#client = client
    this.#topics = topics
  }

  async run(): Promise<void> {
    const { random, shared } = this.#client
    while (!shared.isDraining) {
      await this.#client.sleep(random.between(50, 1_000))
      if (shared.isDraining) return
      await this.#client.refresh(this.#topics)
      const topic = this.#client.topics.get(random.pick(this.#topics))
      if (topic === undefined || topic.partitions.length === 0) continue
      const address = random.pick(topic.partitions)
      if (address.leader < 0) continue
      const offset = await this.#offset(topic.name, address)
      if (offset !== null) await this.#delete(topic.name, address, offset)
    }
  }

  /** Around what is committed: all of it, some of it, none of it, more than there is. Null: nobody says how much it is. */
  async #offset(topic: string, address: PartitionAddress): Promise<number | null> {
    const { random } = this.#client
    if (random.chance(1, 4)) return -1
    const end = await endOffset(this.#client, topic, address, -1)
    if (end === null) return null
    return random.pick([
      end.offset,
      Math.max(0, end.offset - 1),
      end.offset + 1,
      random.between(0, end.offset),
      random.between(0, end.offset),
    ])
  }

  async #delete(topic: string, address: PartitionAddress, offset: number): Promise<void> {
    const { nowUs, shared, name } = this.#client
    const { topicId, partition, leader } = address
    const asked = shared.oracle.deleting(topicId, partition, offset, leader)
    // Nobody has it yet, so there is nothing in it.
    if (asked === null) return
    const deletion: Deletion = {
      process: name,
      partition: `${topicId}/${partition}`,
      offset,
      invokedAt: nowUs,
      endedAt: 0,
      status: 'open',
      lowWatermark: -1,
    }
    shared.history.deletions.push(deletion)
    const told = await this.#ask(leader, topic, partition, offset)
    asked.ended(told)
    deletion.endedAt = this.#client.nowUs
    deletion.status = statusOf(told?.errorCode)
    if (told === null) return
    shared.marks.told('deleteRecords', told.errorCode)
    if (told.errorCode !== errorCodes.NONE) return
    deletion.lowWatermark = told.lowWatermark
    shared.marks.hit('deleteRecords: done')
  }

  async #ask(
    leader: number,
    topic: string,
    partition: number,
    offset: number,
  ): Promise<{ readonly errorCode: number; readonly lowWatermark: number } | null> {
    try {
      const answer = await this.#client.call(leader, apis.deleteRecords, {
        topics: [{ name: topic, partitions: [{ partitionIndex: partition, offset }] }],
        timeoutMs: this.#client.random.pick([0, 500, 1_500]),
      })
      return answer.topics[0]?.partitions[0] ?? null
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
      return null
    }
  }
}

function statusOf(errorCode: number | undefined): Deletion['status'] {
  if (errorCode === errorCodes.NONE) return 'acked'
  return errorCode !== undefined && isRefusal(errorCode) ? 'failed' : 'unknown'
}
