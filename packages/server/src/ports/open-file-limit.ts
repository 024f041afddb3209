import { readFileSync } from 'node:fs'

/** Segment files that a node keeps open where nothing is known of the limit, or it is as small as it gets (1,024). */
export const openSegmentFilesMin = 512
/** About 1 KiB of the kernel's memory each. */
const openSegmentFilesMax = 4096

/**
 * An eighth of what the process may have open: connections need theirs, and several nodes may share a process. With
 * more busy partitions than this, each append opens its file anew, which costs several times the write.
 */
export function openSegmentFiles(limit: number | null): number {
  if (limit === null) return openSegmentFilesMin
  return Math.max(openSegmentFilesMin, Math.min(Math.floor(limit / 8), openSegmentFilesMax))
}

/** Null: not known, as anywhere but on Linux. Node has raised the soft limit to the hard one when it started. */
export function openFileLimit(limitsFile = '/proc/self/limits'): number | null {
  try {
    const line = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync(limitsFile, 'utf8'))
    if (line === null) return null
    return line[1] === 'unlimited' ? Infinity : Number(line[1])
  } catch {
    return null
  }
}
