import { checkAbortedReads } from './aborted-read.ts'
import { checkCommittedOffsets } from './committed-offsets.ts'
import { checkDuplicates } from './duplicate.ts'
import { checkEndOffsets } from './end-offsets.ts'
import { checkGroupOwnership } from './group-ownership.ts'
import type { History } from './history.ts'
import { checkInconsistentOffsets } from './inconsistent-offsets.ts'
import { checkLostWrites } from './lost-write.ts'
import { checkPollOrder } from './nonmonotonic-poll.ts'
import { checkRealtimeOrder } from './realtime-inversion.ts'

/** Everything that can be said of a history without looking into the cluster. Throws the first Violation. */
export function checkHistory(history: History): void {
  checkLostWrites(history)
  checkInconsistentOffsets(history)
  checkDuplicates(history)
  checkAbortedReads(history)
  checkPollOrder(history)
  checkRealtimeOrder(history)
  checkEndOffsets(history)
  checkGroupOwnership(history)
  checkCommittedOffsets(history)
}
