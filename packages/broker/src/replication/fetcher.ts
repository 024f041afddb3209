import { ByPartition, ClusterError, giveBack, partitionKey } from '@trimaran/common'
import type { BrokerEpoch, BrokerId, Clock, LogEvent, Random } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import type {
  ReplicaFetchChannel,
  ReplicaFetchPartition,
  ReplicaFetchResponse,
  ReplicaFetchResult,
} from '../channels.ts'
import type { FetchPosition, PartitionFollower } from './follower.ts'
import type { Partition } from './partition.ts'
import type { Timer, TimerQueue } from './timers.ts'
import type { ReplicaConfig } from './types.ts'

export interface ReplicaFetcherOptions {
  readonly leader: BrokerId
  readonly brokerId: BrokerId
  readonly brokerEpoch: () => BrokerEpoch
  readonly clock: Clock
  readonly random: Random
  readonly timers: TimerQueue
  readonly peers: ReplicaFetchChannel
  readonly config: ReplicaConfig
  readonly logEvent: LogEvent
  /** Performs what the answer means on the partition's log. */
  readonly apply: (
    partition: Partition,
    follower: PartitionFollower,
    asked: FetchPosition,
    result: ReplicaFetchResult,
  ) => Applied
  /** Sees to it that all of its log is durable, then resumes it. */
  readonly flush: (partition: Partition) => void
  /** The answer is to an earlier position: only what it says of the leader counts. */
  readonly late: (
    partition: Partition,
    follower: PartitionFollower,
    result: ReplicaFetchResult,
  ) => void
}

/**
 * What became of an answer. 'again': fetch on. 'idle': there was nothing for the log, so the leader still knows where it
 * ends. 'flushing': the fetch must wait, `resume` is called. 'backOff': later. 'stop': no more, the log failed.
 */
export type Applied = 'again' | 'idle' | 'flushing' | 'backOff' | 'stop'

interface Followed {
  readonly partition: Partition
  readonly follower: PartitionFollower
  /** As the leader knows it: what the answer is judged against. Null: not named in this session yet. */
  asked: FetchPosition | null
  /** Session epoch of the request that named it last: answers to earlier ones are about an older position (B17). */
  askedIn: number
  failures: number
  backOff: Timer | null
}

/** Between a first failure and replica.fetch.backoff.ms it doubles: a leader that just moved is found in a blink. */
const firstBackOffMs = 20
/** int32 on the wire. */
const maxSessionEpoch = 2 ** 31 - 1

/**
 * Fetches all partitions that this broker follows from one leader broker, in one incremental session: the next fetch
 * goes out as soon as an answer is applied. A partition that joins does not wait for the long poll: the next fetch
 * overtakes the parked one, which the leader then ends. More than one overtaking is never out.
 */
export class ReplicaFetcher {
  readonly #options: ReplicaFetcherOptions
  readonly #followed = new ByPartition<Followed>()
  readonly #changed = new Set<Followed>()
  readonly #forgotten = new Map<string, { readonly topicId: string; readonly partition: number }>()
  #sessionId = 0
  /** Of the next request. */
  #sessionEpoch = 0
  #inFlight = 0
  #failures = 0
  #backOff: Timer | null = null
  #isStopped = false

  constructor(options: ReplicaFetcherOptions) {
    this.#options = options
    this.#newSession()
  }

  get size(): number {
    return this.#followed.size
  }

  /** Follows from now on; a partition that is followed already begins anew with its new epoch. */
  add(partition: Partition, follower: PartitionFollower): void {
    this.#detach(partition)
    const followed: Followed = {
      partition,
      follower,
      asked: null,
      askedIn: 0,
      failures: 0,
      backOff: null,
    }
    this.#followed.set(partition.topicId, partition.partition, followed)
    this.#changed.add(followed)
    this.#forgotten.delete(partitionKey(partition.topicId, partition.partition))
    // News of the metadata is news of the leader, too: no reason to keep away from it.
    if (this.#backOff) this.#options.timers.cancel(this.#backOff)
    this.#backOff = null
  }

  remove(partition: Partition): void {
    const followed = this.#detach(partition)
    if (!followed) return
    if (!followed.asked) return
    const { topicId, partition: number } = partition
    this.#forgotten.set(partitionKey(topicId, number), { topicId, partition: number })
  }

  /** The partition's position changed outside of an answer: its log start, or an fsync ended. */
  resume(partition: Partition): void {
    const followed = this.#find(partition)
    if (!followed || followed.backOff) return
    this.#changed.add(followed)
    this.send()
  }

  stop(): void {
    this.#isStopped = true
    if (this.#backOff) this.#options.timers.cancel(this.#backOff)
    for (const { partition } of this.#followed.values()) this.#detach(partition)
  }

  /** Sends the next fetch if there is one to send: nothing out, or news for a leader that holds one. */
  send(): void {
    if (this.#isStopped || this.#backOff) return
    if (this.#inFlight > 1 || (this.#inFlight === 1 && this.#changed.size === 0)) return
    if (this.#followed.size === 0 && (this.#forgotten.size === 0 || this.#inFlight > 0)) return
    const { brokerId, brokerEpoch, peers, leader, config } = this.#options
    if (this.#sessionEpoch > maxSessionEpoch) this.#beginAnew()
    const sessionId = this.#sessionId
    const sessionEpoch = this.#sessionEpoch++
    const partitions = this.#nameChanged(sessionEpoch)
    const request = {
      replicaId: brokerId,
      brokerEpoch: brokerEpoch(),
      sessionId,
      sessionEpoch,
      // With nothing to follow this only takes leave.
      maxWaitMs: this.#followed.size === 0 ? 0 : config.replicaFetchWaitMaxMs,
      minBytes: config.replicaFetchMinBytes,
      maxBytes: config.replicaFetchResponseMaxBytes,
      partitions,
      forgotten: [...this.#forgotten.values()],
    }
    this.#forgotten.clear()
    this.#inFlight++
    peers.fetch(leader, request).then(
      response => {
        if (sessionId === this.#sessionId) this.#answered(response, sessionEpoch)
      },
      (error: unknown) => {
        if (!(error instanceof ClusterError)) throw error
        if (sessionId === this.#sessionId) this.#failed({ err: error })
      },
    )
  }

  #nameChanged(sessionEpoch: number): ReplicaFetchPartition[] {
    const named: ReplicaFetchPartition[] = []
    for (const followed of this.#changed) {
      const { partition, follower } = followed
      // It must not claim what is not durable yet, of this life or an earlier one; the end of the fsync resumes it.
      if (!partition.mayClaimAll) {
        this.#options.flush(partition)
        continue
      }
      const asked = follower.nextFetch(partition.log)
      followed.asked = asked
      followed.askedIn = sessionEpoch
      named.push({
        topicId: partition.topicId,
        partition: partition.partition,
        ...asked,
        partitionEpoch: partition.image.partitionEpoch,
        logStartOffset: partition.log.logStartOffset,
        maxBytes: this.#options.config.replicaFetchMaxBytes,
      })
    }
    this.#changed.clear()
    return named
  }

  #answered(response: ReplicaFetchResponse, sessionEpoch: number): void {
    this.#inFlight--
    if (this.#isStopped) return
    if (response.sessionUnknown) {
      this.#failed({ reason: 'session unknown' })
      return
    }
    this.#failures = 0
    for (const result of response.partitions) this.#apply(result, sessionEpoch)
    // They are in the log, or not wanted.
    for (const { records } of response.partitions) giveBack(records)
    this.send()
  }

  #apply(result: ReplicaFetchResult, sessionEpoch: number): void {
    const followed = this.#followed.get(result.topicId, result.partition)
    if (!followed?.asked || followed.backOff) return
    // Named anew since: this answers an older question.
    if (followed.askedIn > sessionEpoch) {
      this.#options.late(followed.partition, followed.follower, result)
      return
    }
    const applied = this.#options.apply(
      followed.partition,
      followed.follower,
      followed.asked,
      result,
    )
    switch (applied) {
      case 'again':
        followed.failures = 0
        this.#changed.add(followed)
        return
      case 'idle':
      case 'flushing':
        followed.failures = 0
        return
      case 'backOff':
        this.#backOffFrom(followed, result.errorCode)
        return
      case 'stop':
        this.#detach(followed.partition)
        return
    }
  }

  #backOffFrom(followed: Followed, errorCode: number): void {
    const { timers, clock, logEvent } = this.#options
    const { partition } = followed
    logEvent('debug', 'replica fetch of a partition failed', {
      topic: partition.topicName,
      partition: partition.partition,
      leader: this.#options.leader,
      errorCode: errorCode === errorCodes.NONE ? undefined : errorCode,
    })
    const delayMs = this.#delayMs(followed.failures++)
    followed.backOff = timers.at(clock.monotonicMs() + delayMs, () => {
      followed.backOff = null
      this.#changed.add(followed)
      this.send()
    })
  }

  /** The link or the session is gone, and what the leader knew of it with it: everything is named anew. */
  #failed(fields: Record<string, unknown>): void {
    const { timers, clock, leader, logEvent } = this.#options
    if (this.#isStopped) return
    logEvent('debug', 'replica fetch failed', { leader, ...fields })
    this.#beginAnew()
    if (this.#backOff) timers.cancel(this.#backOff)
    this.#backOff = timers.at(clock.monotonicMs() + this.#delayMs(this.#failures++), () => {
      this.#backOff = null
      this.send()
    })
  }

  #delayMs(failures: number): number {
    const maxMs = this.#options.config.replicaFetchBackoffMs
    const delayMs = Math.min(firstBackOffMs * 2 ** Math.min(failures, 10), maxMs)
    return delayMs + this.#options.random.between(0, Math.ceil(delayMs / 4))
  }

  #beginAnew(): void {
    this.#newSession()
    for (const followed of this.#followed.values()) {
      followed.asked = null
      if (!followed.backOff) this.#changed.add(followed)
    }
    this.#forgotten.clear()
  }

  #newSession(): void {
    this.#sessionId = this.#options.random.between(1, maxSessionEpoch)
    this.#sessionEpoch = 0
    this.#inFlight = 0
  }

  #detach(partition: Partition): Followed | undefined {
    const followed = this.#find(partition)
    if (!followed) return undefined
    if (followed.backOff) this.#options.timers.cancel(followed.backOff)
    this.#followed.delete(partition.topicId, partition.partition)
    this.#changed.delete(followed)
    return followed
  }

  #find({ topicId, partition }: Partition): Followed | undefined {
    return this.#followed.get(topicId, partition)
  }
}
