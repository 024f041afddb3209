import type { Oracle } from './oracle.ts'
import type { Position, Reader } from './clients/reader.ts'
import type { SimNode } from './node-host.ts'
import type { Workload } from './workload.ts'

/**
 * P16, M5, G6: what must be true some time after the last fault. Null: it is; else what is not.
 */
export function isSettled({
  nodes,
  oracle,
  workload,
  replicaCount,
}: {
  readonly nodes: readonly SimNode[]
  readonly oracle: Oracle
  readonly workload: Workload
  readonly replicaCount: number
}): string | null {
  const image = oracle.metadata.latest
  for (const node of nodes) {
    if (node.node === null) return `node ${node.id} is down`
    if (node.isPaused) return `node ${node.id} stands still`
    if (node.isStopping) return `node ${node.id} is stopping`
    const broker = image.brokers.get(node.id)
    if (broker === undefined || broker.fenced) return `broker ${node.id} is fenced`
    if (broker.inControlledShutdown) return `broker ${node.id} is shutting down`
    if (node.node.broker?.state !== 'running') {
      return `broker ${node.id} is ${node.node.broker?.state}`
    }
    if (node.node.image.endOffset < image.endOffset) {
      return `node ${node.id} is at ${node.node.image.endOffset} of ${image.endOffset}`
    }
  }
  for (const topic of image.topicsById.values()) {
    for (const image of topic.partitions) {
      const { partition, leader, isr, replicas, elr } = image
      const name = `${topic.name}-${partition}`
      if (leader < 0) return `${name} has no leader (ISR ${isr.join(' ')}, ELR ${elr?.join(' ')})`
      if (isr.length < Math.min(replicas.length, replicaCount)) {
        return `${name} is led by ${leader} with ${isr.join(' ')} of ${replicas.join(' ')} in sync`
      }
      if (image.addingReplicas.length + image.removingReplicas.length > 0) {
        return `${name} is being reassigned`
      }
    }
  }
  return groupPicture(workload)
}

/** G7: what the leader gave out is what the members of its generation have, all together. */
function uncoveredPicture({ members }: Workload): string | null {
  for (const { plan, generation } of members) {
    if (plan?.generation !== generation) continue
    const count = members.reduce((sum, { reader }) => sum + reader.positions.size, 0)
    if (count === plan.partitionCount) continue
    return `${count} of ${plan.partitionCount} partitions are assigned in generation ${generation}`
  }
  return null
}

/** P16 for readers: who was behind reads on. Returns what says whether all of them have. */
export function watchReaders(
  { consumers, members }: Workload,
  endOf: (topicId: string, partition: number) => number,
): () => string | null {
  const waiting: { readonly reader: Reader; readonly position: Position; readonly from: number }[] =
    []
  for (const { reader } of [...consumers, ...members]) {
    for (const position of reader.positions.values()) {
      const { topicId, partition, offset } = position
      if (offset < endOf(topicId, partition)) waiting.push({ reader, position, from: offset })
    }
  }
  return () => {
    for (const { reader, position, from } of waiting) {
      const { topic, topicId, partition } = position
      // A seek or a rebalance begins anew.
      const isSame = reader.positions.get(`${topicId}/${partition}`) === position
      if (isSame && position.offset === from)
        return `${topic}-${partition} is not read on at ${from}`
    }
    return null
  }
}

function groupPicture(workload: Workload): string | null {
  const { members } = workload
  const generations = new Set(members.map(({ generation }) => generation))
  if (members.length === 0) return null
  if (members.some(({ isStable }) => !isStable)) {
    return `group members are ${members.map(one => (one.isStable ? 'stable' : 'joining')).join(' ')}`
  }
  if (generations.size > 1) return `generations ${[...generations].join(' ')}`
  return uncoveredPicture(workload)
}
