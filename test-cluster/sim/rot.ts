import type { NodeId, Prng, TopicId } from '@trimaran/common'
import type { Image, PartitionImage } from '@trimaran/metadata'
import { batchSizeBytes } from '@trimaran/protocol'
import type { SimNode } from './node-host.ts'

export interface RotOptions {
  readonly nodes: readonly SimNode[]
  readonly image: () => Image
  readonly trace: (what: string) => void
  readonly mark: (what: string) => void
  /** Records of this replica are not what was stored. */
  readonly records: (nodeId: NodeId, topicId: TopicId, partition: number) => void
}

export type FileKind = 'segment' | 'index' | 'epochs' | 'snapshot' | 'checkpoint'
/** What is derived from records. */
export const derivedKinds: readonly FileKind[] = ['index', 'epochs', 'snapshot', 'checkpoint']

/** Of a batch, nothing says whether its base offset and its leader epoch are what was stored: their bytes stay as they are. */
const batchLengthAt = 8
const leaderEpochAt = 12
const magicAt = 16

/**
 * Bits that turn over by themselves. Records do so in one replica of a partition alone, for ever the same one, and while
 * others in sync have them whole: nothing can be saved where all copies are bad. What is derived from records may turn
 * anywhere. In files of text it is the top bit of a byte, so that the file is none any more: they have no checksum, as
 * Kafka's have none, and another digit is as good as the right one.
 */
export class Rot {
  readonly #options: RotOptions
  /** Whose copy is bad, by topic id and partition. */
  readonly #badCopies = new Map<string, NodeId>()

  constructor(options: RotOptions) {
    this.#options = options
  }

  get isAnywhere(): boolean {
    return this.#badCopies.size > 0
  }

  /** Whoever goes without what it wrote last, or is down for long, may be the last one with a good copy. */
  leavesGoodCopies(victim: NodeId): boolean {
    for (const [key, bad] of this.#badCopies) {
      const partition = this.#partition(key)
      if (partition === undefined || !partition.replicas.includes(victim)) continue
      if (bad !== victim && !this.#isHeldBesides(partition, [victim, bad])) return false
    }
    return true
  }

  /** Who has a bad copy is not to be counted on. */
  isGood(topicId: TopicId, partition: number, nodeId: NodeId): boolean {
    return this.#badCopies.get(keyOf(topicId, partition)) !== nodeId
  }

  /** True: something has turned. */
  strike(victim: SimNode, random: Prng, kinds: readonly FileKind[]): boolean {
    const kind = random.pick(kinds)
    const paths = this.#paths(victim, kind)
    if (paths.length === 0) return false
    const path = random.pick(paths)
    const content = victim.disks.logs.content(path)
    const bit = bitOf(kind, content, random)
    if (bit === null) return false
    if (kind === 'segment') this.#noteRecords(victim, path)
    victim.disks.logs.flip(path, bit)
    victim.hasRot = true
    this.#options.trace(`rot on ${victim.id}: bit ${bit} of ${path}`)
    this.#options.mark(`rot: ${kind}`)
    return true
  }

  #paths(victim: SimNode, kind: FileKind): string[] {
    const { logs } = victim.disks
    if (kind === 'checkpoint') {
      return logs
        .list('logs')
        .filter(name => name.endsWith('-checkpoint'))
        .map(name => `logs/${name}`)
    }
    const paths: string[] = []
    for (const { directory, topicId, image } of this.#replicas(victim)) {
      if (kind === 'segment' && !this.#mayRot(victim, topicId, image)) continue
      for (const name of logs.list(directory)) {
        if (isOfKind(kind, name)) paths.push(`${directory}/${name}`)
      }
    }
    return paths
  }

  /** Others that run have it, and are known to have it. */
  #mayRot(victim: SimNode, topicId: TopicId, image: PartitionImage): boolean {
    const bad = this.#badCopies.get(keyOf(topicId, image.partition))
    if (bad !== undefined) return false
    return image.isr.some(id => id !== victim.id && this.#isWhole(id))
  }

  #isHeldBesides({ isr, elr = [] }: PartitionImage, those: readonly NodeId[]): boolean {
    return [...isr, ...elr].some(id => !those.includes(id) && this.#isWhole(id))
  }

  /** It runs, and is to the controller what it was: who died may be out of the ISR as soon as it registers. */
  #isWhole(id: NodeId): boolean {
    const node = this.#options.nodes[id - 1]
    return node?.isUp === true && !node.diedUncleanly && !node.hasFailingDisk
  }

  *#replicas(victim: SimNode) {
    for (const topic of this.#options.image().topicsById.values()) {
      for (const image of topic.partitions) {
        if (!image.replicas.includes(victim.id)) continue
        const directory = `logs/${topic.name}-${image.partition}`
        yield { directory, topicId: topic.id, image }
      }
    }
  }

  #noteRecords(victim: SimNode, path: string): void {
    for (const { directory, topicId, image } of this.#replicas(victim)) {
      if (!path.startsWith(`${directory}/`)) continue
      this.#badCopies.set(keyOf(topicId, image.partition), victim.id)
      this.#options.records(victim.id, topicId, image.partition)
    }
  }

  #partition(key: string): PartitionImage | undefined {
    const [topicId = '', partition] = key.split('/')
    return this.#options.image().topicsById.get(topicId)?.partitions[Number(partition)]
  }
}

const keyOf = (topicId: TopicId, partition: number): string => `${topicId}/${partition}`

function isOfKind(kind: FileKind, name: string): boolean {
  switch (kind) {
    case 'segment':
      return name.endsWith('.log')
    case 'index':
      return name.endsWith('index')
    case 'snapshot':
      return name.endsWith('.snapshot')
    default:
      return name === 'leader-epoch-checkpoint'
  }
}

/** Null: there is nothing to turn. */
function bitOf(kind: FileKind, content: Uint8Array, random: Prng): number | null {
  if (content.length === 0) return null
  if (kind === 'segment') return bitOfBatch(content, random)
  const byte = random.between(0, content.length - 1)
  const isText = kind === 'epochs' || kind === 'checkpoint'
  return byte * 8 + (isText ? 7 : random.between(0, 7))
}

function bitOfBatch(content: Uint8Array, random: Prng): number | null {
  const starts: number[] = []
  for (let at = 0; at + magicAt < content.length; at += batchSizeBytes(content, at)) {
    if (at + batchSizeBytes(content, at) > content.length) break
    starts.push(at)
  }
  if (starts.length === 0) return null
  const start = random.pick(starts)
  const end = start + batchSizeBytes(content, start)
  const inLength = random.chance(1, 10)
  const byte = inLength
    ? random.between(start + batchLengthAt, start + leaderEpochAt - 1)
    : random.between(start + magicAt, end - 1)
  return byte * 8 + random.between(0, 7)
}
