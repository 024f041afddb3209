import type { NodeId } from '@trimaran/common'
import { Deletion } from './log-starts.ts'
import type { Cluster } from './log-starts.ts'
import type { ReplicatedLogs } from './replicated-logs.ts'
import type { StoredBatch } from './committed-log.ts'
import { violated } from './violation.ts'

/**
 * Looks at what clients are told the moment they are told it.
 *
 * P1: what acks=all acknowledges is committed, with these values at that offset. P12, P13: what a consumer reads is
 * committed, so it never changes. P14: see LogStarts. I6: a producer id is given once.
 */
export class ToldClients {
  readonly #logs: ReplicatedLogs
  readonly #producerIds = new Set<number>()

  readonly #cluster: () => Cluster

  constructor(logs: ReplicatedLogs, cluster: () => Cluster) {
    this.#logs = logs
    this.#cluster = cluster
  }

  acked(told: {
    readonly topicId: string
    readonly partition: number
    readonly baseOffset: number
    readonly values: readonly number[]
    readonly acks: number
  }): void {
    const { topicId, partition, baseOffset, values, acks } = told
    const log = this.#logs.log(topicId, partition)
    const holds = (batch: StoredBatch | undefined): boolean =>
      batch?.values?.length === values.length &&
      batch.values.every((value, at) => value === values[at])
    if (acks === -1 && holds(log?.committedAt(baseOffset))) return
    if (acks !== -1 && log?.storedAt(baseOffset).some(holds) === true) return
    const what = acks === -1 ? 'committed' : 'stored'
    violated(
      'P1',
      `${values.join(' ')} are acknowledged at ${log?.name ?? topicId}@${baseOffset} and not ${what} there`,
    )
  }

  read(told: {
    readonly topicId: string
    readonly partition: number
    readonly offset: number
    readonly value: number
  }): void {
    const { topicId, partition, offset, value } = told
    const log = this.#logs.log(topicId, partition)
    if (log?.values[offset] === value) return
    violated(
      'P12',
      `${value} is read at ${log?.name}@${offset}, where ${log?.values[offset]} is committed (to ${log?.end})`,
    )
  }

  /** Below it nothing has to be there any more. */
  mayBeginAt(topicId: string, partition: number): number {
    return this.#logs.log(topicId, partition)?.mayBeginAt ?? 0
  }

  /** A leader says that the partition begins here. */
  logStart(topicId: string, partition: number, offset: number): void {
    const log = this.#logs.log(topicId, partition)
    if (log === undefined || offset <= log.mayBeginAt) return
    violated('P14', `${log.name} is said to begin at ${offset}; it may do so at ${log.mayBeginAt}`)
  }

  /** Somebody sends a DeleteRecords to a node. Null: of a partition that nobody has yet. */
  deleting(topicId: string, partition: number, offset: number, to: NodeId): Deletion | null {
    const log = this.#logs.log(topicId, partition)
    return log === undefined ? null : new Deletion(log, this.#cluster, { offset, to })
  }

  producerId(producerId: number): void {
    if (this.#producerIds.has(producerId))
      violated('I6', `producer id ${producerId} is given twice`)
    this.#producerIds.add(producerId)
  }
}
