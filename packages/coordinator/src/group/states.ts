/** The states of a classic group, with the names that tools print. */
export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead'

/**
 * Which states may come before each.
 *
 * - Empty: no members; perhaps offsets.
 * - PreparingRebalance: waits for members to join.
 * - CompletingRebalance: the generation has begun; waits for the leader's assignment.
 * - Stable: everyone has an assignment.
 * - Dead: unloaded or removed; nothing is answered from it.
 */
export const legalPreviousStates: Readonly<Record<GroupState, ReadonlySet<GroupState>>> =
  Object.freeze({
    Empty: new Set<GroupState>(['PreparingRebalance']),
    PreparingRebalance: new Set<GroupState>(['Stable', 'CompletingRebalance', 'Empty']),
    CompletingRebalance: new Set<GroupState>(['PreparingRebalance']),
    Stable: new Set<GroupState>(['CompletingRebalance']),
    Dead: new Set<GroupState>([
      'Empty',
      'PreparingRebalance',
      'CompletingRebalance',
      'Stable',
      'Dead',
    ]),
  })
