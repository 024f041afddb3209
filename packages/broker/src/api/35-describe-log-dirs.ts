/**
 * DescribeLogDirs v1–5: what lies in this broker's data directory, replica by replica (KIP-113). Null: everything;
 * otherwise the named partitions. v3+ has an error for the whole.
 *
 * Not done: the size of the volume (v4, KIP-827) is not known here and is told as −1; no directory is ever cordoned (v5).
 */
import { apis, errorCodes, type RequestOf, type ResponseOf } from '@trimaran/protocol'
import { handler } from './handler.ts'

type Request = RequestOf<typeof apis.describeLogDirs>
type TopicAnswer = ResponseOf<typeof apis.describeLogDirs>['results'][number]['topics'][number]

export const describeLogDirs = handler(
  apis.describeLogDirs,
  { min: 1, max: 5 },
  (request, context) => {
    const directory = context.replicas.describeLogDirs()
    const isAsked = filterOf(request)
    const topics = new Map<string, TopicAnswer['partitions'][number][]>()
    for (const { topicName, partition, sizeBytes, offsetLag } of directory.replicas) {
      if (!isAsked(topicName, partition)) continue
      const partitions = topics.get(topicName) ?? []
      topics.set(topicName, partitions)
      partitions.push({
        partitionIndex: partition,
        partitionSize: sizeBytes,
        offsetLag,
        isFutureKey: false,
      })
    }
    return {
      throttleTimeMs: 0,
      errorCode: errorCodes.NONE,
      results: [
        {
          errorCode: directory.errorCode,
          logDir: context.config.logDir,
          topics: [...topics].map(([name, partitions]) => ({ name, partitions })),
        },
      ],
    }
  },
)

function filterOf({ topics }: Request): (topic: string, partition: number) => boolean {
  if (topics === null) return () => true
  const asked = new Map<string, Set<number>>()
  for (const { topic, partitions } of topics) {
    const set = asked.get(topic) ?? new Set()
    asked.set(topic, set)
    for (const partition of partitions) set.add(partition)
  }
  return (topic, partition) => asked.get(topic)?.has(partition) ?? false
}
