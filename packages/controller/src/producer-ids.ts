import type { ControllerRequests } from '@trimaran/metadata'
import { checkBrokerEpoch, type Cluster, type Decision, success } from './cluster.ts'

type Allocation = ControllerRequests['allocateProducerIds']

/** As in Kafka. A broker asks again when it has given out most of them; what it loses in a crash is never used. */
export const producerIdBlockSize = 1000

export function allocateProducerIds(
  cluster: Cluster,
  { brokerId, brokerEpoch }: Allocation['request'],
): Decision<Allocation['response']> {
  const epoch = checkBrokerEpoch(cluster.image, brokerId, brokerEpoch)
  if (epoch.errorCode !== 0) {
    return { records: [], response: { ...epoch, firstProducerId: -1, count: 0 } }
  }
  const firstProducerId = cluster.image.nextProducerId
  const nextProducerId = firstProducerId + producerIdBlockSize
  return {
    records: [{ kind: 'producerIds', brokerId, nextProducerId }],
    response: { ...success, firstProducerId, count: producerIdBlockSize },
  }
}
