import type { NodeId } from '@trimaran/common'
import type { Image, PartitionImage } from '@trimaran/metadata'
import type { NodeView, ReplicaView } from './cluster-view.ts'
import type { CommittedLog } from './committed-log.ts'
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
  for (const log of logs.changed) {
    const known = image.topicsById.get(log.topicId)?.partitions[log.partition]
    if (known !== undefined && log.end > 0) checkPartition({ image, log, nodes, known })
  }
  logs.changed.clear()
}

function checkPartition({
  image,
  log,
  nodes,
  known,
}: {
  readonly image: Image
  readonly log: CommittedLog
  readonly nodes: ReadonlyMap<NodeId, NodeView>
  readonly known: PartitionImage
}): void {
  for (const id of [...known.isr, ...(known.elr ?? [])]) {
    const node = nodes.get(id)
    if (node === undefined || image.brokers.get(id)?.epoch !== node.brokerEpoch) continue
    const mirror = log.mirrors.get(id)
    if (mirror === undefined || mirror.incarnation !== node.incarnation) continue
    const replica = node.replica(log.topicId, log.partition)
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
    // All that is committed may have been deleted; who has not heard of it yet may have something else there.
    if (log.end > Math.max(mirror.start, log.begin) && last !== log.batches.at(-1)) {
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
  readonly marks = new Set<string>()
  /** What of a leader’s state decides, each combination once. */
  readonly states = new Set<string>()

  #note(replica: ReplicaView, leading: NonNullable<ReplicaView['leading']>): void {
    const { isrState, hasEnoughReplicas, epochStartOffset } = leading
    const { highWatermark, logEndOffset } = replica
    const isBehind = highWatermark < epochStartOffset
    if (isrState.kind !== 'committed') this.marks.add(`ISR: ${isrState.kind}`)
    if (!hasEnoughReplicas) this.marks.add('ISR: too small')
    if (isBehind) this.marks.add('high watermark: behind the epoch’s start')
    const reach = isBehind ? 'behind' : highWatermark < logEndOffset ? 'within' : 'at the end'
    this.states.add(
      `${isrState.kind} ISR ${isrState.isr.size} of ${hasEnoughReplicas ? 'enough' : 'too few'} HW ${reach}`,
    )
  }

  look(node: NodeView, image: Image, isNews: boolean): void {
    for (const replica of node.replicas()) {
      const { leading } = replica
      if (leading === null) continue
      if (!isNews && this.#seen.get(replica) === leading.isrState) continue
      this.#seen.set(replica, leading.isrState)
      this.#note(replica, leading)
      if (leading.hasEnoughReplicas) checkQuorum(node, image, replica, leading)
    }
  }
}

function checkQuorum(
  node: NodeView,
  image: Image,
  { topicId, topicName, partition }: ReplicaView,
  { leaderEpoch, partitionEpoch, isrState }: NonNullable<ReplicaView['leading']>,
): void {
  const known = image.topicsById.get(topicId)?.partitions[partition]
  if (known?.leader !== node.id || known.leaderEpoch !== leaderEpoch) return
  // Answered by a controller that died before any node had an image of what it had committed.
  if (partitionEpoch > known.partitionEpoch) return
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
