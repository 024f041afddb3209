import type { NodeId, Offset } from '@trimaran/common'
import type { Image, PartitionImage } from '@trimaran/metadata'
import { errorCodes } from '@trimaran/protocol'
import type { NodeView, ReplicaView } from './cluster-view.ts'
import type { CommittedLog, StoredBatch } from './committed-log.ts'
import type { Mirror } from './replicated-logs.ts'
import { violated } from './violation.ts'

/** A DeleteRecords that somebody has sent. */
export interface Asked {
  /** Everything below may go. */
  below: Offset
}

/**
 * P14: a replica begins at 0 until somebody asks for less, or time or size do. Whatever is gone from the front of a log was
 * committed, and was to go: by a DeleteRecords that was sent, or by retention as the replica's own clock and topic configs
 * have it. Within one life of a replica its beginning never goes back.
 */
export class LogStarts {
  /** Batches that retention took away. */
  retained = 0

  /** The replica begins elsewhere than at the last look. */
  moved(mirror: Mirror, node: NodeView, replica: ReplicaView): void {
    const { log } = mirror
    const { logStartOffset } = replica
    const at = `node ${mirror.nodeId}: ${log.name} begins at ${logStartOffset}`
    if (logStartOffset < mirror.start) violated('P14', `${at}, and began at ${mirror.start}`)
    if (logStartOffset > log.end) violated('P14', `${at}, and ${log.end} are committed`)
    mirror.start = logStartOffset
    if (logStartOffset > log.mayBeginAt) this.#checkRetention(log, node, replica)
    log.begin = Math.max(log.begin, logStartOffset)
  }

  /** Each committed batch is looked at once: what is gone from one replica may go from all. */
  #checkRetention(log: CommittedLog, node: NodeView, replica: ReplicaView): void {
    const { retentionMs, retentionBytes, cleanupDelete } = replica.log.config
    const from = log.indexOf(log.mayBeginAt)
    const end = log.indexOf(replica.logStartOffset)
    // What was left when a batch went: the oldest go first, those behind it may have gone with it for their age.
    let leftBytes = replica.log.sizeBytes
    for (let at = end - 1; at >= from; at--) {
      const batch = log.batches[at] as StoredBatch
      const isExcess = retentionBytes >= 0 && leftBytes >= retentionBytes
      leftBytes += batch.sizeBytes
      const ageMs = node.wallMs - batch.maxTimestampMs
      const isExpired = retentionMs >= 0 && ageMs > retentionMs
      this.retained++
      if (cleanupDelete && (isExpired || isExcess)) continue
      violated(
        'P14',
        `node ${node.id}: ${log.name}@${batch.baseOffset} is gone; it was ${ageMs} ms old of ${retentionMs}, ` +
          `${leftBytes - batch.sizeBytes} bytes were left of ${retentionBytes}, and nobody asked for more than ${log.mayBeginAt}`,
      )
    }
  }
}

/**
 * Nothing was deleted. With any other error the leader may have done its part already: the replicas were too slow, or it
 * resigned while it waited for them, as in Kafka.
 */
export const isRefusal = (errorCode: number): boolean =>
  errorCode === errorCodes.OFFSET_OUT_OF_RANGE ||
  errorCode === errorCodes.UNKNOWN_TOPIC_OR_PARTITION

/** What a DeleteRecords is judged by, from the moment that it is sent. */
export class Deletion {
  readonly #log: CommittedLog
  readonly #look: () => Cluster
  readonly #asked: Asked
  readonly #to: NodeId
  readonly #before: PartitionImage | undefined
  /** Of those that are in sync: in which life. */
  readonly #lives = new Map<NodeId, number>()

  /** `offset` -1: all that is committed when the leader gets it, and nobody knows how much that will be. */
  constructor(
    log: CommittedLog,
    look: () => Cluster,
    { offset, to }: { readonly offset: Offset; readonly to: NodeId },
  ) {
    this.#log = log
    this.#to = to
    this.#look = look
    this.#asked = { below: offset < 0 ? Infinity : offset }
    log.asked.add(this.#asked)
    this.#before = this.#image()
    for (const id of this.#before?.isr ?? []) {
      const node = look().nodes.get(id)
      if (node !== undefined) this.#lives.set(id, node.incarnation)
    }
  }

  /** Null: no answer, and it may be carried out yet. */
  ended(told: { readonly errorCode: number; readonly lowWatermark: Offset } | null): void {
    if (told === null) return
    const { errorCode, lowWatermark } = told
    if (errorCode === errorCodes.NONE) this.#acknowledged(lowWatermark)
    else if (isRefusal(errorCode)) this.#log.asked.delete(this.#asked)
    else this.#asked.below = Math.min(this.#asked.below, this.#log.end)
  }

  /** All live replicas begin there or later (KIP-107), and so does whoever of them is in sync without a break. */
  #acknowledged(lowWatermark: Offset): void {
    const log = this.#log
    const { below } = this.#asked
    if (below !== Infinity && lowWatermark < below)
      violated(
        'P14',
        `${log.name} is deleted to ${below}, and its low watermark is ${lowWatermark}`,
      )
    if (lowWatermark > log.end)
      violated('P14', `${log.name} is deleted to ${lowWatermark}, and ${log.end} are committed`)
    this.#asked.below = Math.min(below, lowWatermark)
    const image = this.#image()
    if (image === undefined || image.partitionEpoch !== this.#before?.partitionEpoch) return
    // A leader that has been replaced and does not know it knows nothing of who is in sync either (as in Kafka).
    if (image.leader !== this.#to) return
    for (const id of image.isr) {
      const node = this.#look().nodes.get(id)
      if (node === undefined || this.#lives.get(id) !== node.incarnation) continue
      const replica = node.replica(log.topicId, log.partition)
      if (replica === undefined || replica.failure !== null) continue
      if (replica.logStartOffset >= lowWatermark) continue
      violated(
        'P14',
        `${log.name} is deleted to ${lowWatermark}, and node ${id} of the ISR begins at ${replica.logStartOffset}`,
      )
    }
  }

  #image(): PartitionImage | undefined {
    const { topicId, partition } = this.#log
    return this.#look().image.topicsById.get(topicId)?.partitions[partition]
  }
}

export interface Cluster {
  readonly image: Image
  readonly nodes: ReadonlyMap<NodeId, NodeView>
}
