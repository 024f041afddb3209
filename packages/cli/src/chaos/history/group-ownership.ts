import type { Anomaly } from './anomaly.ts'
import type { History } from './history.ts'

/** G1, G2: in one generation a partition has one owner; a member never gets an older generation than before. */
export function* groupAnomalies(history: History): Generator<Anomaly> {
  const owners = new Map<string, string>()
  const generations = new Map<string, number>()
  for (const { group, generation, memberId, partitions } of history.assignments) {
    const member = `${group} ${memberId}`
    const before = generations.get(member) ?? -1
    if (generation < before) {
      yield {
        id: 'G2',
        name: 'older-generation',
        what: `${member} goes back to generation ${generation}`,
        partition: partitions[0] ?? '',
        values: [],
        offsets: [],
      }
    }
    generations.set(member, generation)
    for (const partition of partitions) {
      const key = `${group} ${generation} ${partition}`
      const owner = owners.get(key) ?? memberId
      if (owner !== memberId) {
        yield {
          id: 'G1',
          name: 'two-owners',
          what: `${partition} belongs to ${owner} and ${memberId} in generation ${generation}`,
          partition,
          values: [],
          offsets: [],
        }
      }
      owners.set(key, memberId)
    }
  }
}
