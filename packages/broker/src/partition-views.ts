import type { BrokerId } from '@trimaran/common'
import type { Image, PartitionImage } from '@trimaran/metadata'
import { errorCodes } from '@trimaran/protocol'
import { endpointOf, isAlive } from './topics.ts'

/** What Metadata and DescribeTopicPartitions tell of every partition. */
export interface PartitionView {
  readonly errorCode: number
  readonly partitionIndex: number
  readonly leaderId: BrokerId
  readonly leaderEpoch: number
  readonly replicaNodes: readonly BrokerId[]
  readonly isrNodes: readonly BrokerId[]
  /** Down or not reachable on the client's listener, in assignment order. */
  readonly offlineReplicas: readonly BrokerId[]
}

/**
 * The partitions as a client sees them that came in on one listener. One answer tells of up to ten thousand: each broker is
 * looked at once, and so is each list of replicas, which equal partitions share.
 */
export class PartitionViews {
  readonly #image: Image
  readonly #listenerName: string
  readonly #states = new Map<BrokerId, 'reachable' | 'elsewhere' | 'down'>()
  readonly #offline = new Map<readonly BrokerId[], readonly BrokerId[]>()

  constructor(image: Image, listenerName: string) {
    this.#image = image
    this.#listenerName = listenerName
  }

  of({ partition, leader, leaderEpoch, replicas, isr }: PartitionImage): PartitionView {
    const state = this.#stateOf(leader)
    return {
      errorCode: errorOfLeader[state],
      partitionIndex: partition,
      leaderId: state === 'reachable' ? leader : -1,
      leaderEpoch,
      replicaNodes: replicas,
      isrNodes: isr,
      offlineReplicas: this.#offlineOf(replicas),
    }
  }

  #stateOf(id: BrokerId): 'reachable' | 'elsewhere' | 'down' {
    let state = this.#states.get(id)
    if (state === undefined) {
      const endpoint = endpointOf(this.#image.brokers.get(id), this.#listenerName)
      if (!isAlive(this.#image, id)) state = 'down'
      else state = endpoint === undefined ? 'elsewhere' : 'reachable'
      this.#states.set(id, state)
    }
    return state
  }

  #offlineOf(replicas: readonly BrokerId[]): readonly BrokerId[] {
    let offline = this.#offline.get(replicas)
    if (offline === undefined) {
      offline = replicas.filter(id => this.#stateOf(id) !== 'reachable')
      this.#offline.set(replicas, offline)
    }
    return offline
  }
}

const errorOfLeader = {
  reachable: errorCodes.NONE,
  elsewhere: errorCodes.LISTENER_NOT_FOUND,
  down: errorCodes.LEADER_NOT_AVAILABLE,
} as const
