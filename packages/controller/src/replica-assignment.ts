import type { BrokerId } from '@trimaran/common'
import type { PartitionImage } from '@trimaran/metadata'

/**
 * Who holds a partition. During a reassignment `replicas` is the target, followed by those that leave once the target is in
 * sync. Adding: those that were not there before it began, whether they are to stay or, since the target changed on the
 * way, to leave again.
 */
export type ReplicaAssignment = Pick<
  PartitionImage,
  'replicas' | 'addingReplicas' | 'removingReplicas'
>

export const isReassigning = ({ addingReplicas, removingReplicas }: ReplicaAssignment): boolean =>
  addingReplicas.length + removingReplicas.length > 0

const without = (ids: readonly BrokerId[], others: readonly BrokerId[]): readonly BrokerId[] =>
  ids.filter(id => !others.includes(id))

/** Those from before the reassignment. */
export const originalReplicas = ({
  replicas,
  addingReplicas,
}: ReplicaAssignment): readonly BrokerId[] => without(replicas, addingReplicas)

/**
 * On the way to `target`. Nobody leaves before it is reached: whoever is there now may be the only one with all records,
 * those included that an earlier reassignment was adding.
 */
export function towards(
  current: ReplicaAssignment,
  target: readonly BrokerId[],
): ReplicaAssignment {
  const original = originalReplicas(current)
  const removingReplicas = without(current.replicas, target)
  const replicas = [...target, ...removingReplicas]
  return { replicas, addingReplicas: without(replicas, original), removingReplicas }
}

/** What it is now that everybody of the target is in sync; null while somebody is not, or nothing is under way. */
export function completed(
  assignment: ReplicaAssignment,
  isr: readonly BrokerId[],
): ReplicaAssignment | null {
  if (!isReassigning(assignment)) return null
  const target = without(assignment.replicas, assignment.removingReplicas)
  if (!target.every(id => isr.includes(id))) return null
  return { replicas: target, addingReplicas: [], removingReplicas: [] }
}
