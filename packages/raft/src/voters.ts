import { ClusterError } from '@trimaran/common'
import type { NodeId, Offset, Uuid, Voter } from '@trimaran/common'
import type { VoterSet } from './messages.ts'

/**
 * Who the voters are, as the log says: a `voters` entry takes effect when appended and stops when truncated (KIP-853).
 * A voter is a node id with a directory id; a directory id that nobody has told yet matches any.
 */
export class VoterHistory {
  #base: VoterSet
  /** After the snapshot, rising offsets. */
  #changes: { readonly offset: Offset; readonly set: VoterSet }[] = []
  readonly #anyDisk: boolean

  constructor(base: VoterSet, anyDisk = false) {
    this.#base = base
    this.#anyDisk = anyDisk
  }

  get current(): readonly Voter[] {
    return this.currentSet.voters
  }

  get currentSet(): VoterSet {
    return this.#changes.at(-1)?.set ?? this.#base
  }

  /** The set that the last change replaced. */
  get formerSet(): VoterSet {
    return this.#changes.at(-2)?.set ?? this.#base
  }

  /** −1: none since the snapshot. */
  get lastChangeOffset(): Offset {
    return this.#changes.at(-1)?.offset ?? -1
  }

  /** The set in force for what lies below `endOffset`. */
  asOf(endOffset: Offset): VoterSet {
    return this.#changes.findLast(change => change.offset < endOffset)?.set ?? this.#base
  }

  append(offset: Offset, set: VoterSet): void {
    this.#changes.push({ offset, set })
  }

  truncate(offset: Offset): void {
    while ((this.#changes.at(-1)?.offset ?? -1) >= offset) this.#changes.pop()
  }

  dropPrefix(endOffset: Offset): void {
    this.#base = this.asOf(endOffset)
    this.#changes = this.#changes.filter(change => change.offset >= endOffset)
  }

  restart(base: VoterSet): void {
    this.#base = base
    this.#changes = []
  }

  /** A null `directoryId` is one that is not known here. */
  has(nodeId: NodeId, directoryId: Uuid | null): boolean {
    return this.#names(this.current, nodeId, directoryId)
  }

  /** As `has`, before the last change. */
  had(nodeId: NodeId, directoryId: Uuid | null): boolean {
    return this.#names(this.formerSet.voters, nodeId, directoryId)
  }

  #names(voters: readonly Voter[], nodeId: NodeId, directoryId: Uuid | null): boolean {
    const voter = voters.find(each => each.nodeId === nodeId)
    if (voter === undefined) return false
    if (this.#anyDisk) return true
    return voter.directoryId === null || directoryId === null || voter.directoryId === directoryId
  }
}

export const noVoters: VoterSet = Object.freeze({ voters: [], lost: [] })

/**
 * JSON in ASCII: equal sets have equal bytes, since keys and voters are written in one order, and a dump of the store can be
 * read by eye. `lost` is there only where somebody is.
 */
export function encodeVoters({ voters, lost }: VoterSet): Uint8Array {
  return encodeJson({ voters: inOrder(voters), ...(lost.length > 0 && { lost: inOrder(lost) }) })
}

const inOrder = (voters: readonly Voter[]): readonly Voter[] =>
  [...voters]
    .sort((a, b) => a.nodeId - b.nodeId)
    .map(({ nodeId, directoryId, host, port }) => ({ nodeId, directoryId, host, port }))

/** Throws ClusterError CORRUPT if the bytes are no voter set. */
export function decodeVoters(bytes: Uint8Array): VoterSet {
  const decoded = decodeJson(bytes)
  const { voters, lost = [] } = isObject(decoded) ? decoded : {}
  if (!isVoters(voters) || !isVoters(lost)) {
    throw new ClusterError('CORRUPT', 'a voter set of the metadata log cannot be read')
  }
  return { voters, lost }
}

const isVoters = (value: unknown): value is readonly Voter[] =>
  Array.isArray(value) && value.every(isVoter)

/** For people who read a dump: the quorum itself needs only the entry's epoch. */
export const encodeLeaderChange = (leaderId: NodeId): Uint8Array => encodeJson({ leaderId })

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

const isVoter = (value: unknown): value is Voter =>
  isObject(value) &&
  Number.isSafeInteger(value['nodeId']) &&
  (value['directoryId'] === null || typeof value['directoryId'] === 'string') &&
  typeof value['host'] === 'string' &&
  Number.isSafeInteger(value['port'])

function encodeJson(value: unknown): Uint8Array {
  let ascii = ''
  for (const unit of JSON.stringify(value).split('')) {
    const code = unit.charCodeAt(0)
    ascii += code < 0x80 ? unit : `\\u${code.toString(16).padStart(4, '0')}`
  }
  return Uint8Array.from(ascii, unit => unit.charCodeAt(0))
}

function decodeJson(bytes: Uint8Array): unknown {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ClusterError('CORRUPT', 'a control entry of the metadata log is not JSON', { cause })
  }
}
