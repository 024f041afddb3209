import type { LeaderEpoch, Offset } from '@trimaran/common'
import { type BatchHeader, verifyBatchCrc } from '@trimaran/protocol'
import { corrupt, plausibleHeader } from './batch-scan.ts'
import { readMarker } from './control-batch.ts'
import type { TransactionMarker } from './producer-state.ts'

export interface FollowerBatch {
  readonly header: BatchHeader
  readonly at: number
  readonly marker: TransactionMarker | null
}

/**
 * Everything that is checked before a follower writes what its leader sent: whole batches, checksums, offsets that
 * follow on the log's end, epochs that never go back.
 * @throws ClusterError CORRUPT
 */
export function readFollowerBatches(
  records: Uint8Array,
  expected: {
    readonly path: string
    readonly nextOffset: Offset
    readonly latestEpoch: LeaderEpoch
    /** The first batch may begin below `nextOffset`, if it reaches it. */
    readonly startsAnywhereBefore: boolean
    readonly gapsAllowed: boolean
  },
): FollowerBatch[] {
  const batches: FollowerBatch[] = []
  let { nextOffset, latestEpoch } = expected
  let at = 0
  while (at < records.length) {
    const header = nextBatch(records, at, { ...expected, nextOffset, latestEpoch })
    if (typeof header === 'string')
      throw corrupt(`${expected.path} fetched from the leader`, header, at)
    const end = at + header.sizeBytes
    batches.push({
      header,
      at,
      marker: header.isControl ? readMarker(records.subarray(at, end)) : null,
    })
    nextOffset = header.lastOffset + 1
    latestEpoch = Math.max(latestEpoch, header.partitionLeaderEpoch)
    at = end
  }
  return batches
}

/** The header of the next batch; what is wrong with it, if something is. */
function nextBatch(
  records: Uint8Array,
  at: number,
  expected: {
    readonly nextOffset: Offset
    readonly latestEpoch: LeaderEpoch
    readonly startsAnywhereBefore: boolean
    readonly gapsAllowed: boolean
  },
): BatchHeader | string {
  const { nextOffset, latestEpoch } = expected
  const header = plausibleHeader(records, at, {
    nextOffset: at === 0 && expected.startsAnywhereBefore ? 0 : nextOffset,
    roomBytes: records.length - at,
  })
  if (typeof header === 'string') return header
  if (header.lastOffset < nextOffset) return 'batch below the log end'
  if (header.baseOffset > nextOffset && !expected.gapsAllowed) return 'offsets missing'
  if (header.partitionLeaderEpoch >= 0 && header.partitionLeaderEpoch < latestEpoch) {
    return `leader epoch ${header.partitionLeaderEpoch} after ${latestEpoch}`
  }
  return verifyBatchCrc(records, at, header.sizeBytes) ? header : 'checksum mismatch'
}
