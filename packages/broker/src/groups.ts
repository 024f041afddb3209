import type { Clock, LeaderEpoch, LogEvent, Offset, Random, TopicId } from '@trimaran/common'
import { GroupCoordinator } from '@trimaran/coordinator'
import type { AppendOutcome, LogBounds, OffsetsLog } from '@trimaran/coordinator'
import { effectiveTopicConfig } from '@trimaran/metadata'
import type { Delta, Image } from '@trimaran/metadata'
import { errorCodes, readBatchHeader } from '@trimaran/protocol'
import type { BrokerConfig } from './config.ts'
import type { HostedPartition, Replicas, Waiting } from './replication/types.ts'
import { consumerOffsetsTopic } from './topics.ts'

/**
 * How long one wait for replicas lasts before it is looked at again. The records are in the log by then; waiting for
 * them has no end but the loss of leadership.
 */
const appendTimeoutMs = 30_000
/** Between two looks at the high watermark for records that are in the log and were given up on as a produce. */
const watermarkPollMs = 50

/** Reads are for the broker itself: there is no connection that could close. */
const broker: Waiting = { closed: false, onClose: () => () => {} }

export interface GroupsOptions {
  readonly clock: Clock
  readonly random: Random
  readonly config: BrokerConfig
  readonly image: () => Image
  readonly replicas: Replicas
  readonly logEvent: LogEvent
}

/** Ties the group coordinator to this broker: its log is `__consumer_offsets`, its elections are those of partitions. */
export class Groups {
  readonly coordinator: GroupCoordinator
  readonly #endListening: () => void
  readonly #log: ReplicatedOffsetsLog

  constructor(options: GroupsOptions) {
    const { clock, random, config, image, replicas, logEvent } = options
    this.#log = new ReplicatedOffsetsLog(options)
    this.coordinator = new GroupCoordinator({
      clock,
      random,
      logEvent,
      log: this.#log,
      config: {
        ...config.groups,
        offsetsPartitionCount: () =>
          image().topicsByName.get(consumerOffsetsTopic)?.partitions.length ??
          config.consumerOffsetsTopic.partitionCount,
      },
    })
    this.#endListening = replicas.onLeadership({
      elected: (topicName, partition, leaderEpoch) => {
        if (topicName === consumerOffsetsTopic) this.coordinator.elected(partition, leaderEpoch)
      },
      resigned: (topicName, partition) => {
        if (topicName === consumerOffsetsTopic) this.coordinator.resigned(partition)
      },
    })
  }

  /** A topic that is gone takes the offsets of all groups with it, even if another has its name by now. */
  onMetadata(delta: Delta, _image: Image): void {
    for (const topic of delta.removedTopics.values()) this.coordinator.topicDeleted(topic.name)
  }

  stop(): void {
    this.#endListening()
    this.coordinator.stop()
    this.#log.stop()
  }
}

/** `__consumer_offsets` through the replica manager, like any acks=all produce, but with outcomes that are certain. */
class ReplicatedOffsetsLog implements OffsetsLog {
  readonly #options: GroupsOptions
  #stopped = false

  constructor(options: GroupsOptions) {
    this.#options = options
  }

  stop(): void {
    this.#stopped = true
  }

  async append(
    partition: number,
    leaderEpoch: LeaderEpoch,
    batch: Uint8Array,
  ): Promise<AppendOutcome> {
    const topicId = this.#topicId()
    if (topicId === undefined) return { kind: 'lost' }
    if (batch.length > this.#maxMessageBytes()) {
      return { kind: 'refused', errorCode: errorCodes.MESSAGE_TOO_LARGE }
    }
    const [result] = await this.#options.replicas.append({
      acks: -1,
      timeoutMs: appendTimeoutMs,
      partitions: [{ topicId, partition, batch, header: readBatchHeader(batch, 0), leaderEpoch }],
    })
    if (result === undefined) return { kind: 'lost' }
    const { errorCode, baseOffset, lastOffset } = result
    switch (errorCode) {
      case errorCodes.NONE:
        return { kind: 'committed', baseOffset }
      case errorCodes.NOT_LEADER_OR_FOLLOWER:
      case errorCodes.FENCED_LEADER_EPOCH:
      case errorCodes.UNKNOWN_LEADER_EPOCH:
      case errorCodes.UNKNOWN_TOPIC_OR_PARTITION:
      case errorCodes.KAFKA_STORAGE_ERROR:
        return { kind: 'lost' }
      default:
        // Without an offset it never got into the log. With one it is there, whatever became of the wait.
        if (baseOffset < 0) return { kind: 'refused', errorCode }
        return this.#decided({
          topicId,
          partition,
          leaderEpoch,
          baseOffset,
          endOffset: lastOffset + 1,
        })
    }
  }

  async read(partition: number, fromOffset: Offset, maxBytes: number): Promise<Uint8Array | null> {
    const topicId = this.#topicId()
    if (topicId === undefined) return null
    const wanted = {
      topicId,
      partition,
      fetchOffset: fromOffset,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
      maxBytes,
    }
    const [result] = await this.#options.replicas.fetch(
      {
        maxWaitMs: 0,
        minBytes: 0,
        maxBytes,
        isolation: 'readUncommitted',
        allowFollower: false,
        partitions: [wanted],
      },
      broker,
    )
    return result === undefined || result.errorCode !== errorCodes.NONE ? null : result.records
  }

  bounds(partition: number, leaderEpoch: LeaderEpoch): LogBounds | null {
    const topicId = this.#topicId()
    return topicId === undefined ? null : (this.#led(topicId, partition, leaderEpoch) ?? null)
  }

  #topicId(): TopicId | undefined {
    return this.#options.image().topicsByName.get(consumerOffsetsTopic)?.id
  }

  #maxMessageBytes(): number {
    const { image, config } = this.#options
    return effectiveTopicConfig(image(), config.properties, consumerOffsetsTopic).maxMessageBytes
  }

  #led(topicId: TopicId, partition: number, leaderEpoch: LeaderEpoch): HostedPartition | undefined {
    const hosted = this.#options.replicas.partition(topicId, partition)
    return hosted?.role === 'leader' && hosted.leaderEpoch === leaderEpoch ? hosted : undefined
  }

  /** Waits for what no client would wait for: until the replicas are back or the leadership is gone. */
  async #decided(record: {
    readonly topicId: TopicId
    readonly partition: number
    readonly leaderEpoch: LeaderEpoch
    readonly baseOffset: Offset
    readonly endOffset: Offset
  }): Promise<AppendOutcome> {
    const { clock } = this.#options
    while (!this.#stopped) {
      const hosted = this.#led(record.topicId, record.partition, record.leaderEpoch)
      if (hosted === undefined) break
      if (hosted.highWatermark >= record.endOffset) {
        return { kind: 'committed', baseOffset: record.baseOffset }
      }
      await new Promise<void>(resolve => {
        clock.wakeAt(clock.monotonicMs() + watermarkPollMs, resolve)
      })
    }
    return { kind: 'lost' }
  }
}
