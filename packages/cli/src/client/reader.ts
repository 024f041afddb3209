import { setTimeout as sleep } from 'node:timers/promises'
import {
  apis,
  decodeBatch,
  errorCodes,
  errorInfo,
  forEachBatch,
  type DecodedRecord,
} from '@trimaran/protocol'
import { ConnectionError } from './connection.ts'
import { outcomeText, type ClusterClient, type TopicMetadata } from './cluster-client.ts'
import { CliError } from '../output.ts'

export interface ConsumedRecord extends DecodedRecord {
  readonly topic: string
  readonly partition: number
}

/** One partition that is read: where the next record is, and where the log ended when last seen. */
export interface Position {
  readonly topic: string
  readonly partition: number
  nextOffset: number
  /** −1: not seen yet. */
  highWatermark: number
}

export const earliest = -2
export const latest = -1

const maxWaitMs = 500
const maxBytes = 8 * 1024 * 1024
const partitionMaxBytes = 1024 * 1024
const retryPauseMs = 50

/** Offsets of a timestamp (`earliest` and `latest` included), asked of the partitions' leaders. */
export async function listOffsets(
  client: ClusterClient,
  topic: string,
  partitions: readonly number[],
  timestamp: number,
  readCommitted = false,
): Promise<Map<number, number>> {
  const found = new Map<number, number>()
  await client.retry(async () => {
    const metadata = await client.topic(topic)
    for (const [leaderId, group] of byLeader(
      metadata,
      partitions.filter(partition => !found.has(partition)),
    )) {
      const connection = await client.broker(leaderId)
      const answer = await connection.request(apis.listOffsets, {
        replicaId: -1,
        isolationLevel: readCommitted ? 1 : 0,
        topics: [
          { name: topic, partitions: group.map(partitionIndex => ({ partitionIndex, timestamp })) },
        ],
        timeoutMs: 10_000,
      })
      for (const partition of answer.topics[0]?.partitions ?? []) {
        if (partition.errorCode === errorCodes.NONE)
          found.set(partition.partitionIndex, partition.offset)
        else if (!errorInfo(partition.errorCode).retriable)
          throw new CliError(
            `${topic}-${partition.partitionIndex}: ${outcomeText(partition.errorCode)}`,
          )
      }
    }
    if (found.size < partitions.length)
      throw new ConnectionError(`not every partition of ${topic} has a leader`)
  })
  return found
}

/** Partitions by their leader; those without one are left out. */
export function byLeader(
  metadata: TopicMetadata,
  partitions: readonly number[],
): Map<number, number[]> {
  const groups = new Map<number, number[]>()
  for (const partition of metadata.partitions) {
    if (!partitions.includes(partition.partitionIndex) || partition.leaderId < 0) continue
    const group = groups.get(partition.leaderId)
    if (group === undefined) groups.set(partition.leaderId, [partition.partitionIndex])
    else group.push(partition.partitionIndex)
  }
  return groups
}

/** Reads assigned partitions from their leaders, in offset order, and goes on after leaders moved. */
export class PartitionReader {
  readonly #client: ClusterClient
  readonly #readCommitted: boolean
  #positions: readonly Position[] = []
  readonly #topics = new Map<string, TopicMetadata>()
  /** Asked for anew when they are needed next. Until then fetches under way go by what is known. */
  readonly #stale = new Set<string>()

  constructor(client: ClusterClient, options: { readonly readCommitted: boolean }) {
    this.#client = client
    this.#readCommitted = options.readCommitted
  }

  assign(positions: readonly Position[]): void {
    this.#positions = positions
  }

  get positions(): readonly Position[] {
    return this.#positions
  }

  /** Every assigned partition was read up to where its log ended when last seen. */
  get isAtEnd(): boolean {
    return this.#positions.every(
      position => position.highWatermark >= 0 && position.nextOffset >= position.highWatermark,
    )
  }

  /** One round of fetches to every leader; waits for data half a second at most. */
  async poll(): Promise<ConsumedRecord[]> {
    const groups = new Map<number, Position[]>()
    for (const position of this.#positions) {
      const leaderId = await this.#leaderOf(position)
      if (leaderId === null) continue
      groups.set(leaderId, [...(groups.get(leaderId) ?? []), position])
    }
    if (groups.size === 0) {
      await sleep(retryPauseMs)
      return []
    }
    const rounds = await Promise.all(
      [...groups].map(([leaderId, group]) => this.#fetch(leaderId, group)),
    )
    return rounds.flat()
  }

  async #leaderOf(position: Position): Promise<number | null> {
    let metadata = this.#topics.get(position.topic)
    if (metadata === undefined || this.#stale.has(position.topic)) {
      metadata = await this.#client.topic(position.topic)
      this.#topics.set(position.topic, metadata)
      this.#stale.delete(position.topic)
    }
    const leaderId =
      metadata.partitions.find(one => one.partitionIndex === position.partition)?.leaderId ?? -1
    if (leaderId >= 0) return leaderId
    this.#stale.add(position.topic)
    return null
  }

  async #fetch(leaderId: number, positions: readonly Position[]): Promise<ConsumedRecord[]> {
    try {
      const connection = await this.#client.broker(leaderId)
      const topics = [...Map.groupBy(positions, position => position.topic)].map(
        ([topic, group]) => ({
          topic,
          topicId: this.#topics.get(topic)?.topicId ?? '',
          partitions: group.map(({ partition, nextOffset }) => ({
            partition,
            fetchOffset: nextOffset,
            partitionMaxBytes,
          })),
        }),
      )
      const answer = await connection.request(apis.fetch, {
        maxWaitMs,
        minBytes: 1,
        maxBytes,
        isolationLevel: this.#readCommitted ? 1 : 0,
        topics,
        rackId: '',
      })
      if (answer.errorCode !== errorCodes.NONE)
        throw new ConnectionError(outcomeText(answer.errorCode))
      return this.#take(positions, answer.responses)
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error
      for (const topic of this.#topics.keys()) this.#stale.add(topic)
      await sleep(retryPauseMs)
      return []
    }
  }

  #take(
    positions: readonly Position[],
    responses: readonly {
      readonly topic: string
      readonly topicId: string
      readonly partitions: readonly {
        readonly partitionIndex: number
        readonly errorCode: number
        readonly highWatermark: number
        readonly lastStableOffset: number
        readonly records: Uint8Array | null
      }[]
    }[],
  ): ConsumedRecord[] {
    const taken: ConsumedRecord[] = []
    for (const response of responses) {
      for (const data of response.partitions) {
        const position = positions.find(
          one =>
            one.partition === data.partitionIndex &&
            (one.topic === response.topic ||
              this.#topics.get(one.topic)?.topicId === response.topicId),
        )
        if (position === undefined) continue
        if (data.errorCode !== errorCodes.NONE) {
          this.#onError(position, data.errorCode)
          continue
        }
        position.highWatermark = this.#readCommitted ? data.lastStableOffset : data.highWatermark
        if (data.records !== null) takeRecords(position, data.records, taken)
      }
    }
    return taken
  }

  #onError(position: Position, errorCode: number): void {
    if (errorCode === errorCodes.OFFSET_OUT_OF_RANGE) {
      throw new CliError(
        `Offset ${position.nextOffset} of ${position.topic}-${position.partition} is not in its log; use --from-beginning or another --offset.`,
      )
    }
    if (!errorInfo(errorCode).retriable && errorCode !== errorCodes.UNKNOWN_TOPIC_ID) {
      throw new CliError(`${position.topic}-${position.partition}: ${outcomeText(errorCode)}`)
    }
    this.#stale.add(position.topic)
  }
}

/** Whole batches come back: what lies before the position is skipped, control batches are not for people. */
function takeRecords(position: Position, records: Uint8Array, into: ConsumedRecord[]): void {
  forEachBatch(records, (header, at) => {
    if (!header.isControl) {
      for (const record of decodeBatch(records, at).records) {
        if (record.offset >= position.nextOffset)
          into.push({ ...record, topic: position.topic, partition: position.partition })
      }
    }
    position.nextOffset = Math.max(position.nextOffset, header.lastOffset + 1)
  })
}
