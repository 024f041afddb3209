import { noLeader } from '@trimaran/common'
import type { PartitionImage } from './image-types.ts'
import { isLegal, legalPaths, type TransitionTable } from './transitions.ts'

export type PartitionState =
  | 'nonExistent'
  /** Assigned, but never had a leader: no in-sync replica yet. */
  | 'new'
  /** Has a leader. */
  | 'online'
  /** Had a leader; none of the replicas that may lead is up. */
  | 'offline'

/** The 8 legal transitions of Kafka's PartitionStateMachine (kafka.controller, up to 3.x). */
export const partitionTransitions: TransitionTable<PartitionState> = Object.freeze({
  new: Object.freeze(['nonExistent'] as const),
  online: Object.freeze(['new', 'online', 'offline'] as const),
  offline: Object.freeze(['new', 'online', 'offline'] as const),
  nonExistent: Object.freeze(['offline'] as const),
})

export const isLegalPartitionTransition = (from: PartitionState, to: PartitionState): boolean =>
  isLegal(partitionTransitions, from, to)

/** The hops between two states that records imply; throws AssertionError when there is no legal way. */
export const partitionPath: (
  from: PartitionState,
  to: PartitionState,
) => readonly PartitionState[] = legalPaths(partitionTransitions, 'nonExistent')

export function partitionStateOf(partition: PartitionImage | undefined): PartitionState {
  if (partition === undefined) return 'nonExistent'
  if (partition.leader !== noLeader) return 'online'
  return partition.isr.length === 0 ? 'new' : 'offline'
}
