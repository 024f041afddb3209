import { assert, concatBytes } from '@trimaran/common'
import type { NodeId, Offset } from '@trimaran/common'
import { noteLeaderAlive } from './following.ts'
import { snapshotBytesMax, snapshotHoldMaxMs } from './limits.ts'
import type { Message, SnapshotId } from './messages.ts'
import type { Snapshot } from './ports.ts'
import type { Quorum } from './quorum.ts'
import { noteContact } from './replication.ts'

/**
 * A snapshot on its way from leader to follower, pulled by position (KIP-630): length of the voter set as a 32-bit
 * big-endian number, the voter set, the state machine's bytes.
 */

type FetchSnapshotRequest = Extract<Message, { kind: 'fetchSnapshotRequest' }>
type FetchSnapshotResponse = Extract<Message, { kind: 'fetchSnapshotResponse' }>

/**
 * Only what is committed and applied, and only forward: a late call changes nothing. Neither does one while a replica fetches the
 * present snapshot: replaced more often than it can be fetched, it would never arrive.
 */
export function saveSnapshot(q: Quorum, state: Uint8Array, endOffset: Offset): void {
  if (endOffset > q.highWatermark || endOffset <= q.log.startOffset) return
  assert(state.length <= snapshotBytesMax / 2, 'a snapshot is small enough to be fetched')
  if (!isBeingFetched(q)) q.saveSnapshot(state, endOffset)
}

function isBeingFetched(q: Quorum): boolean {
  if (q.role.kind !== 'leader') return false
  for (const { downloadingSinceMs, lastFetchMs } of q.role.replicas.values()) {
    if (downloadingSinceMs === null || q.nowMs - lastFetchMs > q.config.fetchTimeoutMs) continue
    if (q.nowMs - downloadingSinceMs < snapshotHoldMaxMs) return true
  }
  return false
}

export function onFetchSnapshotRequest(
  q: Quorum,
  from: NodeId,
  request: FetchSnapshotRequest,
): void {
  const { role, snapshot } = q
  const { fetchId, snapshotId, position } = request
  const leads = role.kind === 'leader' && request.epoch === q.epoch
  const found = leads && snapshot !== null && sameId(snapshot.id, snapshotId)
  if (leads) {
    const replica = noteContact(q, role, from, null)
    if (found) replica.downloadingSinceMs ??= q.nowMs
  }
  q.send(from, {
    kind: 'fetchSnapshotResponse',
    fetchId,
    epoch: q.epoch,
    leaderId: q.vouchedLeaderId,
    found,
    snapshotId,
    position,
    sizeBytes: found ? transferBytes(snapshot) : 0,
    chunk: found ? chunkAt(snapshot, position, q.limits.snapshotChunkBytesMax) : new Uint8Array(0),
  })
}

export function onFetchSnapshotResponse(
  q: Quorum,
  from: NodeId,
  response: FetchSnapshotResponse,
): void {
  const { role } = q
  if (role.kind !== 'follower' || from !== role.leaderId || response.epoch !== q.epoch) return
  const { download } = role
  // Late and repeated chunks carry an older fetch id.
  if (download === null || response.fetchId !== role.fetchId) return
  noteLeaderAlive(q, role)
  const { chunk, position, sizeBytes } = response
  const fits =
    response.found &&
    sameId(response.snapshotId, download.id) &&
    position === download.position &&
    sizeBytes <= snapshotBytesMax &&
    position + chunk.length <= sizeBytes &&
    (chunk.length > 0 || position === sizeBytes)
  if (!fits) {
    // The leader has a newer one by now, or is not the one it was: its next answer to a fetch tells.
    role.download = null
    return
  }
  download.chunks.push(chunk)
  download.position += chunk.length
  if (download.position < sizeBytes) return
  role.download = null
  const snapshot = assemble(download.id, concatBytes(download.chunks))
  if (snapshot !== null && download.id.endOffset > q.highWatermark) q.installSnapshot(snapshot)
}

const sameId = (a: SnapshotId, b: SnapshotId): boolean =>
  a.endOffset === b.endOffset && a.epoch === b.epoch

const lengthBytes = 4

const transferBytes = ({ voters, state }: Snapshot): number =>
  lengthBytes + voters.length + state.length

/** The state, which may be large, is never copied whole. */
function chunkAt(snapshot: Snapshot, position: number, bytesMax: number): Uint8Array {
  const { voters, state } = snapshot
  const headBytes = lengthBytes + voters.length
  const end = Math.min(position + bytesMax, transferBytes(snapshot))
  const stateChunk = state.subarray(Math.max(0, position - headBytes), Math.max(0, end - headBytes))
  if (position >= headBytes) return stateChunk
  const head = new Uint8Array(headBytes)
  new DataView(head.buffer).setUint32(0, voters.length)
  head.set(voters, lengthBytes)
  return concatBytes([head.subarray(position, Math.min(end, headBytes)), stateChunk])
}

function assemble(id: SnapshotId, bytes: Uint8Array): Snapshot | null {
  if (bytes.length < lengthBytes) return null
  const votersBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  if (votersBytes > bytes.length - lengthBytes) return null
  return {
    id,
    voters: bytes.subarray(lengthBytes, lengthBytes + votersBytes),
    state: bytes.subarray(lengthBytes + votersBytes),
  }
}
