/**
 * FindCoordinator v0–6: which broker coordinates a group: the leader of the group's partition of `__consumer_offsets`.
 *
 * - v1 key type · v4 several keys at once, errors per key (KIP-699) · v5 and v6 new error codes and share groups.
 * - The first one ever asked has the topic created; until it is there: COORDINATOR_NOT_AVAILABLE, and the client asks
 *   again. As with Kafka that lasts until there are enough brokers for `offsets.topic.replication.factor`.
 * - The endpoint is that of the listener the client came in on.
 *
 * Not done: coordinators of transactions (as InitProducerId: UNSUPPORTED_VERSION) and of share groups (INVALID_REQUEST).
 */
import { apis, errorCodes } from '@trimaran/protocol'
import { consumerOffsetsTopic, endpointOf, isAlive } from '../topics.ts'
import { handler, type HandlerContext } from './handler.ts'

const keyTypes = { group: 0, transaction: 1 } as const
const firstVersionWithKeys = 4

interface Coordinator {
  readonly errorCode: number
  readonly errorMessage: string | null
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

export const findCoordinator = handler(
  apis.findCoordinator,
  { min: 0, max: 6 },
  (request, context) => {
    if (context.header.apiVersion < firstVersionWithKeys) {
      return { throttleTimeMs: 0, ...find(request.key, request.keyType, context) }
    }
    return {
      throttleTimeMs: 0,
      coordinators: request.coordinatorKeys.map(key => ({
        key,
        ...find(key, request.keyType, context),
      })),
    }
  },
)

function find(key: string, keyType: number, context: HandlerContext): Coordinator {
  if (keyType === keyTypes.transaction) {
    return none(errorCodes.UNSUPPORTED_VERSION, 'This cluster has no transactions.')
  }
  if (keyType !== keyTypes.group) {
    return none(errorCodes.INVALID_REQUEST, `There are no coordinators of type ${keyType}.`)
  }
  const image = context.image()
  const topic = image.topicsByName.get(consumerOffsetsTopic)
  if (topic === undefined) {
    context.topicCreator.create(context.config.consumerOffsetsTopic)
    return none(errorCodes.COORDINATOR_NOT_AVAILABLE, null)
  }
  const leader = topic.partitions[context.groups.partitionFor(key)]?.leader ?? -1
  const endpoint = endpointOf(image.brokers.get(leader), context.connection.listenerName)
  if (endpoint === undefined || !isAlive(image, leader)) {
    return none(errorCodes.COORDINATOR_NOT_AVAILABLE, null)
  }
  const { host, port } = endpoint
  return { errorCode: errorCodes.NONE, errorMessage: null, nodeId: leader, host, port }
}

const none = (errorCode: number, errorMessage: string | null): Coordinator => ({
  errorCode,
  errorMessage,
  nodeId: -1,
  host: '',
  port: -1,
})
