import { ClusterError, emptyBytes, giveBack, Slots } from '@trimaran/common'
import type { Offset, TopicId } from '@trimaran/common'
import type { ColdRead } from '@trimaran/log'
import { errorCodes } from '@trimaran/protocol'
import type { ReplicationContext } from './context.ts'
import { divergenceOf } from './epoch-ends.ts'
import { ColdPace } from './cold-pace.ts'
import { readErrorCode } from './leader-side.ts'
import { listOffset, listOffsetError } from './list-offsets.ts'
import { leaderEpochError } from './partition-table.ts'
import type { Partition } from './partition.ts'
import { FetchPurgatory } from './purgatory.ts'
import type {
  FetchPartition,
  FetchRequest,
  FetchResult,
  ListOffsetRequest,
  ListOffsetResult,
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResult,
  Waiting,
} from './types.ts'

/**
 * Fetches from far behind that are read for at once; each holds as much as one answer. The others wait: a reader of last
 * week's records takes what the readers and writers of now leave.
 */
const coldFetchesMax = 2

/** Everything that consumers read. What they see ends at the high watermark, or at the last stable offset. */
export class ConsumerReads {
  readonly #context: ReplicationContext
  readonly purgatory: FetchPurgatory
  readonly #coldSlots = new Slots(coldFetchesMax)
  readonly #coldPace: ColdPace

  constructor(context: ReplicationContext) {
    this.#context = context
    const { clock, timers, metrics } = context
    this.#coldPace = new ColdPace(clock, timers, () => metrics.batchBytes.sum)
    this.purgatory = new FetchPurgatory(context.clock, context.timers, (request, force) =>
      this.#attempt(request, force),
    )
  }

  fetch(request: FetchRequest, waiting: Waiting): Promise<readonly FetchResult[]> {
    const cold = this.#coldReads(request)
    if (cold.length === 0) return this.#fetchNow(request, waiting)
    return this.#coldSlots
      .run(async () => {
        await this.#coldPace.turn(cold.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))
        for (const { load } of cold) {
          // What fails to load is read again below, and its failure is told there.
          if (!waiting.closed) await load().catch(() => null)
        }
        const answer = this.#fetchNow(request, waiting)
        for (const { release } of cold) release()
        // In an object: a fetch that parks now must not keep its slot until it is answered.
        return { answer }
      })
      .then(({ answer }) => answer)
  }

  /** Of partitions in their order, as far as the answer has room. */
  #coldReads(request: FetchRequest): ColdRead[] {
    const cold: ColdRead[] = []
    let room = request.maxBytes
    for (const part of request.partitions) {
      if (room <= 0) break
      const { partition } = this.#find(part)
      const maxBytes = Math.min(part.maxBytes, room)
      const read = partition?.log.coldRead(part.fetchOffset, maxBytes) ?? null
      if (read === null) continue
      cold.push(read)
      room -= maxBytes
    }
    return cold
  }

  #fetchNow(request: FetchRequest, waiting: Waiting): Promise<readonly FetchResult[]> {
    const force = request.maxWaitMs <= 0 || waiting.closed
    const results = this.#attempt(request, force)
    if (results) return Promise.resolve(results)
    const partitions: Partition[] = []
    for (const { topicId, partition } of request.partitions) {
      const hosted = this.#context.table.get(topicId, partition)
      if (hosted) partitions.push(hosted)
    }
    return this.purgatory.park(request, partitions, waiting)
  }

  listOffset(request: ListOffsetRequest): ListOffsetResult {
    const { partition, errorCode } = this.#find(request)
    if (!partition) return listOffsetError(errorCode)
    try {
      return listOffset(partition, request)
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      return listOffsetError(readErrorCode(error))
    }
  }

  offsetForLeaderEpoch(request: OffsetForLeaderEpochRequest): OffsetForLeaderEpochResult {
    const { partition, errorCode } = this.#find(request)
    if (!partition) return { errorCode, leaderEpoch: -1, endOffset: -1 }
    if (!partition.leading) {
      return { errorCode: errorCodes.NOT_LEADER_OR_FOLLOWER, leaderEpoch: -1, endOffset: -1 }
    }
    const end = partition.endOffsetForEpoch(request.leaderEpoch)
    return { errorCode: errorCodes.NONE, leaderEpoch: end.epoch, endOffset: end.endOffset }
  }

  /** Null: too little to answer with, and no reason to answer early. */
  #attempt(request: FetchRequest, force: boolean): readonly FetchResult[] | null {
    const results: FetchResult[] = []
    let sizeBytes = 0
    let isUrgent = force
    for (const part of request.partitions) {
      const room = request.maxBytes - sizeBytes
      const result = this.#read(part, request, room, sizeBytes === 0)
      results.push(result)
      sizeBytes += result.records.length
      if (result.errorCode !== errorCodes.NONE || result.diverging) isUrgent = true
    }
    // An empty request has nothing to wait for.
    if (isUrgent || sizeBytes >= request.minBytes || request.partitions.length === 0) return results
    return null
  }

  #read(part: FetchPartition, request: FetchRequest, room: number, isFirst: boolean): FetchResult {
    const { partition, errorCode } = this.#find(part)
    if (!partition) return this.#failed(part, errorCode)
    if (!partition.leading && !(partition.following && request.allowFollower)) {
      return this.#failed(part, errorCodes.NOT_LEADER_OR_FOLLOWER)
    }
    const { log } = partition
    const { fetchOffset } = part
    if (fetchOffset < log.logStartOffset) return this.#failed(part, errorCodes.OFFSET_OUT_OF_RANGE)
    if (
      !partition.leading &&
      (part.lastFetchedEpoch > log.latestEpoch || fetchOffset > log.logEndOffset)
    ) {
      // The leader may have it already: KIP-392.
      return this.#failed(part, errorCodes.OFFSET_NOT_AVAILABLE)
    }
    const left = divergenceOf(fetchOffset, part.lastFetchedEpoch, partition)
    if (left === 'unknown') return this.#failed(part, errorCodes.OFFSET_OUT_OF_RANGE)
    if (left) return { ...resultOf(partition), diverging: left }
    if (fetchOffset > log.logEndOffset) return this.#failed(part, errorCodes.OFFSET_OUT_OF_RANGE)
    const isCommitted = request.isolation === 'readCommitted'
    const endOffset = isCommitted ? partition.lastStableOffset : partition.highWatermark
    try {
      const maxBytes = Math.min(part.maxBytes, room)
      const mayRead = fetchOffset < endOffset && (isFirst || maxBytes > 0)
      const records = mayRead
        ? withoutWaste(
            log.read(fetchOffset, {
              maxBytes: Math.max(maxBytes, 0),
              endOffset,
              minOneBatch: isFirst,
            }),
          )
        : emptyBytes
      return {
        ...resultOf(partition),
        abortedTransactions: isCommitted
          ? records.length > 0
            ? log.abortedTransactions(fetchOffset, endOffset)
            : []
          : null,
        records,
      }
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      return this.#failed(part, readErrorCode(error))
    }
  }

  #find(part: {
    readonly topicId: TopicId
    readonly partition: number
    readonly currentLeaderEpoch: number
  }): { readonly partition: Partition | null; readonly errorCode: number } {
    const { table } = this.#context
    const partition = table.get(part.topicId, part.partition)
    if (!partition) {
      return { partition: null, errorCode: table.errorOfMissing(part.topicId, part.partition) }
    }
    if (partition.failure) return { partition: null, errorCode: errorCodes.KAFKA_STORAGE_ERROR }
    const errorCode = leaderEpochError(partition, part.currentLeaderEpoch)
    return errorCode === errorCodes.NONE ? { partition, errorCode } : { partition: null, errorCode }
  }

  #failed(part: FetchPartition, errorCode: number): FetchResult {
    const hosted = this.#context.table.get(part.topicId, part.partition)
    const isOutOfRange = errorCode === errorCodes.OFFSET_OUT_OF_RANGE
    const result: FetchResult = {
      errorCode,
      highWatermark: hosted && isOutOfRange ? hosted.highWatermark : noOffset,
      lastStableOffset: noOffset,
      logStartOffset: hosted && isOutOfRange ? hosted.logStartOffset : noOffset,
      abortedTransactions: null,
      records: emptyBytes,
      diverging: null,
    }
    const isElsewhere =
      errorCode === errorCodes.NOT_LEADER_OR_FOLLOWER ||
      errorCode === errorCodes.FENCED_LEADER_EPOCH
    const currentLeader = isElsewhere
      ? this.#context.table.currentLeader(part.topicId, part.partition)
      : undefined
    return currentLeader ? { ...result, currentLeader } : result
  }
}

const noOffset: Offset = -1

/** An answer may wait in a socket for as long as its client likes, and with a view its whole buffer waits. */
const wasteFactorMax = 4

function withoutWaste(view: Uint8Array): Uint8Array {
  if (view.buffer.byteLength <= view.length * wasteFactorMax) return view
  const own = new Uint8Array(view)
  giveBack(view)
  return own
}

const resultOf = (partition: Partition): FetchResult => ({
  errorCode: errorCodes.NONE,
  highWatermark: partition.highWatermark,
  lastStableOffset: partition.lastStableOffset,
  logStartOffset: partition.logStartOffset,
  abortedTransactions: null,
  records: emptyBytes,
  diverging: null,
})
