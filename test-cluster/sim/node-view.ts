import type { BrokerEpoch, NodeId, TopicId } from '@trimaran/common'
import type { Image } from '@trimaran/metadata'
import { emptyImage } from '@trimaran/metadata'
import type { NodeView, ReplicaView } from '../checkers/cluster-view.ts'
import type { SimNode } from './node-host.ts'

/** A running simulated node for the checkers' eyes. */
export class SimNodeView implements NodeView {
  readonly #node: SimNode

  constructor(node: SimNode) {
    this.#node = node
  }

  get id(): NodeId {
    return this.#node.id
  }

  get incarnation(): number {
    return this.#node.owner.incarnation
  }

  get image(): Image {
    return this.#node.node?.image ?? emptyImage
  }

  get brokerEpoch(): BrokerEpoch {
    return this.#node.node?.broker?.brokerEpoch ?? -1
  }

  get wallMs(): number {
    return this.#node.wallMs
  }

  replicas(): Iterable<ReplicaView> {
    return (this.#node.node?.broker?.partitions() ?? []) as Iterable<ReplicaView>
  }

  replica(topicId: TopicId, partition: number): ReplicaView | undefined {
    for (const replica of this.replicas()) {
      if (replica.topicId === topicId && replica.partition === partition) return replica
    }
    return undefined
  }
}
