import { ClusterError } from '@trimaran/common'
import type { BrokerId } from '@trimaran/common'
import { batchBaseOffset, errorCodes } from '@trimaran/protocol'
import type { ReplicaFetchChannel, ReplicaFetchResult } from '../channels.ts'
import type { ReplicationContext } from './context.ts'
import { ReplicaFetcher } from './fetcher.ts'
import type { Applied } from './fetcher.ts'
import type { Flusher } from './flusher.ts'
import { PartitionFollower } from './follower.ts'
import type { FetchPosition, FollowerAction } from './follower.ts'
import type { Partition } from './partition.ts'
import type { FetchPurgatory } from './purgatory.ts'

export interface FollowerSideOptions {
  readonly context: ReplicationContext
  readonly peers: ReplicaFetchChannel
  readonly fetches: FetchPurgatory
  readonly flusher: Flusher
  readonly storageFailed: (partition: Partition, error: ClusterError) => void
}

/** What this broker does as a follower: one fetcher per leader broker, and what their answers mean to the logs. */
export class FollowerSide {
  readonly #context: ReplicationContext
  readonly #options: FollowerSideOptions
  readonly #fetchers = new Map<BrokerId, ReplicaFetcher>()

  constructor(options: FollowerSideOptions) {
    this.#context = options.context
    this.#options = options
  }

  /** Follows the leader that `partition.image` names; call `send` after the last one. */
  follow(partition: Partition): void {
    this.unfollow(partition)
    const { leader, leaderEpoch } = partition.image
    const { bugs } = this.#context
    if (bugs.has('B01') && partition.log.logEndOffset > partition.highWatermark) {
      partition.log.truncateTo(partition.highWatermark)
    }
    const follower = new PartitionFollower(leader, leaderEpoch, bugs)
    partition.following = follower
    this.#fetcher(leader).add(partition, follower)
  }

  unfollow(partition: Partition): void {
    const { following } = partition
    if (!following) return
    partition.following = null
    this.#fetchers.get(following.leader)?.remove(partition)
  }

  /** Everything that changed is asked for at once, without waiting for long polls. */
  send(): void {
    for (const [leader, fetcher] of this.#fetchers) {
      fetcher.send()
      const isMember = this.#context.table.image.brokers.has(leader)
      if (fetcher.size > 0 || isMember) continue
      fetcher.stop()
      this.#fetchers.delete(leader)
    }
  }

  /** An fsync of a followed log ended, or its first records are on the disk. */
  durable(partition: Partition, wasUnwritten: boolean): void {
    if (wasUnwritten || partition.fsyncsBeforeAck) this.renew(partition)
  }

  /** The leader is to hear of it anew, though it has no more records than before. */
  renew(partition: Partition): void {
    const { following } = partition
    if (following) this.#fetchers.get(following.leader)?.resume(partition)
  }

  stop(): void {
    for (const fetcher of this.#fetchers.values()) fetcher.stop()
    this.#fetchers.clear()
  }

  #fetcher(leader: BrokerId): ReplicaFetcher {
    const known = this.#fetchers.get(leader)
    if (known) return known
    const { context, peers } = this.#options
    const fetcher = new ReplicaFetcher({
      leader,
      brokerId: context.brokerId,
      brokerEpoch: context.brokerEpoch,
      clock: context.clock,
      random: context.random,
      timers: context.timers,
      peers,
      config: context.config,
      logEvent: context.logEvent,
      apply: (partition, follower, asked, result) =>
        this.#apply(partition, follower, asked, result),
      flush: partition => this.#options.flusher.request(partition),
      late: (partition, follower, result) => this.#takeHighWatermark(partition, follower, result),
    })
    this.#fetchers.set(leader, fetcher)
    return fetcher
  }

  #apply(
    partition: Partition,
    follower: PartitionFollower,
    asked: FetchPosition,
    result: ReplicaFetchResult,
  ): Applied {
    const action = follower.decide(asked, result, partition.log)
    try {
      return this.#perform(partition, follower, action, result)
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      if (error.code !== 'CORRUPT') {
        this.#options.storageFailed(partition, error)
        return 'stop'
      }
      // Damaged on the leader's disk or on the way: this partition waits, the others go on (KIP-461).
      this.#log('warn', 'corrupt records from the leader', partition, { err: error })
      return 'backOff'
    }
  }

  #perform(
    partition: Partition,
    follower: PartitionFollower,
    action: FollowerAction,
    result: ReplicaFetchResult,
  ): Applied {
    switch (action.kind) {
      case 'discard':
        return 'again'
      case 'error':
        return 'backOff'
      case 'truncate': {
        if (follower.raisesHighWatermark(result))
          this.#raise(partition, follower, result.highWatermark)
        this.#noteLoss(partition, action.toOffset)
        const endBefore = partition.logEndOffset
        partition.log.truncateTo(action.toOffset)
        this.#cut(partition, endBefore)
        return 'again'
      }
      case 'restart': {
        this.#noteLoss(partition, action.atOffset)
        const endBefore = partition.logEndOffset
        partition.log.truncateFullyAndStartAt(action.atOffset)
        this.#cut(partition, endBefore)
        return 'again'
      }
      case 'append':
        return this.#append(partition, follower, action)
    }
  }

  #append(
    partition: Partition,
    follower: PartitionFollower,
    action: FollowerAction & { readonly kind: 'append' },
  ): Applied {
    const { log } = partition
    const { records } = action
    if (records.length > 0) {
      // An answer to an earlier position: what it holds is here already.
      // An empty log may start inside a batch.
      if (log.sizeBytes > 0 && batchBaseOffset(records, 0) < log.logEndOffset) return 'again'
      log.appendAsFollower(records)
    }
    this.#raise(partition, follower, action.highWatermark)
    const startOffset = Math.min(action.leaderLogStartOffset, partition.highWatermark)
    const startMoves = startOffset > log.logStartOffset
    if (startMoves) {
      log.incrementLogStartOffset(startOffset)
      partition.checkOrder()
    }
    if (records.length === 0) return startMoves ? 'again' : 'idle'
    if (!partition.claimsLater) return 'again'
    this.#options.flusher.request(partition)
    return 'flushing'
  }

  /** Without a divergence the log was the leader's at that position, and within an epoch it stays so. */
  #takeHighWatermark(
    partition: Partition,
    follower: PartitionFollower,
    result: ReplicaFetchResult,
  ): void {
    if (result.errorCode !== errorCodes.NONE || result.diverging) return
    if (result.leaderEpoch === follower.leaderEpoch)
      this.#raise(partition, follower, result.highWatermark)
  }

  #raise(partition: Partition, follower: PartitionFollower, leaders: number): void {
    const { highWatermark, logEndOffset } = partition
    follower.lag = Math.max(0, leaders - logEndOffset)
    const raised = follower.highWatermark(highWatermark, leaders, logEndOffset)
    if (partition.raiseHighWatermark(raised)) this.#options.fetches.wake(partition)
  }

  #cut(partition: Partition, endBefore: number): void {
    partition.truncated()
    this.#log('info', 'follower truncated its log', partition, {
      from: endBefore,
      to: partition.logEndOffset,
    })
    this.#options.fetches.wake(partition)
  }

  /**
   * Below the own high watermark everything was committed once. A leader that lacks it was elected uncleanly, or the whole
   * ISR lost it: the log must follow, but not in silence.
   */
  #noteLoss(partition: Partition, toOffset: number): void {
    const { highWatermark, image } = partition
    if (toOffset >= highWatermark) return
    const level = image.recovering ? 'warn' : 'error'
    this.#log(level, 'committed records are lost', partition, { highWatermark, to: toOffset })
  }

  #log(
    level: 'info' | 'warn' | 'error',
    phrase: string,
    partition: Partition,
    fields: Readonly<Record<string, unknown>>,
  ): void {
    this.#context.logEvent(level, phrase, {
      topic: partition.topicName,
      partition: partition.partition,
      leader: partition.leader,
      leaderEpoch: partition.leaderEpoch,
      ...fields,
    })
  }
}
