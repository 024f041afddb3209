import type { LeaderEpoch, NodeId, Offset, TopicId } from '@trimaran/common'
import { decodeBatch } from '@trimaran/protocol'
import type { BatchHeader } from '@trimaran/protocol'
import type { Asked } from './log-starts.ts'
import type { Mirror } from './replicated-logs.ts'
import { violated } from './violation.ts'

/** A batch as some replica stored it. */
export interface StoredBatch {
  readonly baseOffset: Offset
  readonly lastOffset: Offset
  readonly leaderEpoch: LeaderEpoch
  readonly crc: number
  readonly maxTimestampMs: number
  readonly sizeBytes: number
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly lastSequence: number
  /** The numbers its records carry; null in topics of the cluster's own. */
  readonly values: readonly number[] | null
}

/** More leader epochs than a simulation can have. */
const epochsMax = 65_536

/**
 * One partition as the whole cluster knows it: every batch that any replica ever stored, and those that are committed,
 * in order. A committed batch is for ever.
 */
export class CommittedLog {
  readonly name: string
  readonly topicId: TopicId
  readonly partition: number
  /** Who has it, by node. */
  readonly mirrors = new Map<NodeId, Mirror>()
  readonly #readValue: ((bytes: Uint8Array) => number) | null
  readonly #stored = new Map<number, StoredBatch>()
  readonly #storedAt = new Map<Offset, StoredBatch[]>()
  readonly batches: StoredBatch[] = []
  /** Index in `batches` by base offset. */
  readonly #at = new Map<Offset, number>()
  /** By offset. */
  readonly values: number[] = []
  /** The highest high watermark that any leader had. */
  end: Offset = 0
  /** The latest beginning that any replica had, and rightly so. */
  begin: Offset = 0
  /** What is to be deleted; without those that were refused. */
  readonly asked = new Set<Asked>()

  constructor(
    of: { readonly topicId: TopicId; readonly topicName: string; readonly partition: number },
    readValue: ((bytes: Uint8Array) => number) | null,
  ) {
    this.name = `${of.topicName}-${of.partition}`
    this.topicId = of.topicId
    this.partition = of.partition
    this.#readValue = readValue
  }

  /** P12: an offset is given once in a leader epoch, so the two name one batch. */
  store(header: BatchHeader, bytes: Uint8Array): StoredBatch {
    const { baseOffset, partitionLeaderEpoch, crc, lastOffset } = header
    const key = baseOffset * epochsMax + partitionLeaderEpoch
    const known = this.#stored.get(key)
    if (known !== undefined) {
      if (known.crc !== crc || known.lastOffset !== lastOffset) {
        violated(
          'P12',
          `${this.name}@${baseOffset} was given twice in epoch ${partitionLeaderEpoch}`,
        )
      }
      return known
    }
    const batch: StoredBatch = {
      baseOffset,
      lastOffset,
      leaderEpoch: partitionLeaderEpoch,
      crc,
      maxTimestampMs: header.maxTimestampMs,
      sizeBytes: bytes.length,
      producerId: header.producerId,
      producerEpoch: header.producerEpoch,
      baseSequence: header.baseSequence,
      lastSequence: header.lastSequence,
      values: this.#valuesIn(bytes),
    }
    this.#stored.set(key, batch)
    const others = this.#storedAt.get(baseOffset)
    if (others) others.push(batch)
    else this.#storedAt.set(baseOffset, [batch])
    return batch
  }

  commit(batch: StoredBatch): void {
    if (batch.baseOffset !== this.end) {
      violated('P5', `${this.name}: ${batch.baseOffset} is committed after ${this.end}`)
    }
    this.#at.set(batch.baseOffset, this.batches.length)
    this.batches.push(batch)
    this.end = batch.lastOffset + 1
    batch.values?.forEach((value, at) => {
      this.values[batch.baseOffset + at] = value
    })
  }

  committedAt(baseOffset: Offset): StoredBatch | undefined {
    const at = this.#at.get(baseOffset)
    return at === undefined ? undefined : this.batches[at]
  }

  /** What was stored at `offset`: what is committed, or else what came last. */
  knownAt(offset: Offset): StoredBatch | undefined {
    return this.batches[this.indexOf(offset)] ?? this.storedAt(offset).at(-1)
  }

  /** What lies below may be gone from any replica. */
  get mayBeginAt(): Offset {
    let begin = this.begin
    for (const { below } of this.asked) begin = Math.max(begin, below)
    return begin
  }

  /** In `batches`, of the one that holds `offset`. */
  indexOf(offset: Offset): number {
    return indexIn(this.batches, offset)
  }

  /** In any epoch. */
  storedAt(baseOffset: Offset): readonly StoredBatch[] {
    return this.#storedAt.get(baseOffset) ?? []
  }

  #valuesIn(bytes: Uint8Array): readonly number[] | null {
    const readValue = this.#readValue
    if (readValue === null) return null
    return decodeBatch(bytes, 0).records.map(({ value }) => (value === null ? 0 : readValue(value)))
  }
}

/** Of the first batch that ends at `offset` or later. */
export function indexIn(batches: readonly StoredBatch[], offset: Offset): number {
  let low = 0
  let high = batches.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((batches[middle] as StoredBatch).lastOffset < offset) low = middle + 1
    else high = middle
  }
  return low
}
