import type { History, PartitionName } from './history.ts'

/** A promise that was not kept, and what to look for in the history to see it. */
export interface Anomaly {
  /** Of the table in test-cluster/README.md. */
  readonly id: string
  readonly name: AnomalyName
  readonly what: string
  readonly partition: PartitionName
  readonly values: readonly number[]
  readonly offsets: readonly number[]
}

/** As in Jepsen's Kafka workload where it has a name for it. */
export type AnomalyName =
  | 'lost-write'
  | 'unseen'
  | 'duplicate'
  | 'inconsistent-offsets'
  | 'aborted-read'
  | 'nonmonotonic-poll'
  | 'poll-skip'
  | 'int-nonmonotonic-poll'
  | 'int-poll-skip'
  | 'nonmonotonic-send'
  | 'int-nonmonotonic-send'
  | 'int-send-skip'
  | 'precommitted-read'
  | 'torn-transaction'
  | 'G0'
  | 'G1c'
  | 'G1c-process'
  | 'G1c-realtime'
  | 'realtime-inversion'
  | 'end-goes-back'
  | 'start-goes-back'
  | 'two-owners'
  | 'older-generation'
  | 'lost-commit'

/** Goes through a history and tells every place where one promise was not kept. */
export type Finder = (history: History) => Iterable<Anomaly>
