/**
 * DescribeQuorum v0–2: leader, epoch, high watermark and how far each replica of the metadata log is (KIP-595, KIP-836,
 * v2 directory ids and endpoints: KIP-853). Forwarded to the quorum's leader, which alone knows.
 *
 * The only topic is `__cluster_metadata`, partition 0; any other is UNKNOWN_TOPIC_OR_PARTITION in its place.
 */
import type { QuorumReplica } from '@trimaran/metadata'
import { apis, errorCodes, type RequestOf, type ResponseOf } from '@trimaran/protocol'
import { forward } from '../forward.ts'
import { clusterMetadataTopic } from '../topics.ts'
import { handler } from './handler.ts'

type Request = RequestOf<typeof apis.describeQuorum>
type Response = ResponseOf<typeof apis.describeQuorum>
type TopicAnswer = Response['topics'][number]
type PartitionAnswer = TopicAnswer['partitions'][number]

/** The name that Kafka's own files give to the quorum's listener. */
const controllerListener = 'CONTROLLER'

export const describeQuorum = handler(
  apis.describeQuorum,
  { min: 0, max: 2 },
  async (request, context) => {
    const forwarded = await forward(
      context.controller,
      'describeQuorum',
      {},
      context.config.requestTimeoutMs,
    )
    const failure = forwarded.kind === 'failed' ? forwarded : forwarded.response
    if (forwarded.kind === 'failed' || forwarded.response.errorCode !== errorCodes.NONE) {
      const { errorCode, errorMessage } = failure
      return { errorCode, errorMessage, topics: [], nodes: [] }
    }
    const quorum = forwarded.response
    const described: PartitionAnswer = {
      partitionIndex: 0,
      errorCode: errorCodes.NONE,
      errorMessage: null,
      leaderId: quorum.leaderId,
      leaderEpoch: quorum.leaderEpoch,
      highWatermark: quorum.highWatermark,
      currentVoters: quorum.voters.map(replicaState),
      observers: quorum.observers.map(replicaState),
    }
    const asked = askedOnce(request)
    const topics = [...asked].map(([topicName, partitions]): TopicAnswer => ({
      topicName,
      partitions: [...partitions].map(partition =>
        topicName === clusterMetadataTopic && partition === 0 ? described : unknown(partition),
      ),
    }))
    // Observers too, where it is known: who makes one a voter has to say where it is.
    const known = new Map([...quorum.observers, ...quorum.voters].map(each => [each.nodeId, each]))
    const nodes = [...known.values()]
      .filter(({ host }) => host !== '')
      .map(({ nodeId, host, port }) => ({
        nodeId,
        listeners: [{ name: controllerListener, host, port }],
      }))
    return { errorCode: errorCodes.NONE, errorMessage: null, topics, nodes }
  },
)

/** Each partition once: an answer of a thousand replicas must not be had for five bytes. */
function askedOnce({ topics }: Request): Map<string, Set<number>> {
  const asked = new Map<string, Set<number>>()
  for (const { topicName, partitions } of topics) {
    const indexes = asked.get(topicName) ?? new Set()
    asked.set(topicName, indexes)
    for (const { partitionIndex } of partitions) indexes.add(partitionIndex)
  }
  return asked
}

const replicaState = (replica: QuorumReplica): PartitionAnswer['currentVoters'][number] => ({
  replicaId: replica.nodeId,
  replicaDirectoryId: replica.directoryId,
  logEndOffset: replica.logEndOffset,
  lastFetchTimestamp: replica.lastFetchTimestampMs,
  lastCaughtUpTimestamp: replica.lastCaughtUpTimestampMs,
})

const unknown = (partitionIndex: number): PartitionAnswer => ({
  partitionIndex,
  errorCode: errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
  errorMessage: null,
  leaderId: -1,
  leaderEpoch: -1,
  highWatermark: -1,
  currentVoters: [],
  observers: [],
})
