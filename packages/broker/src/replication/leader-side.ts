import { ClusterError, emptyBytes, must } from '@trimaran/common'
import type { BrokerId, Offset } from '@trimaran/common'
import type { PartitionImage } from '@trimaran/metadata'
import { errorCodes } from '@trimaran/protocol'
import type {
  ControllerChannel,
  ReplicaFetchRequest,
  ReplicaFetchResponse,
  ReplicaFetchResult,
} from '../channels.ts'
import { AlterPartitionQueue } from './alter-partition-queue.ts'
import type { ReplicationContext } from './context.ts'
import { FetchSessions } from './fetch-sessions.ts'
import type { PositionAnswer } from './fetch-sessions.ts'
import type { FollowerPosition } from './follower-position.ts'
import { Flusher } from './flusher.ts'
import { divergenceOf } from './epoch-ends.ts'
import { PartitionLeader } from './leader.ts'
import type { AlterPartitionAnswer, IsrProposal, LeaderContext } from './leader.ts'
import { leaderEpochError } from './partition-table.ts'
import type { Partition } from './partition.ts'
import { ParkedProduce } from './purgatory.ts'
import type { FetchPurgatory } from './purgatory.ts'
import type {
  AppendPartition,
  AppendRequest,
  AppendResult,
  DeleteRecordsRequest,
  DeleteRecordsResult,
} from './types.ts'

export interface LeaderSideOptions {
  readonly context: ReplicationContext
  readonly controller: ControllerChannel
  readonly fetches: FetchPurgatory
  readonly flusher: Flusher
  readonly storageFailed: (partition: Partition, error: ClusterError) => void
}

/** What this broker does as a leader: append, serve followers, move high watermarks, change ISRs. */
export class LeaderSide {
  readonly #context: ReplicationContext
  readonly #options: LeaderSideOptions
  readonly #leaderContext: LeaderContext
  readonly #queue: AlterPartitionQueue
  readonly #sessions: FetchSessions
  /** Led, with fewer in sync than assigned: what time and returning brokers can change. */
  readonly #underReplicated = new Set<Partition>()
  readonly counts = { isrShrinks: 0, isrExpands: 0, failedIsrUpdates: 0, parkedProduces: 0 }

  constructor(options: LeaderSideOptions) {
    const { context } = options
    this.#context = context
    this.#options = options
    this.#leaderContext = {
      me: context.brokerId,
      lagTimeMaxMs: context.config.replicaLagTimeMaxMs,
      broker: brokerId => context.table.image.brokers.get(brokerId),
      bugs: context.bugs,
    }
    this.#queue = new AlterPartitionQueue({
      clock: context.clock,
      brokerId: context.brokerId,
      brokerEpoch: context.brokerEpoch,
      controller: options.controller,
      logEvent: context.logEvent,
      answered: (partition, proposal, answer, certain) =>
        this.#alterPartitionAnswered(partition, proposal, answer, certain),
    })
    this.#sessions = new FetchSessions({
      clock: context.clock,
      timers: context.timers,
      named: position => this.#named(position),
      look: (position, room) => this.#look(position, room),
      answered: sizeBytes => {
        context.metrics.followerFetchBytes.record(sizeBytes)
        context.metrics.bytesOut.add(sizeBytes)
      },
      hosted: (topicId, partition) => context.table.get(topicId, partition),
    })
  }

  get sessions(): FetchSessions {
    return this.#sessions
  }
  get underReplicated(): ReadonlySet<Partition> {
    return this.#underReplicated
  }

  // Leadership

  /** From now on, in the epoch of `image`. */
  lead(partition: Partition, image: PartitionImage): void {
    const context = this.#context
    const { log } = partition
    partition.image = image
    partition.leading = new PartitionLeader({
      context: this.#leaderContext,
      image,
      logStartOffset: log.logStartOffset,
      logEndOffset: log.logEndOffset,
      durableEndOffset: partition.claimableEndOffset,
      highWatermark: partition.highWatermark,
      minInsyncReplicas: partition.config.minInsyncReplicas,
      nowMs: context.clock.monotonicMs(),
    })
    if (partition.fsyncsBeforeAck) this.#options.flusher.request(partition)
    this.#changed(partition)
  }

  /** Same leader epoch, newer partition epoch. */
  metadata(partition: Partition, image: PartitionImage): void {
    const leader = must(partition.leading, 'only a leader goes on leading')
    partition.image = image
    const before = leader.partitionEpoch
    const sizeBefore = leader.isrState.isr.size
    leader.metadata(image, this.#context.clock.monotonicMs())
    if (leader.partitionEpoch !== before) this.#queue.withdraw(partition)
    this.#count(leader, sizeBefore)
    this.#failUnderMinIsr(partition)
    this.settle(partition)
    // Who is a replica may have changed: held positions are looked at again.
    this.#sessions.changed(partition.positions)
  }

  /** Everything parked is told; its outcome is for the next leader to know. */
  resign(partition: Partition, errorCode: number): void {
    if (!partition.leading) return
    partition.leading = null
    this.#queue.withdraw(partition)
    this.#underReplicated.delete(partition)
    partition.failProduces(errorCode)
    for (const deletion of partition.deletions) deletion.settle({ errorCode, lowWatermark: -1 })
    this.#changed(partition)
  }

  configured(partition: Partition): void {
    partition.leading?.configured(
      partition.config.minInsyncReplicas,
      this.#context.clock.monotonicMs(),
    )
    if (partition.leading && partition.fsyncsBeforeAck) this.#options.flusher.request(partition)
    this.settle(partition)
  }

  /** Brokers came, went, were fenced or unfenced. */
  brokersChanged(): void {
    for (const replicaId of this.#sessions.followers()) {
      if (!this.#context.table.image.brokers.has(replicaId))
        this.#sessions.removeFollower(replicaId)
    }
    this.tick(this.#underReplicated)
    this.#queue.retryNow()
  }

  tick(partitions: Iterable<Partition>): void {
    const nowMs = this.#context.clock.monotonicMs()
    for (const partition of partitions) {
      partition.leading?.tick(nowMs)
      this.settle(partition)
    }
  }

  /** After every step of a leader's core: what it decided becomes true. */
  settle(partition: Partition): void {
    const { leading } = partition
    if (!leading) return
    if (leading.isUnderReplicated) this.#underReplicated.add(partition)
    else this.#underReplicated.delete(partition)
    const proposal = leading.takeProposal()
    if (proposal) this.#propose(partition, proposal)
    if (!partition.raiseHighWatermark(leading.highWatermark)) return
    partition.settleProduces()
    this.#options.fetches.wake(partition)
    this.#sessions.highWatermarkMoved(partition.positions)
  }

  durable(partition: Partition): void {
    partition.settleLocalProduces()
    partition.leading?.durable(partition.claimableEndOffset, this.#context.clock.monotonicMs())
    this.settle(partition)
  }

  stop(): void {
    this.#queue.stop()
    this.#sessions.stop()
  }

  #changed(partition: Partition): void {
    this.settle(partition)
    this.#sessions.changed(partition.positions)
    this.#options.fetches.wake(partition)
  }

  // ISR changes

  #propose(partition: Partition, proposal: IsrProposal): void {
    this.#context.events.tell('isr change proposed', () => ({
      ...nameOf(partition),
      leaderEpoch: proposal.leaderEpoch,
      partitionEpoch: proposal.partitionEpoch,
      isr: [...partition.isr],
      newIsr: proposal.newIsr.map(({ brokerId }) => brokerId),
    }))
    this.#queue.submit(partition, proposal)
  }

  #alterPartitionAnswered(
    partition: Partition,
    proposal: IsrProposal,
    answer: AlterPartitionAnswer,
    certain: boolean,
  ): 'done' | 'retry' {
    const leader = partition.leading
    if (leader?.leaderEpoch !== proposal.leaderEpoch) return 'done'
    const before = leader.isrState.isr.size
    const outcome = leader.answered(proposal, answer, certain, this.#context.clock.monotonicMs())
    if (outcome === 'committed') {
      this.#count(leader, before)
      this.#context.events.tell('isr change committed', () => ({
        ...nameOf(partition),
        partitionEpoch: answer.partitionEpoch,
        isr: answer.isr,
      }))
      this.#failUnderMinIsr(partition)
    } else if (outcome === 'rejected') {
      this.counts.failedIsrUpdates++
      this.#context.events.tell('isr change rejected', () => ({
        ...nameOf(partition),
        errorCode: answer.errorCode,
      }))
    }
    this.settle(partition)
    return outcome === 'retry' ? 'retry' : 'done'
  }

  #count(leader: PartitionLeader, sizeBefore: number): void {
    const { size } = leader.isrState.isr
    if (size < sizeBefore) this.counts.isrShrinks++
    else if (size > sizeBefore) this.counts.isrExpands++
  }

  /** What is parked cannot be acknowledged before the ISR grows again: the producer is better told now. */
  #failUnderMinIsr(partition: Partition): void {
    if (partition.leading?.hasEnoughReplicas === false) {
      partition.failProduces(errorCodes.NOT_ENOUGH_REPLICAS_AFTER_APPEND)
    }
  }

  // Produce

  append(request: AppendRequest): Promise<readonly AppendResult[]> {
    const results: AppendResult[] = []
    for (const part of request.partitions) results.push(this.#append(part, request.acks))
    if (request.acks === 0) return Promise.resolve(results)
    const { promise, resolve } = Promise.withResolvers<readonly AppendResult[]>()
    const produce = this.#parkedProduce(results, request.acks, resolve)
    // No closure in here: it would hold the batches for as long as the produce is parked.
    for (const [index, part] of request.partitions.entries()) {
      const partition = this.#context.table.get(part.topicId, part.partition)
      const result = results[index] as AppendResult
      if (partition && result.errorCode === errorCodes.NONE) {
        park(partition, result.lastOffset + 1, request.acks, produce, index)
      }
    }
    if (!produce.isPending) return Promise.resolve(results)
    this.counts.parkedProduces++
    produce.startTimer(this.#context.timers, this.#context.clock.monotonicMs() + request.timeoutMs)
    return promise
  }

  #parkedProduce(
    results: AppendResult[],
    acks: number,
    resolve: (results: readonly AppendResult[]) => void,
  ): ParkedProduce {
    const { clock, metrics } = this.#context
    const parkedMs = clock.monotonicMs()
    return new ParkedProduce(results, answer => {
      this.counts.parkedProduces--
      if (acks === -1 && answer.every(hasPassed))
        metrics.replicationTime.record(clock.monotonicMs() - parkedMs)
      resolve(answer)
    })
  }

  #append(part: AppendPartition, acks: number): AppendResult {
    const { table } = this.#context
    const partition = table.get(part.topicId, part.partition)
    if (!partition) {
      return refused(
        table.errorOfMissing(part.topicId, part.partition),
        table.currentLeader(part.topicId, part.partition),
      )
    }
    const { log, leading } = partition
    if (partition.failure) return refused(errorCodes.KAFKA_STORAGE_ERROR)
    if (!leading) return refused(errorCodes.NOT_LEADER_OR_FOLLOWER, partition.currentLeader)
    if (part.leaderEpoch !== undefined && part.leaderEpoch !== leading.leaderEpoch) {
      return refused(errorCodes.NOT_LEADER_OR_FOLLOWER, partition.currentLeader)
    }
    if (acks !== 0 && acks !== 1 && acks !== -1) return refused(errorCodes.INVALID_REQUIRED_ACKS)
    if (acks === -1 && !leading.hasEnoughReplicas) return refused(errorCodes.NOT_ENOUGH_REPLICAS)
    const endBefore = log.logEndOffset
    const startMs = this.#context.clock.monotonicMs()
    try {
      const appended = log.appendAsLeader(part.batch, leading.leaderEpoch)
      if (appended.kind === 'rejected') {
        return { ...refused(appended.errorCode), errorMessage: appended.errorMessage }
      }
      if (log.logEndOffset !== endBefore) this.#appended(partition, leading, part, startMs)
      return {
        errorCode: errorCodes.NONE,
        errorMessage: null,
        baseOffset: appended.baseOffset,
        lastOffset: appended.lastOffset,
        logAppendTimeMs: appended.logAppendTimeMs,
        logStartOffset: log.logStartOffset,
      }
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      this.#options.storageFailed(partition, error)
      return refused(errorCodes.KAFKA_STORAGE_ERROR)
    }
  }

  #appended(
    partition: Partition,
    leader: PartitionLeader,
    { batch, header }: AppendPartition,
    startMs: number,
  ): void {
    const { clock, metrics } = this.#context
    const nowMs = clock.monotonicMs()
    metrics.appendTime.record(nowMs - startMs)
    metrics.batchBytes.record(batch.length)
    metrics.batchRecords.record(header.recordCount)
    leader.appended(partition.log.logEndOffset, partition.claimableEndOffset, nowMs)
    if (partition.claimsLater) this.#options.flusher.request(partition)
    this.#sessions.changed(partition.positions)
    this.settle(partition)
  }

  // Followers' fetches

  replicaFetch(request: ReplicaFetchRequest): Promise<ReplicaFetchResponse> {
    return this.#sessions.fetch(request)
  }

  /** The position is the follower's word for what it has: taken only where the logs agree up to there. */
  #named(position: FollowerPosition): void {
    const partition = position.hosted
    const leader = partition?.leading
    if (!partition || !leader || position.currentLeaderEpoch !== leader.leaderEpoch) return
    if (whereItLeft(partition, position)) return
    const { session, partitionEpoch, fetchOffset, logStartOffset } = position
    const { brokerEpoch } = session
    const fetch = { brokerEpoch, partitionEpoch, fetchOffset, logStartOffset }
    position.isTaken = leader.followerFetched(
      session.replicaId,
      fetch,
      this.#context.clock.monotonicMs(),
    )
    this.settle(partition)
    this.#settleDeletions(partition)
  }

  #look(
    position: FollowerPosition,
    room: { readonly maxBytes: number; readonly minOneBatch: boolean; readonly isLast: boolean },
  ): PositionAnswer {
    const { table } = this.#context
    const { topicId, partition: number, hosted: partition } = position
    if (!partition) {
      if (!room.isLast) return { kind: 'hold' }
      return told({ topicId, partition: number, errorCode: table.errorOfMissing(topicId, number) })
    }
    const error = this.#errorFor(partition, position)
    if (error !== errorCodes.NONE) {
      const mayPass = error === errorCodes.UNKNOWN_LEADER_EPOCH
      if (mayPass && !room.isLast) return { kind: 'hold' }
      return toldOf(partition, { errorCode: error })
    }
    // It may have been named before this broker knew that it leads.
    if (!position.isTaken) this.#named(position)
    const left = whereItLeft(partition, position)
    if (left === 'outOfRange')
      return toldOf(partition, { errorCode: errorCodes.OFFSET_OUT_OF_RANGE })
    if (left) return toldOf(partition, { diverging: left })
    return this.#read(partition, position, room)
  }

  #errorFor(partition: Partition, position: FollowerPosition): number {
    if (partition.failure) return errorCodes.KAFKA_STORAGE_ERROR
    const epochError = leaderEpochError(partition, position.currentLeaderEpoch)
    if (epochError !== errorCodes.NONE) return epochError
    if (!partition.leading) return errorCodes.NOT_LEADER_OR_FOLLOWER
    // Assigned by metadata that this broker does not have yet, or not any more.
    const isReplica = partition.replicas.includes(position.session.replicaId)
    return isReplica ? errorCodes.NONE : errorCodes.UNKNOWN_LEADER_EPOCH
  }

  #read(
    partition: Partition,
    position: FollowerPosition,
    room: { readonly maxBytes: number; readonly minOneBatch: boolean },
  ): PositionAnswer {
    const { log } = partition
    let records = emptyBytes
    if (position.fetchOffset < log.logEndOffset) {
      const maxBytes = Math.min(position.maxBytes, room.maxBytes)
      try {
        records = log.read(position.fetchOffset, {
          maxBytes,
          endOffset: log.logEndOffset,
          minOneBatch: room.minOneBatch,
        })
      } catch (error) {
        if (!(error instanceof ClusterError)) throw error
        return toldOf(partition, { errorCode: readErrorCode(error) })
      }
      if (records.length === 0) return { kind: 'full' }
    }
    const isNews =
      records.length > 0 ||
      position.sentHighWatermark !== partition.highWatermark ||
      position.sentLogStartOffset !== log.logStartOffset
    return isNews ? toldOf(partition, { records }) : { kind: 'nothing' }
  }

  // DeleteRecords

  deleteRecords(request: DeleteRecordsRequest): Promise<DeleteRecordsResult> {
    const { table, clock, timers } = this.#context
    const partition = table.get(request.topicId, request.partition)
    const failed = (errorCode: number): Promise<DeleteRecordsResult> =>
      Promise.resolve({ errorCode, lowWatermark: -1 })
    if (!partition) return failed(table.errorOfMissing(request.topicId, request.partition))
    if (partition.failure) return failed(errorCodes.KAFKA_STORAGE_ERROR)
    if (!partition.leading) return failed(errorCodes.NOT_LEADER_OR_FOLLOWER)
    const offset = request.offset === -1 ? partition.highWatermark : request.offset
    if (offset < 0 || offset > partition.highWatermark)
      return failed(errorCodes.OFFSET_OUT_OF_RANGE)
    if (offset > partition.logStartOffset) {
      partition.log.incrementLogStartOffset(offset)
      partition.checkOrder()
      this.#changed(partition)
    }
    return new Promise(resolve => {
      const timer = timers.at(clock.monotonicMs() + request.timeoutMs, () =>
        deletion.settle({ errorCode: errorCodes.REQUEST_TIMED_OUT, lowWatermark: -1 }),
      )
      const deletion = {
        offset,
        settle: (result: DeleteRecordsResult): void => {
          timers.cancel(timer)
          partition.removeDeletion(deletion)
          resolve(result)
        },
      }
      partition.addDeletion(deletion)
      this.#settleDeletions(partition)
    })
  }

  #settleDeletions(partition: Partition): void {
    if (partition.deletions.size === 0 || !partition.leading) return
    let lowWatermark: Offset = partition.logStartOffset
    for (const { brokerId, logStartOffset } of partition.leading.progress) {
      if (this.#isAlive(brokerId)) lowWatermark = Math.min(lowWatermark, logStartOffset)
    }
    for (const deletion of partition.deletions) {
      if (lowWatermark >= deletion.offset)
        deletion.settle({ errorCode: errorCodes.NONE, lowWatermark })
    }
  }

  #isAlive(brokerId: BrokerId): boolean {
    const broker = this.#context.table.image.brokers.get(brokerId)
    return broker !== undefined && !broker.fenced
  }
}

const nameOf = (partition: Partition): { topic: string; partition: number } => ({
  topic: partition.topicName,
  partition: partition.partition,
})

function refused(errorCode: number, currentLeader?: AppendResult['currentLeader']): AppendResult {
  const result: AppendResult = {
    errorCode,
    errorMessage: null,
    baseOffset: -1,
    lastOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
  }
  return currentLeader ? { ...result, currentLeader } : result
}

const hasPassed = (result: AppendResult): boolean => result.errorCode === errorCodes.NONE

/** A duplicate waits like its original: it is acknowledged when that is committed. */
function park(
  partition: Partition,
  endOffset: Offset,
  acks: number,
  produce: ParkedProduce,
  index: number,
): void {
  if (!partition.leading) {
    // Another batch of this very request broke the log.
    produce.fail(index, errorCodes.KAFKA_STORAGE_ERROR)
  } else if (acks === -1) {
    if (partition.highWatermark < endOffset) partition.park(endOffset, produce.waitFor(index))
  } else if (partition.claimableEndOffset < endOffset) {
    partition.parkLocally(endOffset, produce.waitFor(index))
  }
}

/** Where a follower's log left this one; null where it agrees. */
function whereItLeft(
  partition: Partition,
  position: FollowerPosition,
): ReplicaFetchResult['diverging'] | 'outOfRange' {
  const { log } = partition
  if (position.fetchOffset < log.logStartOffset) return 'outOfRange'
  const left = divergenceOf(position.fetchOffset, position.lastFetchedEpoch, partition)
  if (left === 'unknown') return 'outOfRange'
  if (left) return left
  return position.fetchOffset > log.logEndOffset ? 'outOfRange' : null
}

export function readErrorCode(error: ClusterError): number {
  return error.code === 'CORRUPT' ? errorCodes.CORRUPT_MESSAGE : errorCodes.KAFKA_STORAGE_ERROR
}

function told(
  result: Pick<ReplicaFetchResult, 'topicId' | 'partition' | 'errorCode'>,
): PositionAnswer {
  return {
    kind: 'told',
    result: {
      ...result,
      leaderEpoch: -1,
      highWatermark: -1,
      logStartOffset: -1,
      diverging: null,
      records: emptyBytes,
    },
  }
}

function toldOf(
  partition: Partition,
  what: Partial<Pick<ReplicaFetchResult, 'errorCode' | 'diverging' | 'records'>>,
): PositionAnswer {
  return {
    kind: 'told',
    result: {
      topicId: partition.topicId,
      partition: partition.partition,
      errorCode: what.errorCode ?? errorCodes.NONE,
      leaderEpoch: partition.leaderEpoch,
      highWatermark: partition.highWatermark,
      logStartOffset: partition.logStartOffset,
      diverging: what.diverging ?? null,
      records: what.records ?? emptyBytes,
    },
  }
}
