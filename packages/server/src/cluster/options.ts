import type { LogLevel, NodeId } from '@trimaran/common'

export interface StartClusterOptions {
  /** Nodes, each broker and controller. 3 unless told otherwise. */
  readonly nodes?: number
  /** True unless told otherwise: nothing is written to a disk, everything is gone with `stop`. */
  readonly inMemory?: boolean
  /** With `inMemory: false`: where; each node has a directory of its own in it. */
  readonly directory?: string
  /** Ports for clients, one per node; any free ones unless told otherwise. */
  readonly ports?: readonly number[]
  /** Kafka's broker keys, for every node. */
  readonly config?: Readonly<Record<string, string>>
  readonly logLevel?: LogLevel | 'silent'
}

export interface NewTopicOptions {
  readonly name: string
  readonly partitions?: number
  readonly replicationFactor?: number
  readonly configs?: Readonly<Record<string, string>>
}

/** Two groups or more that do not hear each other, or who is not heard by whom. */
export interface OneWayCut {
  readonly from: readonly NodeId[]
  readonly to: readonly NodeId[]
}
