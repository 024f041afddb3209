import { controlMutations } from './control-mutations.ts'
import { groupMutations } from './group-mutations.ts'
import { logMutations } from './log-mutations.ts'
import type { Mutation } from './mutation.ts'
import { replicationMutations } from './replication-mutations.ts'

export const mutations = {
  ...replicationMutations,
  ...logMutations,
  ...controlMutations,
  ...groupMutations,
} as const satisfies Record<string, Mutation>

export type MutationName = keyof typeof mutations
export const isMutationName = (name: string): name is MutationName => Object.hasOwn(mutations, name)
