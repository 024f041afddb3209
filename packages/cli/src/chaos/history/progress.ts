import type { Fault, History } from './history.ts'

/** What a fault cost: the longest that one partition took nothing while it held. */
export interface FaultCost {
  readonly fault: Fault
  readonly partition: string
  readonly silenceMs: number
}

/** Faults so close to each other are one blow, as when all nodes lose power; no partition has time to get over the first. */
const sameBlowMs = 100

/** Of every fault that harms: the longest time between two acknowledgements of one partition, until the next blow. */
export function faultCosts({ sends, faults }: History): FaultCost[] {
  const harms = faults.filter(fault => fault.harms).toSorted((a, b) => a.at - b.at)
  let lastAt = 0
  const acksByPartition = new Map<string, number[]>()
  for (const { partition, status, endedAt } of sends) {
    if (Number.isFinite(endedAt)) lastAt = Math.max(lastAt, endedAt)
    if (status !== 'acked') continue
    const acks = acksByPartition.get(partition) ?? []
    acks.push(endedAt)
    acksByPartition.set(partition, acks)
  }
  const times = [...acksByPartition].map(([partition, acks]) => ({
    partition,
    acks: Float64Array.from(acks).sort(),
  }))
  return harms.map((fault, at) => {
    const next = harms.find((other, later) => later > at && other.at - fault.at > sameBlowMs)
    const until = Math.min(next?.at ?? lastAt, lastAt)
    let worst: FaultCost = { fault, partition: '', silenceMs: 0 }
    for (const { partition, acks } of times) {
      const silenceMs = longestGap(acks, fault.at, until, lastAt)
      if (silenceMs > worst.silenceMs) worst = { fault, partition, silenceMs }
    }
    return worst
  })
}

/** Between neighbours of which the later is after `from` and the earlier before `until`; what lies behind it is the next fault's. */
function longestGap(acks: Float64Array, from: number, until: number, lastAt: number): number {
  let low = 0
  let high = acks.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((acks[middle] as number) <= from) low = middle + 1
    else high = middle
  }
  let longest = 0
  for (let at = low; at <= acks.length; at++) {
    const earlier = acks[at - 1] ?? from
    if (at > low && earlier >= until) break
    longest = Math.max(longest, Math.min(acks[at] ?? lastAt, until) - earlier)
  }
  return longest
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  const upper = sorted[sorted.length >> 1] ?? 0
  const lower = sorted[(sorted.length - 1) >> 1] ?? upper
  return (lower + upper) / 2
}
