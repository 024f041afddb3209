import type { NodeId } from '@trimaran/common'
import type { Image, PartitionImage } from '@trimaran/metadata'
import { partitionName } from './cluster-view.ts'
import type { NodeView } from './cluster-view.ts'
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
    if (node.replica(topicId, at) === undefined) continue
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
export function checkReplicationQuorum(node: NodeView, image: Image): void {
  for (const { topicId, topicName, partition, leading } of node.replicas()) {
    if (leading === null || !leading.hasEnoughReplicas) continue
    const known = image.topicsById.get(topicId)?.partitions[partition]
    if (known?.leader !== node.id || known.leaderEpoch !== leading.leaderEpoch) continue
    const { isrState } = leading
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
}

export const partitionsOf = (image: Image): [string, PartitionImage][] =>
  [...image.topicsById.values()].flatMap(topic =>
    topic.partitions.map((partition): [string, PartitionImage] => [
      partitionName(topic.id, partition.partition),
      partition,
    ]),
  )
