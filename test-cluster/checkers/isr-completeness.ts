import type { NodeId } from '@trimaran/common'
import type { Image, PartitionImage } from '@trimaran/metadata'
import type { NodeView, ReplicaView } from './cluster-view.ts'
import type { ReplicatedLogs } from './replicated-logs.ts'
import { violated } from './violation.ts'

/**
 * P3: whoever the controller may elect (ISR and ELR, running, in the incarnation it knows) has everything that is
 * committed. This is what makes every election lossless.
 */
export function checkIsrCompleteness(options: {
  readonly image: Image
  readonly logs: ReplicatedLogs
  readonly nodes: ReadonlyMap<NodeId, NodeView>
}): void {
  const { image, logs, nodes } = options
  for (const name of logs.changed) {
    const [topicId = '', partition] = name.split('/')
    const at = Number(partition)
    const known = image.topicsById.get(topicId)?.partitions[at]
    if (known !== undefined) checkPartition({ image, logs, nodes, topicId, at, known })
  }
  logs.changed.clear()
}

function checkPartition({
  image,
  logs,
  nodes,
  topicId,
  at,
  known,
}: {
  readonly image: Image
  readonly logs: ReplicatedLogs
  readonly nodes: ReadonlyMap<NodeId, NodeView>
  readonly topicId: string
  readonly at: number
  readonly known: PartitionImage
}): void {
  const log = logs.log(topicId, at)
  if (log === undefined || log.end === 0) return
  for (const id of [...known.isr, ...(known.elr ?? [])]) {
    const node = nodes.get(id)
    if (node === undefined || image.brokers.get(id)?.epoch !== node.brokerEpoch) continue
    const mirror = logs.mirror(id, topicId, at)
    if (mirror === undefined || mirror.incarnation !== node.incarnation) continue
    const replica = node.replica(topicId, at)
    // With its disk gone it serves nobody, and what it has cannot be looked at.
    if (replica === undefined || replica.failure !== null) continue
    const role = known.isr.includes(id) ? 'ISR' : 'ELR'
    if (mirror.end < log.end) {
      violated(
        'P3',
        `node ${id} is in the ${role} of ${log.name} and ends at ${mirror.end}, ${log.end} are committed`,
      )
    }
    const last = mirror.at(log.end - 1)
    if (last !== log.batches.at(-1)) {
      violated(
        'P3',
        `node ${id} is in the ${role} of ${log.name} with another record at ${log.end - 1}`,
      )
    }
  }
}

/** P4: whom the controller may elect, the leader counts; else it could commit what the next leader lacks. */
export class ReplicationQuorum {
  /** What was looked at last, by replica; a state that did not change needs no second look at the same metadata. */
  readonly #seen = new WeakMap<ReplicaView, unknown>()

  look(node: NodeView, image: Image, isNews: boolean): void {
    for (const replica of node.replicas()) {
      const { leading } = replica
      if (leading === null) continue
      if (!isNews && this.#seen.get(replica) === leading.isrState) continue
      this.#seen.set(replica, leading.isrState)
      if (leading.hasEnoughReplicas) checkQuorum(node, image, replica, leading)
    }
  }
}

function checkQuorum(
  node: NodeView,
  image: Image,
  { topicId, topicName, partition }: ReplicaView,
  { leaderEpoch, isrState }: NonNullable<ReplicaView['leading']>,
): void {
  const known = image.topicsById.get(topicId)?.partitions[partition]
  if (known?.leader !== node.id || known.leaderEpoch !== leaderEpoch) return
  for (const id of [...known.isr, ...(known.elr ?? [])]) {
    if (isrState.isr.has(id)) continue
    if (isrState.kind === 'pendingExpand' && isrState.adding === id) continue
    violated(
      'P4',
      `${topicName}-${partition}: the controller may elect ${id}, the leader ${node.id} counts ` +
        `${[...isrState.isr].join(' ')} (${isrState.kind})`,
    )
  }
}
