/**
 * OffsetFetch v1–10: how far a group has read. Offset −1 without an error: it never committed there.
 *
 * - v2 null topics: all · v5 leader epoch · v7 requireStable (KIP-447) · v8 several groups at once, errors per group
 *   (KIP-709) · v9 member epoch of new groups, not used by classic ones · v10 topic ids (KIP-848).
 * - v1 has no room for an error of the group: every partition carries it.
 * - A topic id that is not there: UNKNOWN_TOPIC_ID for its partitions.
 */
import type { FetchOffsetsResponse } from '@trimaran/coordinator'
import type { Image } from '@trimaran/metadata'
import { apis, errorCodes, type RequestOf } from '@trimaran/protocol'
import { handler, type HandlerContext } from './handler.ts'

type RequestGroup = RequestOf<typeof apis.offsetFetch>['groups'][number]

const firstVersionWithGroupErrors = 2
const firstVersionWithGroups = 8
const firstVersionWithTopicIds = 10

export const offsetFetch = handler(apis.offsetFetch, { min: 1, max: 10 }, (request, context) => {
  const { apiVersion } = context.header
  if (apiVersion >= firstVersionWithGroups) {
    const groups = request.groups.map(group => fetchGroup(group, request.requireStable, context))
    return { throttleTimeMs: 0, groups }
  }
  const { groupId, requireStable } = request
  const wanted = request.topics?.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes,
  }))
  const { errorCode, topics } = context.groups.fetchOffsets({
    groupId,
    requireStable,
    topics: wanted ?? null,
  })
  const spread = apiVersion < firstVersionWithGroupErrors && errorCode !== errorCodes.NONE
  return {
    throttleTimeMs: 0,
    errorCode,
    topics: spread
      ? (wanted ?? []).map(topic => ({
          name: topic.name,
          partitions: topic.partitions.map(partition => noOffset(partition, errorCode)),
        }))
      : topics.map(topic => ({
          name: topic.name,
          partitions: topic.partitions.map(partitionAnswer),
        })),
  }
})

function fetchGroup(group: RequestGroup, requireStable: boolean, context: HandlerContext) {
  const byId = context.header.apiVersion >= firstVersionWithTopicIds
  const image = context.image()
  const named = group.topics?.map(topic => ({
    ...topic,
    name: byId ? image.topicsById.get(topic.topicId)?.name : topic.name,
  }))
  const { errorCode, topics } = context.groups.fetchOffsets({
    groupId: group.groupId,
    requireStable,
    topics:
      named?.flatMap(({ name, partitionIndexes }) =>
        name === undefined ? [] : [{ name, partitions: partitionIndexes }],
      ) ?? null,
  })
  const { groupId } = group
  if (errorCode !== errorCodes.NONE) return { groupId, errorCode, topics: [] }
  const unknown = (named ?? []).filter(topic => topic.name === undefined)
  return {
    groupId,
    errorCode,
    topics: [
      ...(byId ? withTopicIds(topics, image) : topics).map(topic => ({
        ...topic,
        partitions: topic.partitions.map(partitionAnswer),
      })),
      ...unknown.map(({ topicId, partitionIndexes }) => ({
        name: '',
        topicId,
        partitions: partitionIndexes.map(each => noOffset(each, errorCodes.UNKNOWN_TOPIC_ID)),
      })),
    ],
  }
}

/** Offsets of a topic that is about to vanish have no id to be told under: they are left out. */
function withTopicIds(topics: FetchOffsetsResponse['topics'], image: Image) {
  return topics.flatMap(topic => {
    const topicId = image.topicsByName.get(topic.name)?.id
    return topicId === undefined ? [] : [{ ...topic, topicId }]
  })
}

type FetchedPartition = FetchOffsetsResponse['topics'][number]['partitions'][number]

const partitionAnswer = (fetched: FetchedPartition) => ({
  partitionIndex: fetched.partition,
  committedOffset: fetched.offset,
  committedLeaderEpoch: fetched.leaderEpoch,
  metadata: fetched.metadata,
  errorCode: fetched.errorCode,
})

const noOffset = (partitionIndex: number, errorCode: number) => ({
  partitionIndex,
  committedOffset: -1,
  committedLeaderEpoch: -1,
  metadata: '',
  errorCode,
})
