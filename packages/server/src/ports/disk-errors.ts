import { ClusterError } from '@trimaran/common'

const noRoom = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/**
 * What the file system said, as one of the two things that matter. After DISK_FAILED nothing on the device is to be
 * believed: a second fsync may report success for pages that the first one lost.
 */
export function diskError(doing: string, path: string, cause: unknown): ClusterError {
  const error = cause as NodeJS.ErrnoException
  const code = noRoom.has(error.code ?? '') ? 'DISK_FULL' : 'DISK_FAILED'
  return new ClusterError(code, `${doing} ${path}: ${error.code ?? ''} ${error.message}`, { cause })
}
