/** What a node says about itself at /status: plain JSON, for the CLI, for tests and for eyes. */
export interface NodeStatus {
  readonly nodeId: number
  readonly clusterId: string
  readonly roles: readonly ('broker' | 'controller')[]
  /** The active controller as this node knows it; −1: none. */
  readonly controllerId: number
  readonly quorum: {
    readonly role: string
    readonly epoch: number
    readonly highWatermark: number
    readonly logEndOffset: number
    readonly voters: readonly number[]
  }
  /** End of the metadata that this node has applied. */
  readonly metadataOffset: number
  /** Null on a node that is controller only. */
  readonly broker: {
    /** NOT_RUNNING, STARTING, RECOVERY, RUNNING, PENDING_CONTROLLED_SHUTDOWN, SHUTTING_DOWN; RUNNING means unfenced. */
    readonly state: string
    readonly epoch: number
    readonly fenced: boolean
  } | null
  /** The cluster's brokers as this node's metadata has them. */
  readonly brokers: readonly {
    readonly id: number
    readonly host: string
    readonly port: number
    readonly rack: string | null
    readonly fenced: boolean
    readonly inControlledShutdown: boolean
  }[]
  /** Every partition of the cluster as this node's metadata has it; offsets of those this node hosts. */
  readonly partitions: readonly {
    readonly topic: string
    readonly topicId: string
    readonly partition: number
    readonly leader: number
    readonly leaderEpoch: number
    readonly replicas: readonly number[]
    readonly isr: readonly number[]
    /** Null where this node is no replica. */
    readonly local: {
      readonly role: 'leader' | 'follower' | 'offline'
      readonly logStartOffset: number
      readonly highWatermark: number
      readonly logEndOffset: number
      readonly sizeBytes: number
    } | null
  }[]
}
