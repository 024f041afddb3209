import type { Disk, Offset } from '@trimaran/common'
import { parseSegmentFileName, segmentFileName } from './file-names.ts'
import {
  decodeProducerSnapshot,
  encodeProducerSnapshot,
  type ProducerSnapshot,
  type Vouched,
} from './producer-snapshot.ts'
import type { ProducerStates } from './producer-state.ts'

function pathOf(directory: string, offset: Offset): string {
  return `${directory}/${segmentFileName(offset, 'snapshot')}`
}

/** null: none there, or damaged. */
export function readSnapshot(
  disk: Disk,
  directory: string,
  offset: Offset,
): ProducerSnapshot | null {
  const path = pathOf(directory, offset)
  return disk.exists(path) ? decodeProducerSnapshot(disk.readFile(path)) : null
}

/** No sync: a snapshot that power loss takes is rebuilt, and one that it tears fails its checksum. */
export function writeSnapshot(
  disk: Disk,
  target: { readonly directory: string; readonly offset: Offset },
  states: ProducerStates,
  vouched: Vouched,
): void {
  const file = disk.open(pathOf(target.directory, target.offset), { create: true })
  try {
    if (file.sizeBytes > 0) file.truncate(0)
    file.append([encodeProducerSnapshot(states, vouched)])
  } finally {
    file.close()
  }
}

/** Offsets of the snapshot files, newest first. */
export function snapshotOffsets(disk: Disk, directory: string): Offset[] {
  const offsets: Offset[] = []
  for (const name of disk.list(directory)) {
    const parsed = parseSegmentFileName(name)
    if (parsed?.kind === 'snapshot') offsets.push(parsed.baseOffset)
  }
  return offsets.reverse()
}

/**
 * Removes snapshots durably: one of a history that was cut off must not come back with a power loss and be believed.
 * Returns how many there were.
 */
export function removeSnapshots(
  disk: Disk,
  directory: string,
  isUnwanted: (offset: Offset) => boolean,
): number {
  let removedCount = 0
  for (const offset of snapshotOffsets(disk, directory)) {
    if (!isUnwanted(offset)) continue
    disk.removeFile(pathOf(directory, offset))
    removedCount++
  }
  if (removedCount > 0) disk.syncDirectory(directory)
  return removedCount
}
