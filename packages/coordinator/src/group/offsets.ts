import { errorCodes } from '@trimaran/protocol'
import { maxStoredStringLength } from '../config.ts'
import type {
  CommitOffsetsRequest,
  DeleteOffsetsRequest,
  FetchOffsetsRequest,
  FetchOffsetsResponse,
  TopicErrors,
} from '../requests.ts'
import type { ClassicGroup } from './group.ts'
import type { GroupHost } from './host.ts'
import { armSession } from './rebalance.ts'
import type { GroupRecord } from './records.ts'
import type { CommittedOffset, StoredGroup } from './stored-groups.ts'
import { subscribedTopics } from './subscription.ts'

/** Committed offsets: who may set them, what is stored, when they go. */

/** NONE if the sender may commit for the group as it is; keeps its session alive. */
export function admitCommit(
  host: GroupHost,
  group: ClassicGroup,
  request: CommitOffsetsRequest,
): number {
  const { generationId, memberId, groupInstanceId } = request
  if (group.isVacant && generationId >= 0) {
    return request.knowsGroupIdNotFound
      ? errorCodes.GROUP_ID_NOT_FOUND
      : errorCodes.ILLEGAL_GENERATION
  }
  // An administrator, or a consumer that assigns itself: only where no member could be disturbed.
  if (generationId < 0 && group.state === 'Empty') return errorCodes.NONE
  if (generationId < 0 && memberId === '' && groupInstanceId === null)
    return errorCodes.UNKNOWN_MEMBER_ID
  const errorCode = group.checkGeneration(request)
  if (errorCode !== errorCodes.NONE) return errorCode
  // It knows of a generation whose assignment is not made yet: it cannot own what it commits.
  if (group.state === 'CompletingRebalance') return errorCodes.REBALANCE_IN_PROGRESS
  armSession(host, group.mustMember(memberId))
  return errorCodes.NONE
}

/** Records of what can be stored, and the answer if they are: partitions fail one by one. */
export function commitRecords(
  request: CommitOffsetsRequest,
  limits: { readonly offsetMetadataMaxBytes: number; readonly nowMs: number },
): { readonly records: readonly GroupRecord[]; readonly topics: readonly TopicErrors[] } {
  const records: GroupRecord[] = []
  const { nowMs } = limits
  const maxMetadataLength = Math.min(limits.offsetMetadataMaxBytes, maxStoredStringLength)
  const topics = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partition, offset, leaderEpoch, metadata }) => {
      // Kafka counts characters.
      if (metadata !== null && metadata.length > maxMetadataLength) {
        return { partition, errorCode: errorCodes.OFFSET_METADATA_TOO_LARGE }
      }
      const value: CommittedOffset = {
        offset,
        leaderEpoch,
        metadata: metadata ?? '',
        commitTimestampMs: nowMs,
        expireTimestampMs: request.retentionTimeMs < 0 ? -1 : nowMs + request.retentionTimeMs,
      }
      records.push({ kind: 'offset', groupId: request.groupId, topic: name, partition, value })
      return { partition, errorCode: errorCodes.NONE }
    }),
  }))
  return { records, topics }
}

/** The same error for every partition. */
export const failedCommit = (
  request: CommitOffsetsRequest,
  errorCode: number,
): readonly TopicErrors[] =>
  request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partition }) => ({ partition, errorCode })),
  }))

export function commitError(appendError: number): number {
  switch (appendError) {
    case errorCodes.MESSAGE_TOO_LARGE:
    case errorCodes.RECORD_LIST_TOO_LARGE:
    case errorCodes.UNKNOWN_SERVER_ERROR:
      return errorCodes.INVALID_COMMIT_OFFSET_SIZE
    default:
      return appendError
  }
}

const noOffset = { offset: -1, leaderEpoch: -1, metadata: '' } as const

export function fetchOffsets(
  stored: StoredGroup,
  request: FetchOffsetsRequest,
  isUnstable: (topic: string, partition: number) => boolean,
): FetchOffsetsResponse['topics'] {
  const answer = (topic: string, partition: number) => {
    if (request.requireStable && isUnstable(topic, partition)) {
      return { partition, ...noOffset, errorCode: errorCodes.UNSTABLE_OFFSET_COMMIT as number }
    }
    const { offset, leaderEpoch, metadata } = stored.offsets.get(topic)?.get(partition) ?? noOffset
    return { partition, offset, leaderEpoch, metadata, errorCode: errorCodes.NONE as number }
  }
  if (request.topics === null) {
    return [...stored.offsets].map(([name, partitions]) => ({
      name,
      partitions: [...partitions.keys()].map(partition => answer(name, partition)),
    }))
  }
  return request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(partition => answer(name, partition)),
  }))
}

export const offsetTombstone = (
  groupId: string,
  topic: string,
  partition: number,
): GroupRecord => ({
  kind: 'offset',
  groupId,
  topic,
  partition,
  value: null,
})

/** Everything that is stored of the group, ended. */
export function groupTombstones(groupId: string, stored: StoredGroup): GroupRecord[] {
  const records: GroupRecord[] = []
  for (const [topic, partitions] of stored.offsets) {
    for (const partition of partitions.keys())
      records.push(offsetTombstone(groupId, topic, partition))
  }
  if (stored.metadata !== null) records.push({ kind: 'group', groupId, value: null })
  return records
}

export function topicTombstones(
  groupId: string,
  stored: StoredGroup,
  topic: string,
): GroupRecord[] {
  const partitions = stored.offsets.get(topic)
  return partitions === undefined
    ? []
    : [...partitions.keys()].map(partition => offsetTombstone(groupId, topic, partition))
}

/** OffsetDelete: allowed while nobody uses what is deleted. */
export function deleteOffsetsDecision(
  group: ClassicGroup,
  request: DeleteOffsetsRequest,
): {
  readonly errorCode: number
  readonly records: readonly GroupRecord[]
  readonly topics: readonly TopicErrors[]
} {
  const refused = (errorCode: number) => ({ errorCode, records: [], topics: [] })
  if (group.isVacant || group.state === 'Dead') return refused(errorCodes.GROUP_ID_NOT_FOUND)
  const isEmpty = group.state === 'Empty'
  if (!isEmpty && group.protocolType !== 'consumer') return refused(errorCodes.NON_EMPTY_GROUP)
  const subscribed = isEmpty ? new Set<string>() : subscribedTopics(group)
  const records: GroupRecord[] = []
  const topics = request.topics.map(({ name, partitions }) => {
    const inUse = subscribed === null || subscribed.has(name)
    return {
      name,
      partitions: partitions.map(partition => {
        if (inUse) return { partition, errorCode: errorCodes.GROUP_SUBSCRIBED_TO_TOPIC }
        if (group.stored.offsets.get(name)?.has(partition)) {
          records.push(offsetTombstone(group.groupId, name, partition))
        }
        return { partition, errorCode: errorCodes.NONE }
      }),
    }
  })
  return { errorCode: errorCodes.NONE, records, topics }
}

/**
 * What retention ends now (KIP-211). The clock of an offset runs from the moment that its group became empty; without
 * group management from its commit; in a stable group only for topics that nobody subscribes to. Never while a
 * rebalance is under way. A group that is empty and has no offsets left goes with them.
 */
export function expiredRecords(
  group: ClassicGroup,
  clock: { readonly nowMs: number; readonly retentionMs: number },
): readonly GroupRecord[] {
  const { stored, groupId } = group
  const isExpired = expiryOf(group, clock)
  const records: GroupRecord[] = []
  let kept = 0
  for (const [topic, partitions] of stored.offsets) {
    for (const [partition, offset] of partitions) {
      if (isExpired(topic, offset)) records.push(offsetTombstone(groupId, topic, partition))
      else kept++
    }
  }
  const isUnused = group.state === 'Empty' && group.pendingMembers.size === 0
  if (kept === 0 && isUnused && stored.metadata !== null) {
    records.push({ kind: 'group', groupId, value: null })
  }
  return records
}

function expiryOf(
  group: ClassicGroup,
  clock: { readonly nowMs: number; readonly retentionMs: number },
): (topic: string, offset: CommittedOffset) => boolean {
  const { metadata } = group.stored
  const isDue = (offset: CommittedOffset, baseMs: number) =>
    offset.expireTimestampMs >= 0
      ? clock.nowMs >= offset.expireTimestampMs
      : clock.nowMs - baseMs >= clock.retentionMs
  if (group.state === 'Empty') {
    // A commit into an empty group is as good a sign of life as its last member was.
    const emptySinceMs = metadata?.currentStateTimestampMs ?? -1
    return (_topic, offset) => isDue(offset, Math.max(emptySinceMs, offset.commitTimestampMs))
  }
  const subscribed = group.state === 'Stable' ? subscribedTopics(group) : null
  if (subscribed === null) return () => false
  return (topic, offset) => !subscribed.has(topic) && isDue(offset, offset.commitTimestampMs)
}
