import type { BrokerId, Random } from '@trimaran/common'
import { type Image, isBrokerActive } from '@trimaran/metadata'

export interface PlacementRequest {
  readonly partitionCount: number
  readonly replicationFactor: number
  /** Replicas of the topic's partitions so far, so that new ones go where there are few. */
  readonly existing: readonly (readonly BrokerId[])[]
}

export type Placement =
  | { readonly ok: true; readonly assignments: readonly (readonly BrokerId[])[] }
  | { readonly ok: false; readonly error: string }

interface Candidate {
  readonly id: BrokerId
  readonly rack: string | null
  readonly isActive: boolean
  replicaCount: number
  leaderCount: number
}

/**
 * Brokers in an order that alternates between racks, so that neighbours are in different ones; where it begins is random,
 * so that topics of one partition do not all land on the same broker.
 */
function ring(image: Image, random: Random): Candidate[] {
  const racks = new Map<string | null, Candidate[]>()
  for (const broker of [...image.brokers.values()].toSorted((a, b) => a.id - b.id)) {
    const { id, rack } = broker
    const candidate = {
      id,
      rack,
      isActive: isBrokerActive(broker),
      replicaCount: 0,
      leaderCount: 0,
    }
    const others = racks.get(rack)
    if (others === undefined) racks.set(rack, [candidate])
    else others.push(candidate)
  }
  const byRack = [...racks.values()]
  const longest = Math.max(0, ...byRack.map(rack => rack.length))
  const alternating = Array.from({ length: longest }, (_, at) =>
    byRack.flatMap(rack => rack[at] ?? []),
  )
  const brokers = alternating.flat()
  if (brokers.length === 0) return brokers
  const start = random.between(0, brokers.length - 1)
  return [...brokers.slice(start), ...brokers.slice(0, start)]
}

/**
 * One partition: the leader where few lead, each follower in the rack and on the broker with the fewest replicas; brokers
 * that are up before those that are down. `turn` breaks ties, so that equal brokers take turns.
 */
function placeOne(
  brokers: readonly Candidate[],
  replicationFactor: number,
  turn: number,
  partitionsMax: number,
): Candidate[] {
  const chosen = new Set<Candidate>()
  const chosenPerRack = new Map<string | null, number>()
  for (let replica = 0; replica < replicationFactor; replica++) {
    let best: Candidate | undefined
    let bestScore = Infinity
    for (let step = 0; step < brokers.length; step++) {
      const candidate = brokers[(turn + step) % brokers.length] as Candidate
      if (chosen.has(candidate)) continue
      // Digits of one number, the most significant first: no broker has more replicas of a topic than it has partitions.
      const isDown = candidate.isActive ? 0 : 1
      const byRack = isDown * (replicationFactor + 1) + (chosenPerRack.get(candidate.rack) ?? 0)
      const byLeader = byRack * (partitionsMax + 1) + (replica === 0 ? candidate.leaderCount : 0)
      const score = byLeader * (partitionsMax + 1) + candidate.replicaCount
      if (score >= bestScore) continue
      best = candidate
      bestScore = score
    }
    if (best === undefined) break
    chosen.add(best)
    chosenPerRack.set(best.rack, (chosenPerRack.get(best.rack) ?? 0) + 1)
  }
  return [...chosen]
}

/**
 * Striped and rack-aware. Invariants: replicas of a partition are on different brokers, and in different racks while
 * there are racks left with brokers that are up; if racks are of equal size, leaderships per broker differ by one at most
 * and replicas by two; brokers that are down are taken only when there are too few others, and never lead.
 *
 * O(partitions × replicas × brokers): 10,000 × 3 × 1,000 at the very most, a few hundred milliseconds.
 */
export function place(image: Image, random: Random, request: PlacementRequest): Placement {
  const { partitionCount, replicationFactor } = request
  const brokers = ring(image, random)
  if (!brokers.some(broker => broker.isActive)) {
    return { ok: false, error: 'All brokers are currently fenced or in controlled shutdown.' }
  }
  if (replicationFactor > brokers.length) {
    const error =
      `The target replication factor of ${replicationFactor} cannot be reached because only ` +
      `${brokers.length} broker(s) are registered.`
    return { ok: false, error }
  }
  const byId = new Map(brokers.map(broker => [broker.id, broker]))
  const count = (broker: Candidate | undefined, at: number): void => {
    if (broker === undefined) return
    broker.replicaCount++
    if (at === 0) broker.leaderCount++
  }
  for (const replicas of request.existing) replicas.forEach((id, at) => count(byId.get(id), at))
  const partitionsMax = request.existing.length + partitionCount
  const assignments: BrokerId[][] = []
  for (let turn = 0; turn < partitionCount; turn++) {
    const chosen = placeOne(brokers, replicationFactor, turn, partitionsMax)
    chosen.forEach(count)
    assignments.push(chosen.map(broker => broker.id))
  }
  return { ok: true, assignments }
}
