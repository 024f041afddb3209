/**
 * OffsetDelete v0: ends single offsets of a group (KIP-496). A group with members must be of the `consumer` type
 * (NON_EMPTY_GROUP otherwise), and none of them may subscribe to the topic (GROUP_SUBSCRIBED_TO_TOPIC).
 * Partitions that do not exist: UNKNOWN_TOPIC_OR_PARTITION. Offsets that do not exist: done.
 */
import { apis, errorCodes } from '@trimaran/protocol'
import { handler } from './handler.ts'

export const offsetDelete = handler(
  apis.offsetDelete,
  { min: 0, max: 0 },
  async (request, context) => {
    const image = context.image()
    const requested = request.topics.map(({ name, partitions }) => {
      const partitionCount = image.topicsByName.get(name)?.partitions.length ?? 0
      const isThere = (index: number) => index >= 0 && index < partitionCount
      return { name, indexes: partitions.map(each => each.partitionIndex), isThere }
    })
    const deleted = await context.groups.deleteOffsets({
      groupId: request.groupId,
      topics: requested.map(({ name, indexes, isThere }) => ({
        name,
        partitions: indexes.filter(isThere),
      })),
    })
    const { errorCode } = deleted
    if (errorCode !== errorCodes.NONE) return { errorCode, throttleTimeMs: 0, topics: [] }
    return {
      errorCode,
      throttleTimeMs: 0,
      topics: requested.map(({ name, indexes, isThere }, at) => {
        const results = deleted.topics[at]?.partitions.values()
        return {
          name,
          partitions: indexes.map(partitionIndex => ({
            partitionIndex,
            errorCode: isThere(partitionIndex)
              ? (results?.next().value?.errorCode ?? errorCodes.UNKNOWN_SERVER_ERROR)
              : errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
          })),
        }
      }),
    }
  },
)
