import { ClusterError } from '@trimaran/common'
import type { Offset } from '@trimaran/common'
import { crc32c } from '@trimaran/protocol'
import type { DurableVote, Entry, SnapshotId } from '@trimaran/raft'

/**
 * The stored form of the quorum's state. LevelDB hides some corruption (a damaged block of its write-ahead log is
 * skipped without an error), so every value proves itself: entries are a chain of checksums, and one `state` value,
 * rewritten by every write, says where the chain begins and ends.
 *
 *   entry  = crc u32 │ crc of the entry before u32 │ offset u64 │ epoch u32 │ kind u8 │ payload
 *   state  = crc u32 │ JSON of StoredState
 */
export interface StoredState {
  /** Counts the writes. The marker beside the database holds one that is known to be durable. */
  readonly sequence: number
  readonly vote: DurableVote
  readonly logStartOffset: Offset
  /** Checksum that the first entry of the log names as the one before it. */
  readonly startCrc: number
  readonly endOffset: Offset
  readonly endCrc: number
  readonly snapshot: StoredSnapshotId | null
}
export interface StoredSnapshotId {
  readonly id: SnapshotId
  /** Where its chunks are: `p/<generation>/<chunk>`. */
  readonly generation: number
  readonly votersBytes: number
  readonly stateBytes: number
  readonly chunkCount: number
  /** Over voters and state. */
  readonly crc: number
}

export const emptyStoredState: StoredState = {
  sequence: 0,
  vote: { epoch: 0, votedFor: null, led: false },
  logStartOffset: 0,
  startCrc: 0,
  endOffset: 0,
  endCrc: 0,
  snapshot: null,
}

const ENTRY_OVERHEAD_BYTES = 21
const kinds: readonly Entry['kind'][] = ['data', 'leaderChange', 'voters']

export interface ChainedEntry {
  readonly offset: Offset
  readonly previousCrc: number
  readonly entry: Entry
}

export function encodeEntry({ offset, previousCrc, entry }: ChainedEntry): {
  bytes: Buffer
  crc: number
} {
  const bytes = Buffer.allocUnsafeSlow(ENTRY_OVERHEAD_BYTES + entry.payload.length)
  bytes.writeUInt32BE(previousCrc, 4)
  bytes.writeUInt32BE(Math.floor(offset / 2 ** 32), 8)
  bytes.writeUInt32BE(offset % 2 ** 32, 12)
  bytes.writeUInt32BE(entry.epoch, 16)
  bytes.writeUInt8(kinds.indexOf(entry.kind), 20)
  bytes.set(entry.payload, ENTRY_OVERHEAD_BYTES)
  const crc = crc32c(bytes, 4, bytes.length)
  bytes.writeUInt32BE(crc, 0)
  return { bytes, crc }
}

/** Throws CORRUPT unless the value is exactly the entry at `offset` whose predecessor has `previousCrc`. */
export function decodeEntry(
  bytes: Buffer,
  offset: Offset,
  previousCrc: number,
): { entry: Entry; crc: number } {
  if (bytes.length < ENTRY_OVERHEAD_BYTES) throw corrupt(`entry ${offset} is cut short`)
  const crc = bytes.readUInt32BE(0)
  if (crc !== crc32c(bytes, 4, bytes.length)) throw corrupt(`entry ${offset} has a wrong checksum`)
  const storedOffset = bytes.readUInt32BE(8) * 2 ** 32 + bytes.readUInt32BE(12)
  if (storedOffset !== offset) throw corrupt(`entry ${offset} says that it is ${storedOffset}`)
  if (bytes.readUInt32BE(4) !== previousCrc) throw corrupt(`entry ${offset} follows another entry`)
  const kind = kinds[bytes.readUInt8(20)]
  if (kind === undefined) throw corrupt(`entry ${offset} is of no known kind`)
  return {
    entry: { epoch: bytes.readUInt32BE(16), kind, payload: bytes.subarray(ENTRY_OVERHEAD_BYTES) },
    crc,
  }
}

export function encodeState(state: StoredState): Buffer {
  return withCrc(Buffer.from(JSON.stringify(state)))
}

export function decodeState(bytes: Buffer): StoredState {
  return JSON.parse(checked(bytes, 'state').toString()) as StoredState
}

export function withCrc(content: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(4 + content.length)
  bytes.writeUInt32BE(crc32c(content, 0, content.length), 0)
  bytes.set(content, 4)
  return bytes
}

export function checked(bytes: Buffer, what: string): Buffer {
  if (bytes.length < 4 || bytes.readUInt32BE(0) !== crc32c(bytes, 4, bytes.length)) {
    throw corrupt(`${what} has a wrong checksum`)
  }
  return bytes.subarray(4)
}

const advice =
  'the quorum log on this disk cannot be trusted. Do not copy it and do not repair it: stop this node, move its ' +
  'metadata directory aside and start it empty while a majority of the other voters runs; it fetches the log from them'

export const corrupt = (what: string, cause?: unknown): ClusterError =>
  new ClusterError('CORRUPT', `${what}: ${advice}`, { cause })
