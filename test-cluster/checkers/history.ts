/**
 * What clients did and were told, and nothing else: the anomalies are computed from it alone, so it can be recorded from
 * simulated clients and from real ones. Times are any clock that all clients share.
 */

/** `topicId/partition`, or any name that is never used for another log. */
export type PartitionName = string

export interface Send {
  readonly process: string
  readonly partition: PartitionName
  /** Unique in the whole history, in the order within the batch. */
  readonly values: readonly number[]
  readonly acks: -1 | 0 | 1
  /** Never sent twice, or sent again with the same sequence numbers: no value may be stored twice. */
  readonly atMostOnce: boolean
  readonly invokedAt: number
  endedAt: number
  /** `failed`: definitely not written. `unknown`: no answer, or one that leaves it open. */
  status: 'open' | 'acked' | 'failed' | 'unknown'
  /** Of the first value; -1: not told. */
  baseOffset: number
}

export interface Poll {
  readonly process: string
  readonly partition: PartitionName
  /** Polls of one stream follow each other; a seek begins another. */
  readonly stream: string
  readonly invokedAt: number
  readonly endedAt: number
  readonly records: readonly { readonly offset: number; readonly value: number }[]
}

export interface EndOffset {
  readonly process: string
  readonly partition: PartitionName
  readonly leaderEpoch: number
  readonly offset: number
  readonly invokedAt: number
  readonly endedAt: number
}

export interface Assignment {
  readonly process: string
  readonly group: string
  readonly generation: number
  readonly memberId: string
  readonly partitions: readonly PartitionName[]
  readonly at: number
}

export interface OffsetCommit {
  readonly process: string
  readonly group: string
  readonly partition: PartitionName
  readonly offset: number
  readonly generation: number
  readonly invokedAt: number
  endedAt: number
  status: 'open' | 'acked' | 'failed' | 'unknown'
}

export interface OffsetFetch {
  readonly process: string
  readonly group: string
  readonly partition: PartitionName
  /** -1: none committed. */
  readonly offset: number
  readonly invokedAt: number
  readonly endedAt: number
}

export class History {
  readonly sends: Send[] = []
  readonly polls: Poll[] = []
  readonly endOffsets: EndOffset[] = []
  readonly assignments: Assignment[] = []
  readonly commits: OffsetCommit[] = []
  readonly offsetFetches: OffsetFetch[] = []
  /** Deleted while the history was recorded: what was in them may be gone. */
  readonly deleted = new Set<PartitionName>()
  /** Partitions that were read to their end after everything else was over. */
  readonly finallyRead = new Set<PartitionName>()
}

/** All that was ever seen in a partition: which values at which offset, by acknowledgements and by polls. */
export class SeenLog {
  readonly valuesByOffset = new Map<number, Set<number>>()
  readonly offsetsByValue = new Map<number, Set<number>>()
  readonly polled = new Set<number>()

  add(offset: number, value: number): void {
    const values = this.valuesByOffset.get(offset) ?? new Set()
    this.valuesByOffset.set(offset, values.add(value))
    const offsets = this.offsetsByValue.get(value) ?? new Set()
    this.offsetsByValue.set(value, offsets.add(offset))
  }
}

export function seenLogs(history: History): Map<PartitionName, SeenLog> {
  const logs = new Map<PartitionName, SeenLog>()
  const logOf = (partition: PartitionName): SeenLog => {
    const known = logs.get(partition)
    if (known) return known
    const log = new SeenLog()
    logs.set(partition, log)
    return log
  }
  for (const { partition, records } of history.polls) {
    const log = logOf(partition)
    for (const { offset, value } of records) {
      log.add(offset, value)
      log.polled.add(value)
    }
  }
  for (const { partition, values, baseOffset, status, acks } of history.sends) {
    // What only a leader had may be taken back, and another record stored in its place.
    if (status !== 'acked' || baseOffset < 0 || acks !== -1) continue
    values.forEach((value, at) => logOf(partition).add(baseOffset + at, value))
  }
  return logs
}
