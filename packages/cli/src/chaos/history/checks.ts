import { abortedReads } from './aborted-read.ts'
import type { Anomaly } from './anomaly.ts'
import { lostCommits } from './committed-offsets.ts'
import { readCycles } from './cycles.ts'
import { duplicates } from './duplicate.ts'
import { endsThatGoBack } from './end-offsets.ts'
import { groupAnomalies } from './group-ownership.ts'
import { logStartsThatGoBack } from './log-starts.ts'
import { seenLogs } from './history.ts'
import type { History } from './history.ts'
import { inconsistentOffsets } from './inconsistent-offsets.ts'
import { lostWrites, type LostWriteOptions } from './lost-write.ts'
import { pollsOutOfOrder } from './nonmonotonic-poll.ts'
import { realtimeInversions } from './realtime-inversion.ts'
import { sendsOutOfOrder } from './send-order.ts'
import { brokenTransactions } from './transactions.ts'

/** Everything that can be said of a history without looking into the cluster, one anomaly after the other. */
export function* findAnomalies(history: History, options?: LostWriteOptions): Generator<Anomaly> {
  const logs = seenLogs(history)
  yield* lostWrites(history, logs, options)
  yield* inconsistentOffsets(history, logs)
  yield* duplicates(history, logs)
  yield* abortedReads(history)
  yield* pollsOutOfOrder(history, logs)
  yield* sendsOutOfOrder(history, logs)
  yield* realtimeInversions(history)
  yield* brokenTransactions(history)
  yield* readCycles(history)
  yield* endsThatGoBack(history)
  yield* logStartsThatGoBack(history)
  yield* groupAnomalies(history)
  yield* lostCommits(history)
}
