import type { LeaderEpoch, Offset } from '@trimaran/common'
import {
  type BatchHeader,
  batchSizeBytes,
  readBatchHeader,
  verifyBatchCrc,
} from '@trimaran/protocol'
import { corrupt, implausible } from './batch-scan.ts'
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
    const mayStartBefore = at === 0 && expected.startsAnywhereBefore
    const problem =
      implausible(records, at, {
        nextOffset: mayStartBefore ? 0 : nextOffset,
        roomBytes: records.length - at,
      }) ?? problemOf(records, at, { ...expected, nextOffset, latestEpoch })
    if (problem !== null) throw corrupt(`${expected.path} fetched from the leader`, problem, at)
    const header = readBatchHeader(records, at)
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

function problemOf(
  records: Uint8Array,
  at: number,
  expected: {
    readonly nextOffset: Offset
    readonly latestEpoch: LeaderEpoch
    readonly gapsAllowed: boolean
  },
): string | null {
  const header = readBatchHeader(records, at)
  if (header.lastOffset < expected.nextOffset) return 'batch below the log end'
  if (header.baseOffset > expected.nextOffset && !expected.gapsAllowed) return 'offsets missing'
  if (header.partitionLeaderEpoch >= 0 && header.partitionLeaderEpoch < expected.latestEpoch) {
    return `leader epoch ${header.partitionLeaderEpoch} after ${expected.latestEpoch}`
  }
  return verifyBatchCrc(records, at, batchSizeBytes(records, at)) ? null : 'checksum mismatch'
}
