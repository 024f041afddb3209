/**
 * DescribeCluster v0–2: id, controller and brokers (KIP-700); v2 fenced ones too when asked (KIP-1073).
 *
 * The endpoint type must be "brokers": the controllers of this cluster have no listener of Kafka's protocol, so asking
 * for them is MISMATCHED_ENDPOINT_TYPE, and any other type UNSUPPORTED_ENDPOINT_TYPE (KIP-919).
 */
import type { BrokerImage } from '@trimaran/metadata'
import { apis, errorCodes } from '@trimaran/protocol'
import { clusterOperations, notAsked } from '../authorized-operations.ts'
import { clusterView, nodeOf } from '../topics.ts'
import { handler, type HandlerContext } from './handler.ts'

const endpointTypes = { brokers: 1, controllers: 2 } as const

export const describeCluster = handler(
  apis.describeCluster,
  { min: 0, max: 2 },
  (request, context) => {
    const { brokers, controllerId } = clusterView(context)
    const { endpointType } = request
    const known = {
      throttleTimeMs: 0,
      endpointType: endpointTypes.brokers,
      clusterId: context.clusterId,
    }
    if (endpointType !== endpointTypes.brokers) {
      const mismatched = endpointType === endpointTypes.controllers
      return {
        ...known,
        errorCode: mismatched
          ? errorCodes.MISMATCHED_ENDPOINT_TYPE
          : errorCodes.UNSUPPORTED_ENDPOINT_TYPE,
        errorMessage: 'This is a listener of a broker: the endpoint type must be 1.',
        controllerId: -1,
        brokers: [],
        clusterAuthorizedOperations: notAsked,
      }
    }
    const live = brokers.map(node => ({ ...node, brokerId: node.nodeId, isFenced: false }))
    return {
      ...known,
      errorCode: errorCodes.NONE,
      errorMessage: null,
      controllerId,
      brokers: request.includeFencedBrokers ? [...live, ...fencedBrokers(context)] : live,
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
        ? clusterOperations
        : notAsked,
    }
  },
)

function fencedBrokers(
  context: HandlerContext,
): { brokerId: number; host: string; port: number; rack: string | null; isFenced: boolean }[] {
  const { listenerName } = context.connection
  return [...context.image().brokers.values()]
    .filter((broker: BrokerImage) => broker.fenced)
    .sort((a, b) => a.id - b.id)
    .flatMap(broker => {
      const node = nodeOf(broker, listenerName)
      if (node === undefined) return []
      const { host, port, rack } = node
      return [{ brokerId: broker.id, host, port, rack, isFenced: true }]
    })
}
