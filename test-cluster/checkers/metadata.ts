import type { NodeId, Offset } from '@trimaran/common'
import { encodeSnapshot, isBrokerActive } from '@trimaran/metadata'
import type { Image, PartitionImage, TopicImage } from '@trimaran/metadata'
import type { NodeView } from './cluster-view.ts'
import { violated } from './violation.ts'

/** Images are compared at every so-manieth offset: encoding one is work. */
const comparedEvery = 8

const fnv = (bytes: Uint8Array): number => {
  let hash = 2166136261
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 16777619) >>> 0
  return hash
}

/**
 * What every node's image of the cluster must keep.
 *
 * M1: at one offset all images are the same. M2: a node's image never goes back. M3: epochs of partitions and brokers
 * never decrease, and a topic id is never used again. M4: a topic is there with all its partitions, or not at all.
 * P2: the leader is in the ISR and does not stop while another could lead, the ISR among the replicas, ISR and ELR apart, no ELR while the ISR is large enough; a
 * reassignment ends as soon as its whole target is in sync.
 */
export class MetadataChecker {
  /** The newest that any node has. */
  latest: Image
  readonly counts = {
    images: 0,
    leaderChanges: 0,
    isrChanges: 0,
    electionsFromElr: 0,
    electionsFromLastKnownElr: 0,
    reassignmentsBegun: 0,
    /** At the target, not cancelled. */
    reassignmentsDone: 0,
  }
  readonly #minIsr: (image: Image, topic: TopicImage) => number
  readonly #hashes = new Map<Offset, number>()
  readonly #offsets = new Map<NodeId, { incarnation: number; endOffset: Offset }>()
  readonly #topics = new Map<string, TopicImage>()
  readonly #gone = new Set<string>()
  readonly #brokerEpochs = new Map<NodeId, number>()

  constructor(empty: Image, minIsr: (image: Image, topic: TopicImage) => number) {
    this.latest = empty
    this.#minIsr = minIsr
  }

  /** True if the cluster's newest image changed. */
  look(node: NodeView): boolean {
    const { image, incarnation } = node
    const before = this.#offsets.get(node.id)
    if (before?.incarnation === incarnation) {
      if (before.endOffset === image.endOffset) return false
      if (before.endOffset > image.endOffset) {
        violated('M2', `node ${node.id} goes back from ${before.endOffset} to ${image.endOffset}`)
      }
    }
    this.#offsets.set(node.id, { incarnation, endOffset: image.endOffset })
    if (image.endOffset % comparedEvery === 0) this.#compare(node)
    if (image.endOffset <= this.latest.endOffset) return false
    this.#checkLatest(image)
    this.latest = image
    this.counts.images++
    return true
  }

  #compare({ id, image }: NodeView): void {
    const hash = fnv(encodeSnapshot(image))
    const known = this.#hashes.get(image.endOffset)
    if (known === undefined) this.#hashes.set(image.endOffset, hash)
    else if (known !== hash) violated('M1', `node ${id} has another image at ${image.endOffset}`)
  }

  #checkLatest(image: Image): void {
    const former = this.latest.brokers
    for (const { id, epoch, inControlledShutdown } of image.brokers.values()) {
      // Its topics need not change with it.
      if (inControlledShutdown && former.get(id)?.inControlledShutdown !== true) checkLeaders(image)
      const before = this.#brokerEpochs.get(id) ?? -1
      if (epoch < before) violated('M3', `broker ${id} goes back from epoch ${before} to ${epoch}`)
      this.#brokerEpochs.set(id, epoch)
    }
    for (const topic of image.topicsById.values()) {
      const before = this.#topics.get(topic.id)
      if (before === topic) continue
      if (this.#gone.has(topic.id)) violated('M3', `topic id ${topic.id} is used again`)
      this.#checkTopic(image, topic, before)
      this.#topics.set(topic.id, topic)
    }
    if (this.#topics.size === image.topicsById.size) return
    for (const id of this.#topics.keys()) {
      if (image.topicsById.has(id)) continue
      this.#gone.add(id)
      this.#topics.delete(id)
    }
  }

  #count(former: PartitionImage, after: PartitionImage): void {
    const { leader, isr } = after
    if (leader !== former.leader) this.counts.leaderChanges++
    if (isr.join() !== former.isr.join()) this.counts.isrChanges++
    const isFromElr = leader !== former.leader && (former.elr ?? []).includes(leader)
    if (isFromElr) this.counts.electionsFromElr++
    const isOfLastKnown = leader !== former.leader && former.lastKnownElr?.includes(leader) === true
    if (isOfLastKnown) this.counts.electionsFromLastKnownElr++
    this.#countReassignment(former, after)
  }

  #countReassignment(former: PartitionImage, after: PartitionImage): void {
    const wasMoving = isMoving(former)
    if (!wasMoving && isMoving(after)) this.counts.reassignmentsBegun++
    const target = former.replicas.filter(id => !former.removingReplicas.includes(id))
    const isDone = wasMoving && !isMoving(after) && after.replicas.join() === target.join()
    if (isDone) this.counts.reassignmentsDone++
  }

  #checkTopic(image: Image, topic: TopicImage, before: TopicImage | undefined): void {
    if (topic.partitions.length === 0) violated('M4', `${topic.name} has no partitions`)
    if (topic.partitions.length < (before?.partitions.length ?? 0)) {
      violated('M4', `${topic.name} has fewer partitions than before`)
    }
    const minIsr = this.#minIsr(image, topic)
    for (const [at, partition] of topic.partitions.entries()) {
      const name = `${topic.name}-${at}`
      if (partition?.partition !== at) violated('M4', `${name} is not there`)
      checkPartition(name, partition, minIsr)
      checkLeader(name, partition, image)
      const former = before?.partitions[at]
      if (former === undefined || former === partition) continue
      this.#count(former, partition)
      if (partition.leaderEpoch < former.leaderEpoch) violated('M3', `${name}: leader epoch falls`)
      // Every node has objects of its own, so identity says nothing.
      const isChanged = !isSame(partition, former)
      if (isChanged && partition.partitionEpoch <= former.partitionEpoch) {
        violated('M3', `${name} changes within partition epoch ${partition.partitionEpoch}`)
      }
      if (partition.leader !== former.leader && partition.leader >= 0) {
        if (partition.leaderEpoch === former.leaderEpoch) {
          violated('M3', `${name} has two leaders in epoch ${partition.leaderEpoch}`)
        }
      }
    }
  }
}

const isMoving = ({ addingReplicas, removingReplicas }: PartitionImage): boolean =>
  addingReplicas.length + removingReplicas.length > 0

const isSame = (a: PartitionImage, b: PartitionImage): boolean =>
  a.partitionEpoch === b.partitionEpoch &&
  a.leaderEpoch === b.leaderEpoch &&
  a.leader === b.leader &&
  a.recovering === b.recovering &&
  a.isr.join() === b.isr.join() &&
  (a.elr ?? []).join() === (b.elr ?? []).join() &&
  (a.lastKnownElr ?? []).join() === (b.lastKnownElr ?? []).join() &&
  a.replicas.join() === b.replicas.join() &&
  a.addingReplicas.join() === b.addingReplicas.join() &&
  a.removingReplicas.join() === b.removingReplicas.join()

function checkPartition(name: string, partition: PartitionImage, minIsr: number): void {
  const { leader, isr, replicas, elr = [] } = partition
  if (leader >= 0 && !isr.includes(leader))
    violated('P2', `${name}: leader ${leader} is not in sync`)
  if (isr.length === 0) violated('P2', `${name}: nobody is in sync`)
  if (!isr.every(id => replicas.includes(id))) violated('P2', `${name}: ISR beyond the replicas`)
  if (elr.some(id => isr.includes(id))) violated('P2', `${name}: ISR and ELR overlap`)
  const target = replicas.filter(id => !partition.removingReplicas.includes(id))
  if (isMoving(partition) && target.every(id => isr.includes(id))) {
    violated('P2', `${name}: ${target.join(' ')} are in sync, and the reassignment goes on`)
  }
  if (isr.length >= Math.min(minIsr, replicas.length) && elr.length > 0) {
    violated(
      'P2',
      `${name}: an ELR (${elr.join(' ')}) beside a large enough ISR (${isr.join(' ')})`,
    )
  }
}

function checkLeaders(image: Image): void {
  for (const { name, partitions } of image.topicsById.values()) {
    for (const partition of partitions)
      checkLeader(`${name}-${partition.partition}`, partition, image)
  }
}

function checkLeader(name: string, { leader, isr }: PartitionImage, image: Image): void {
  if (leader < 0) return
  const broker = image.brokers.get(leader)
  if (broker === undefined || broker.fenced) violated('P2', `${name}: leader ${leader} is fenced`)
  const heir = isr.find(id => id !== leader && isBrokerActive(image.brokers.get(id)))
  if (broker?.inControlledShutdown === true && heir !== undefined) {
    violated('P2', `${name}: leader ${leader} is stopping, and ${heir} is in sync`)
  }
  for (const id of isr) {
    const member = image.brokers.get(id)
    if (member === undefined || member.fenced)
      violated('P2', `${name}: ${id} is fenced and in sync`)
  }
}
