import type { Clock, LeaderEpoch, LogEvent, Random } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import { maxStoredStringLength } from './config.ts'
import type { GroupConfig } from './config.ts'
import { describeGroup, groupError, listed, listFilter } from './group/describe.ts'
import type { ClassicGroup } from './group/group.ts'
import { coordinatorError } from './group/host.ts'
import { join, joinRequestError, takePending } from './group/join.ts'
import { heartbeat, leave, sync } from './group/membership.ts'
import {
  admitCommit,
  commitError,
  commitRecords,
  deleteOffsetsDecision,
  failedCommit,
  fetchOffsets,
  groupTombstones,
} from './group/offsets.ts'
import { joinError, syncError } from './group/rebalance.ts'
import type { GroupState } from './group/states.ts'
import type { OffsetsLog } from './offsets-log.ts'
import { partitionFor } from './partition-for.ts'
import type {
  CommitOffsetsRequest,
  CommitOffsetsResponse,
  DeleteOffsetsRequest,
  DeleteOffsetsResponse,
  DescribeGroupResponse,
  FetchOffsetsRequest,
  FetchOffsetsResponse,
  HeartbeatRequest,
  JoinGroupRequest,
  JoinGroupResponse,
  LeaveGroupRequest,
  LeaveGroupResponse,
  ListGroupsRequest,
  ListGroupsResponse,
  SyncGroupRequest,
  SyncGroupResponse,
} from './requests.ts'
import { Shard } from './shard.ts'

export interface GroupCoordinatorOptions {
  readonly clock: Clock
  readonly random: Random
  readonly config: GroupConfig
  readonly log: OffsetsLog
  readonly logEvent: LogEvent
}

/**
 * The coordinator of all groups whose partition of `__consumer_offsets` this broker leads: finds the shard, checks what
 * needs no group, and hands over. Every promise resolves; errors are in the responses. Offset commits reach the log in
 * the order of the calls.
 */
export class GroupCoordinator {
  readonly #options: GroupCoordinatorOptions
  readonly #shards = new Map<number, Shard>()
  #stopped = false

  constructor(options: GroupCoordinatorOptions) {
    this.#options = options
  }

  partitionFor(groupId: string): number {
    return partitionFor(groupId, this.#options.config.offsetsPartitionCount())
  }

  /** This broker leads the partition from now on: its groups are loaded. Older news than what is known is ignored. */
  elected(partition: number, leaderEpoch: LeaderEpoch): void {
    if (this.#stopped) return
    const current = this.#shards.get(partition)
    if (current !== undefined && current.leaderEpoch >= leaderEpoch) return
    // Another leader may have been in between, so nothing of the old state is kept.
    current?.close()
    this.#start(partition, leaderEpoch)
  }

  /** This broker leads the partition no more: all that waits is answered NOT_COORDINATOR. */
  resigned(partition: number): void {
    const shard = this.#shards.get(partition)
    this.#shards.delete(partition)
    shard?.close()
  }

  stop(): void {
    this.#stopped = true
    for (const partition of this.#shards.keys()) this.resigned(partition)
  }

  #start(partition: number, leaderEpoch: LeaderEpoch): void {
    const shard: Shard = new Shard({
      ...this.#options,
      partition,
      leaderEpoch,
      onLost: () => {
        // Either resignation follows, or the log comes back in the same epoch: load it again.
        if (this.#shards.get(partition) === shard && !this.#stopped)
          this.#start(partition, leaderEpoch)
      },
    })
    this.#shards.set(partition, shard)
    void shard.load()
  }

  #shardOf(groupId: string): Shard | undefined {
    return this.#shards.get(this.partitionFor(groupId))
  }

  /** NONE if the group can be served here and now. */
  #unavailable(shard: Shard | undefined): number {
    return shard?.availability ?? errorCodes.NOT_COORDINATOR
  }

  /** One operation in a group's mailbox; `refused` makes the answer of an error code. */
  #inGroup<R>(
    groupId: string,
    refused: (errorCode: number) => R,
    operate: (shard: Shard, group: ClassicGroup, reply: (response: R) => void) => void,
    needsQuiet = false,
  ): Promise<R> {
    return new Promise(resolve => {
      const shard = this.#shardOf(groupId)
      if (shard === undefined) {
        resolve(refused(errorCodes.NOT_COORDINATOR))
        return
      }
      shard.enqueue(groupId, group => ({
        needsQuiet,
        run: () => operate(shard, group, resolve),
        refuse: errorCode => resolve(refused(errorCode)),
      }))
    })
  }

  joinGroup(request: JoinGroupRequest): Promise<JoinGroupResponse> {
    const { groupId, memberId } = request
    const errorCode = groupIdError(groupId) || joinRequestError(request, this.#options.config)
    if (errorCode !== errorCodes.NONE) return Promise.resolve(joinError(errorCode, memberId))
    return this.#inGroup(
      groupId,
      code => joinError(code, memberId),
      (shard, group, reply) => {
        if (memberId !== '' && group.isVacant)
          reply(joinError(errorCodes.UNKNOWN_MEMBER_ID, memberId))
        else join(shard, group, request, reply)
      },
    )
  }

  syncGroup(request: SyncGroupRequest): Promise<SyncGroupResponse> {
    const errorCode = groupIdError(request.groupId)
    if (errorCode !== errorCodes.NONE) return Promise.resolve(syncError(errorCode))
    return this.#inGroup(request.groupId, syncError, (shard, group, reply) =>
      sync(shard, group, request, reply),
    )
  }

  heartbeat(request: HeartbeatRequest): Promise<{ readonly errorCode: number }> {
    const errorCode = groupIdError(request.groupId)
    if (errorCode !== errorCodes.NONE) return Promise.resolve({ errorCode })
    // While the group loads, a member has no way to know better: it just goes on (as with Kafka).
    const refused = (code: number) => ({
      errorCode: code === errorCodes.COORDINATOR_LOAD_IN_PROGRESS ? errorCodes.NONE : code,
    })
    return this.#inGroup(request.groupId, refused, (shard, group, reply) => {
      reply({ errorCode: heartbeat(shard, group, request) })
    })
  }

  leaveGroup(request: LeaveGroupRequest): Promise<LeaveGroupResponse> {
    const refused = (errorCode: number): LeaveGroupResponse => ({ errorCode, members: [] })
    const errorCode = groupIdError(request.groupId)
    if (errorCode !== errorCodes.NONE) return Promise.resolve(refused(errorCode))
    return this.#inGroup(request.groupId, refused, (shard, group, reply) =>
      leave(shard, group, request, reply),
    )
  }

  commitOffsets(request: CommitOffsetsRequest): Promise<CommitOffsetsResponse> {
    const { config, clock } = this.#options
    const refused = (errorCode: number) => ({ topics: failedCommit(request, errorCode) })
    if (isTooLong(request.groupId)) return Promise.resolve(refused(errorCodes.INVALID_GROUP_ID))
    return this.#inGroup(request.groupId, refused, (shard, group, reply) => {
      const errorCode = admitCommit(shard, group, request)
      if (errorCode !== errorCodes.NONE) {
        reply(refused(errorCode))
        return
      }
      const { offsetMetadataMaxBytes } = config
      const { records, topics } = commitRecords(request, {
        offsetMetadataMaxBytes,
        nowMs: clock.wallMs(),
      })
      if (records.length === 0) {
        reply({ topics })
        return
      }
      shard.writeOffsets(group, records, code =>
        reply(code === errorCodes.NONE ? { topics } : refused(commitError(coordinatorError(code)))),
      )
    })
  }

  fetchOffsets(request: FetchOffsetsRequest): FetchOffsetsResponse {
    const shard = this.#shardOf(request.groupId)
    const errorCode = this.#unavailable(shard)
    if (shard === undefined || errorCode !== errorCodes.NONE) return { errorCode, topics: [] }
    const isUnstable = (topic: string, partition: number) =>
      shard.isUnstable(request.groupId, topic, partition)
    return {
      errorCode,
      topics: fetchOffsets(shard.stored.get(request.groupId), request, isUnstable),
    }
  }

  describeGroup(groupId: string): DescribeGroupResponse {
    const shard = this.#shardOf(groupId)
    const errorCode = this.#unavailable(shard)
    if (shard === undefined || errorCode !== errorCodes.NONE) return groupError(groupId, errorCode)
    const group = shard.peek(groupId)
    if (!group.isVacant) return describeGroup(group)
    return groupError(groupId, errorCodes.GROUP_ID_NOT_FOUND, `Group ${groupId} not found.`)
  }

  /** The groups of this broker; a tool asks them all. */
  listGroups(request: ListGroupsRequest): ListGroupsResponse {
    const passes = listFilter(request)
    const groups: ListGroupsResponse['groups'][number][] = []
    for (const shard of this.#shards.values()) {
      const errorCode = shard.availability
      if (errorCode === errorCodes.COORDINATOR_LOAD_IN_PROGRESS) return { errorCode, groups: [] }
      if (errorCode !== errorCodes.NONE) continue
      for (const group of shard.groups()) {
        if (!group.isVacant && passes(group)) groups.push(listed(group))
      }
    }
    return { errorCode: errorCodes.NONE, groups }
  }

  deleteGroup(groupId: string): Promise<{ readonly errorCode: number }> {
    if (isTooLong(groupId)) return Promise.resolve({ errorCode: errorCodes.INVALID_GROUP_ID })
    const refused = (errorCode: number) => ({ errorCode })
    const operate = (
      shard: Shard,
      group: ClassicGroup,
      reply: (response: { errorCode: number }) => void,
    ) => {
      if (group.isVacant) {
        reply({ errorCode: errorCodes.GROUP_ID_NOT_FOUND })
      } else if (group.state !== 'Empty') {
        reply({ errorCode: errorCodes.NON_EMPTY_GROUP })
      } else {
        for (const memberId of group.pendingMembers.keys()) takePending(shard, group, memberId)
        const records = groupTombstones(groupId, group.stored)
        if (records.length === 0) reply({ errorCode: errorCodes.NONE })
        else {
          const settled = (errorCode: number) => reply({ errorCode: coordinatorError(errorCode) })
          shard.write(group, records, { settled, stalled: settled })
        }
      }
    }
    return this.#inGroup(groupId, refused, operate, true)
  }

  deleteOffsets(request: DeleteOffsetsRequest): Promise<DeleteOffsetsResponse> {
    const refused = (errorCode: number): DeleteOffsetsResponse => ({ errorCode, topics: [] })
    const errorCode = groupIdError(request.groupId)
    if (errorCode !== errorCodes.NONE) return Promise.resolve(refused(errorCode))
    const operate = (
      shard: Shard,
      group: ClassicGroup,
      reply: (response: DeleteOffsetsResponse) => void,
    ) => {
      const decision = deleteOffsetsDecision(group, request)
      if (decision.errorCode !== errorCodes.NONE || decision.records.length === 0) {
        reply({ errorCode: decision.errorCode, topics: decision.topics })
        return
      }
      const settled = (code: number) =>
        reply(
          code === errorCodes.NONE
            ? { errorCode: code, topics: decision.topics }
            : refused(coordinatorError(code)),
        )
      shard.write(group, decision.records, { settled, stalled: settled })
    }
    return this.#inGroup(request.groupId, refused, operate, true)
  }

  /** Ends the offsets that any group has for the topic: one of the same name would be another topic. */
  topicDeleted(topic: string): void {
    for (const shard of this.#shards.values()) shard.topicDeleted(topic)
  }

  /** Gauges for metrics and eyes. */
  status(): {
    readonly groupsByState: Readonly<Record<GroupState, number>>
    readonly loadingPartitions: number
    readonly partitions: number
  } {
    const groupsByState = {
      Empty: 0,
      PreparingRebalance: 0,
      CompletingRebalance: 0,
      Stable: 0,
      Dead: 0,
    }
    let loadingPartitions = 0
    for (const shard of this.#shards.values()) {
      if (shard.availability === errorCodes.COORDINATOR_LOAD_IN_PROGRESS) loadingPartitions++
      if (shard.availability !== errorCodes.NONE) continue
      for (const group of shard.groups()) groupsByState[group.state]++
    }
    return { groupsByState, loadingPartitions, partitions: this.#shards.size }
  }
}

/** Group management needs a name; offsets may be committed under the empty one, since old clients did. */
function groupIdError(groupId: string): number {
  return groupId === '' || isTooLong(groupId) ? errorCodes.INVALID_GROUP_ID : errorCodes.NONE
}

const isTooLong = (groupId: string): boolean => groupId.length > maxStoredStringLength
