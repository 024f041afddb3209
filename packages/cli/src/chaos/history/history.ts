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
  /** Of `transactions`, by its id. */
  readonly transaction?: number
}

export interface Poll {
  readonly process: string
  readonly partition: PartitionName
  /** Polls of one stream follow each other; a seek begins another. */
  readonly stream: string
  readonly invokedAt: number
  readonly endedAt: number
  readonly records: readonly { readonly offset: number; readonly value: number }[]
  /** What its offsets are committed with. */
  readonly transaction?: number
}

export interface Transaction {
  readonly id: number
  readonly process: string
  readonly invokedAt: number
  endedAt: number
  /** `failed`: aborted. */
  status: 'open' | 'acked' | 'failed' | 'unknown'
}

export interface EndOffset {
  readonly process: string
  readonly partition: PartitionName
  readonly leaderEpoch: number
  readonly offset: number
  readonly invokedAt: number
  readonly endedAt: number
}

/** DeleteRecords of one partition. */
export interface Deletion {
  readonly process: string
  readonly partition: PartitionName
  /** Everything below it goes; -1: all that is committed when the leader is asked. */
  readonly offset: number
  readonly invokedAt: number
  endedAt: number
  /** `failed`: definitely not done. */
  status: 'open' | 'acked' | 'failed' | 'unknown'
  /** What it was answered: all replicas begin there, or later; -1: not told. */
  lowWatermark: number
}

/** Where a partition begins, as its leader told it. */
export interface LogStart {
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

/** What was done to the cluster, and when: no promise depends on it, but people want to see it between the operations. */
export interface Fault {
  readonly what: string
  /** -1: the whole cluster. */
  readonly node: number
  readonly at: number
  /** False: it takes a fault back, as `start` and `resume` do. */
  readonly harms: boolean
}

export class History {
  readonly sends: Send[] = []
  readonly polls: Poll[] = []
  readonly endOffsets: EndOffset[] = []
  readonly deletions: Deletion[] = []
  readonly logStarts: LogStart[] = []
  readonly assignments: Assignment[] = []
  readonly commits: OffsetCommit[] = []
  readonly offsetFetches: OffsetFetch[] = []
  readonly transactions: Transaction[] = []
  readonly faults: Fault[] = []
  /** Deleted while the history was recorded: what was in them may be gone. */
  readonly deleted = new Set<PartitionName>()
  /** Partitions that were read to their end after everything else was over. */
  readonly finallyRead = new Set<PartitionName>()
  /** The stream that did so, if it is known: what others had read before may be gone again. */
  readonly finalStreams = new Map<PartitionName, string>()
}

/**
 * All that was ever seen in a partition: which values at which offset, by acknowledgements and by polls. Nearly every offset
 * has one value and every value one offset, so only those that have more cost a set.
 */
export class SeenLog {
  readonly #valueByOffset = new Map<number, number>()
  readonly #offsetByValue = new Map<number, number>()
  #offsets: Float64Array | null = null
  /** Offsets with more than one value. */
  readonly contested = new Map<number, Set<number>>()
  /** Values at more than one offset. */
  readonly repeated = new Map<number, Set<number>>()
  /** By the stream that read the partition to its end; by any, where nobody says which one did. */
  readonly polled = new Set<number>()
  /** Behind the last that was read. */
  polledEnd = 0
  /** What lies below may be gone, because somebody wanted it so or the leader said that it is. */
  deletedBelow = 0

  add(offset: number, value: number): void {
    noteOne(this.#valueByOffset, this.contested, offset, value)
    noteOne(this.#offsetByValue, this.repeated, value, offset)
    this.#offsets = null
  }

  /** The first that it was seen at. */
  offsetOf(value: number): number | undefined {
    return this.#offsetByValue.get(value)
  }

  /** Something was seen between the two. */
  knowsBetween(from: number, to: number): boolean {
    const offsets = this.#sorted()
    let low = 0
    let high = offsets.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((offsets[middle] as number) <= from) low = middle + 1
      else high = middle
    }
    return (offsets[low] ?? to) < to
  }

  *inOrder(): Generator<number> {
    for (const offset of this.#sorted()) yield this.#valueByOffset.get(offset) as number
  }

  #sorted(): Float64Array {
    this.#offsets ??= Float64Array.from(this.#valueByOffset.keys()).sort()
    return this.#offsets
  }
}

function noteOne(
  first: Map<number, number>,
  more: Map<number, Set<number>>,
  key: number,
  found: number,
): void {
  const known = first.get(key)
  if (known === undefined) first.set(key, found)
  else if (known !== found) more.set(key, (more.get(key) ?? new Set([known])).add(found))
}

export function readsByValue({ polls }: History): ReadonlySet<number> {
  const read = new Set<number>()
  for (const { records } of polls) for (const { value } of records) read.add(value)
  return read
}

/** Of the records: an aborted transaction takes what was acknowledged back. */
export function statusIn(
  transactions: ReadonlyMap<number, Transaction>,
  { status, transaction }: Send,
): Send['status'] {
  const whole = transaction === undefined ? undefined : transactions.get(transaction)?.status
  return whole === undefined || status === 'failed' ? status : whole === 'acked' ? status : whole
}

export const transactionsById = ({ transactions }: History): ReadonlyMap<number, Transaction> =>
  new Map(transactions.map(transaction => [transaction.id, transaction]))

export function seenLogs(history: History): Map<PartitionName, SeenLog> {
  const logs = new Map<PartitionName, SeenLog>()
  const logOf = (partition: PartitionName): SeenLog => {
    const known = logs.get(partition)
    if (known) return known
    const log = new SeenLog()
    logs.set(partition, log)
    return log
  }
  for (const { partition, stream, records } of history.polls) {
    const log = logOf(partition)
    const isFinal = (history.finalStreams.get(partition) ?? stream) === stream
    for (const { offset, value } of records) {
      log.add(offset, value)
      if (isFinal) log.polled.add(value)
      log.polledEnd = Math.max(log.polledEnd, offset + 1)
    }
  }
  const transactions = transactionsById(history)
  for (const send of history.sends) {
    const { partition, values, baseOffset, acks } = send
    // What only a leader had may be taken back, and another record stored in its place; what was aborted nobody is shown.
    if (statusIn(transactions, send) !== 'acked' || baseOffset < 0 || acks !== -1) continue
    values.forEach((value, at) => logOf(partition).add(baseOffset + at, value))
  }
  for (const deletion of history.deletions) noteDeleted(logOf(deletion.partition), endOf(deletion))
  for (const { partition, offset } of history.logStarts) noteDeleted(logOf(partition), offset)
  return logs
}

function noteDeleted(log: SeenLog, below: number): void {
  log.deletedBelow = Math.max(log.deletedBelow, below)
}

/** What a deletion may have deleted, at most. */
function endOf({ offset, status, lowWatermark }: Deletion): number {
  if (status === 'failed') return 0
  if (offset >= 0) return offset
  return status === 'acked' ? lowWatermark : Infinity
}
