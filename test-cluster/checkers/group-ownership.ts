import type { History } from './history.ts'
import { violated } from './violation.ts'

/** G1, G2: in one generation a partition has one owner; a member never gets an older generation than before. */
export function checkGroupOwnership(history: History): void {
  const owners = new Map<string, string>()
  const generations = new Map<string, number>()
  for (const { group, generation, memberId, partitions } of history.assignments) {
    const member = `${group} ${memberId}`
    const before = generations.get(member) ?? -1
    if (generation < before) violated('G2', `${member} goes back to generation ${generation}`)
    generations.set(member, generation)
    for (const partition of partitions) {
      const key = `${group} ${generation} ${partition}`
      const owner = owners.get(key) ?? memberId
      if (owner !== memberId) {
        violated(
          'G1',
          `${partition} belongs to ${owner} and ${memberId} in generation ${generation}`,
        )
      }
      owners.set(key, memberId)
    }
  }
}
