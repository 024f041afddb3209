import type { History } from './history.ts'

/**
 * `worst-realtime-lag`: how long a record was known to be there when somebody who reads on was not given it yet. Whoever reads
 * all once more from the start is behind on purpose.
 */
export interface Staleness {
  readonly lagMs: number
  readonly process: string
  readonly partition: string
}

export function worstRealtimeLag(history: History): Staleness | null {
  const known = new Map<string, Map<number, number>>()
  const note = (partition: string, offset: number, at: number): void => {
    const offsets = known.get(partition) ?? new Map<number, number>()
    known.set(partition, offsets)
    offsets.set(offset, Math.min(offsets.get(offset) ?? Infinity, at))
  }
  for (const { partition, records, endedAt } of history.polls) {
    for (const { offset } of records) note(partition, offset, endedAt)
  }
  for (const { partition, values, baseOffset, status, acks, endedAt } of history.sends) {
    if (status !== 'acked' || acks !== -1 || baseOffset < 0) continue
    note(partition, baseOffset + values.length - 1, endedAt)
  }
  const firstBeyond = new Map<string, (offset: number) => number>()
  for (const [partition, offsets] of known) firstBeyond.set(partition, suffixMinimum(offsets))
  let worst: Staleness | null = null
  for (const { partition, records, invokedAt, process, stream } of history.polls) {
    const last = records.at(-1)
    if (last === undefined || history.finalStreams.get(partition) === stream) continue
    const lagMs = invokedAt - (firstBeyond.get(partition)?.(last.offset) ?? Infinity)
    if (lagMs > (worst?.lagMs ?? 0)) worst = { lagMs, process, partition }
  }
  return worst
}

/** When anything beyond an offset was known first. */
function suffixMinimum(offsets: ReadonlyMap<number, number>): (offset: number) => number {
  const sorted = [...offsets].sort(([a], [b]) => a - b)
  const firstAt = new Float64Array(sorted.length + 1).fill(Infinity)
  for (let at = sorted.length - 1; at >= 0; at--) {
    firstAt[at] = Math.min(firstAt[at + 1] as number, (sorted[at] as [number, number])[1])
  }
  return offset => {
    let low = 0
    let high = sorted.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sorted[middle] as [number, number])[0] <= offset) low = middle + 1
      else high = middle
    }
    return firstAt[low] as number
  }
}
