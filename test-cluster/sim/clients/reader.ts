import { apis, batchSizeBytes, decodeBatch, errorCodes } from '@trimaran/protocol'
import type { NodeId } from '@trimaran/common'
import { violated } from '../../checkers/violation.ts'
import { NoAnswer } from './kafka-client.ts'
import type { KafkaClient, PartitionAddress } from './kafka-client.ts'
import { decodeValue } from './values.ts'

export interface Position {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  /** -1: not known yet. */
  offset: number
  lastEpoch: number
  /** What comes next is gone; the leader is to say where the partition begins. */
  isReset?: boolean
}

export interface ReaderOptions {
  readonly maxWaitMs: number
  readonly maxBytes: number
  /** Reads from any replica now and then (KIP-392). */
  readonly fromFollowers: boolean
}

/** A leader without a majority learns within its session that it is none: three seconds at most here. */
const staleLeaderMaxUs = 4_000_000

/** Reads partitions onwards from where they are, and records what it read. Consumers of all kinds are built on it. */
export class Reader {
  readonly positions = new Map<string, Position>()
  /** When a partition first answered so, in a row, to who knew no epoch; by its name. */
  readonly #outOfRangeSince = new Map<string, number>()
  readonly #client: KafkaClient
  readonly #options: ReaderOptions
  #stream: string
  #seeks = 0
  records = 0

  constructor(client: KafkaClient, options: ReaderOptions) {
    this.#client = client
    this.#options = options
    this.#stream = client.name
  }

  /** What is read since the last `seek`. */
  get stream(): string {
    return this.#stream
  }

  /** Forgets all positions: what is read from now on is another stream. */
  seek(positions: readonly Position[]): void {
    this.#stream = `${this.#client.name}#${++this.#seeks}`
    this.positions.clear()
    for (const position of positions) {
      this.positions.set(`${position.topicId}/${position.partition}`, position)
    }
  }

  /** One round over all partitions; true if it got anything. */
  async poll(): Promise<boolean> {
    const byNode = new Map<NodeId, Position[]>()
    let isStale = false
    for (const position of this.positions.values()) {
      const address = this.#address(position)
      if (address === 'gone') this.positions.delete(`${position.topicId}/${position.partition}`)
      if (address === 'gone') continue
      if (address === null || address.leader < 0) {
        isStale = true
        continue
      }
      if (position.offset < 0 || position.isReset === true) {
        await this.#beginning(position, address)
        continue
      }
      const { random } = this.#client
      const isElsewhere = this.#options.fromFollowers && random.chance(1, 3)
      const node = isElsewhere ? random.pick(address.replicas) : address.leader
      byNode.set(node, [...(byNode.get(node) ?? []), position])
    }
    const topics = new Set([...this.positions.values()].map(({ topic }) => topic))
    if (isStale) await this.#client.refresh([...topics])
    const got = await Promise.all([...byNode].map(([node, all]) => this.#fetch(node, all)))
    return got.some(Boolean)
  }

  #address(position: Position): PartitionAddress | 'gone' | null {
    const topic = this.#client.topics.get(position.topic)
    if (topic === undefined) return null
    if (topic.topicId !== position.topicId) return 'gone'
    const address = topic.partitions[position.partition]
    // Who has read records of an epoch asks no leader of an earlier one (KIP-320).
    return address === undefined || address.leaderEpoch < position.lastEpoch ? null : address
  }

  async #beginning(position: Position, address: PartitionAddress): Promise<void> {
    const told = await endOffset(this.#client, position.topic, address, -2)
    if (told === null || told.offset < 0) {
      await this.#client.refresh([position.topic])
      return
    }
    // Another leader may begin earlier: it has not heard of the deletion, or forgotten it. What was read is not read again.
    if (told.offset > position.offset) {
      position.offset = told.offset
      position.lastEpoch = -1
    }
    position.isReset = false
  }

  async #fetch(node: NodeId, positions: readonly Position[]): Promise<boolean> {
    const client = this.#client
    const { maxWaitMs, maxBytes } = this.#options
    const invokedAt = client.nowUs
    const asked = new Map(positions.map(position => [position, position.offset]))
    try {
      const answer = await client.call(node, apis.fetch, {
        maxWaitMs,
        minBytes: 1,
        maxBytes,
        isolationLevel: client.random.between(0, 1),
        topics: positions.map(position => ({
          topic: position.topic,
          topicId: position.topicId,
          partitions: [
            {
              partition: position.partition,
              currentLeaderEpoch: this.#epochOf(position),
              fetchOffset: position.offset,
              lastFetchedEpoch: position.lastEpoch,
              partitionMaxBytes: maxBytes,
            },
          ],
        })),
        rackId: '',
      } as never)
      let isStale = answer.errorCode !== 0
      let hasRecords = false
      for (const { topic, topicId, partitions } of answer.responses) {
        for (const told of partitions) {
          const position = positions.find(
            one =>
              one.partition === told.partitionIndex &&
              (one.topicId === topicId || one.topic === topic),
          )
          if (position === undefined || asked.get(position) !== position.offset) continue
          if (told.errorCode !== 0) {
            client.shared.marks.told('fetch', told.errorCode)
            isStale = true
            this.#failed(position, told.errorCode, node)
          } else if (told.divergingEpoch.endOffset >= 0) {
            violated(
              'P13',
              `${client.name} read ${name(position)} beyond ${told.divergingEpoch.endOffset}, which diverges`,
            )
          } else if (told.logStartOffset > position.offset) {
            violated(
              'P14',
              `${client.name} reads ${name(position)} at ${position.offset}, and it begins at ${told.logStartOffset}`,
            )
          } else if (told.records !== null && told.records.length > 0) {
            this.#askLast(position)
            hasRecords =
              this.#take(position, told.records, told.highWatermark, invokedAt) || hasRecords
          }
        }
      }
      if (isStale) await this.#moveOn(positions)
      return hasRecords
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error
      await this.#moveOn(positions)
      return false
    }
  }

  /** As clients do: an answer has room for so much, and whoever always comes first would leave nothing to the others. */
  #askLast(position: Position): void {
    const key = `${position.topicId}/${position.partition}`
    if (this.positions.delete(key)) this.positions.set(key, position)
  }

  async #moveOn(positions: readonly Position[]): Promise<void> {
    await this.#client.refresh([...new Set(positions.map(({ topic }) => topic))])
    await this.#client.sleep(this.#client.random.between(20, 80))
  }

  #epochOf(position: Position): number {
    const address = this.#address(position)
    return address === null || address === 'gone' ? -1 : address.leaderEpoch
  }

  #failed(position: Position, errorCode: number, node: NodeId): void {
    const address = this.#address(position)
    const isLeader = address !== null && address !== 'gone' && address.leader === node
    if (errorCode !== errorCodes.OFFSET_OUT_OF_RANGE || !isLeader) return
    const { oracle, marks } = this.#client.shared
    // As with auto.offset.reset=earliest: what it would read next is deleted.
    if (position.offset < oracle.mayBeginAt(position.topicId, position.partition)) {
      marks.hit('reader: reset to the log start')
      position.isReset = true
      return
    }
    if (position.lastEpoch < 0 && !this.#isOutOfRangeForLong(position)) return
    violated(
      'P13',
      `${this.#client.name} had read ${name(position)} up to ${position.offset}, which is out of range`,
    )
  }

  /**
   * A broker that stood still leads an epoch that is over, and who does not know of which epoch the records before its
   * position are (OffsetFetch before version 5 does not say) believes it. Records that are gone stay out of range.
   */
  #isOutOfRangeForLong(position: Position): boolean {
    const { nowUs } = this.#client
    const sinceUs = this.#outOfRangeSince.get(name(position)) ?? nowUs
    this.#outOfRangeSince.set(name(position), sinceUs)
    return nowUs - sinceUs >= staleLeaderMaxUs
  }

  #take(position: Position, bytes: Uint8Array, highWatermark: number, invokedAt: number): boolean {
    this.#outOfRangeSince.delete(name(position))
    const { shared, nowUs } = this.#client
    const records: { offset: number; value: number }[] = []
    const { topicId, partition } = position
    for (let at = 0; at + 12 <= bytes.length;) {
      const sizeBytes = batchSizeBytes(bytes, at)
      if (at + sizeBytes > bytes.length) break
      const { header, records: decoded } = decodeBatch(bytes.subarray(at, at + sizeBytes), 0)
      at += sizeBytes
      for (const { offset, value } of decoded) {
        if (offset < position.offset || value === null) continue
        if (offset >= highWatermark) {
          violated(
            'P12',
            `${name(position)}@${offset} shown with a high watermark of ${highWatermark}`,
          )
        }
        const number = decodeValue(value)
        shared.oracle.read({ topicId, partition, offset, value: number })
        records.push({ offset, value: number })
      }
      position.offset = Math.max(position.offset, header.lastOffset + 1)
      position.lastEpoch = header.partitionLeaderEpoch
    }
    if (records.length === 0) return false
    this.records += records.length
    shared.history.polls.push({
      process: this.#client.name,
      partition: `${topicId}/${partition}`,
      stream: this.#stream,
      invokedAt,
      endedAt: nowUs,
      records,
    })
    return true
  }
}

const name = ({ topic, partition }: Position): string => `${topic}-${partition}`

/** `timestamp` -1: the end; -2: the beginning. Null: no answer, or an error. */
export async function endOffset(
  client: KafkaClient,
  topic: string,
  address: PartitionAddress,
  timestamp: number,
): Promise<{ readonly offset: number; readonly leaderEpoch: number } | null> {
  const invokedAt = client.nowUs
  try {
    const answer = await client.call(
      address.leader,
      apis.listOffsets,
      {
        replicaId: -1,
        topics: [
          {
            name: topic,
            partitions: [
              {
                partitionIndex: address.partition,
                currentLeaderEpoch: address.leaderEpoch,
                timestamp,
              },
            ],
          },
        ],
      } as never,
      { version: 7 },
    )
    const told = answer.topics[0]?.partitions[0]
    client.shared.marks.told('listOffsets', told?.errorCode ?? 0)
    if (told === undefined || told.errorCode !== 0) return null
    if (timestamp === -1) {
      client.shared.history.endOffsets.push({
        process: client.name,
        partition: `${address.topicId}/${address.partition}`,
        leaderEpoch: address.leaderEpoch,
        offset: told.offset,
        invokedAt,
        endedAt: client.nowUs,
      })
    }
    if (timestamp === -2) {
      const { topicId, partition, leaderEpoch } = address
      client.shared.oracle.logStart(topicId, partition, told.offset)
      client.shared.history.logStarts.push({
        process: client.name,
        partition: `${topicId}/${partition}`,
        leaderEpoch,
        offset: told.offset,
        invokedAt,
        endedAt: client.nowUs,
      })
    }
    return { offset: told.offset, leaderEpoch: told.leaderEpoch }
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error
    return null
  }
}
