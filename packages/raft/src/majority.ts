import type { NodeId, Offset } from '@trimaran/common'

/** How many of `count` are more than half. */
export const majorityOf = (count: number): number => Math.floor(count / 2) + 1

/** The largest value that more than half of `values` have reached; -Infinity for nobody. */
export function majorityReached(values: readonly number[]): number {
  const descending = [...values].sort((a, b) => b - a)
  return descending[majorityOf(values.length) - 1] ?? Number.NEGATIVE_INFINITY
}

/** Bars of how far each voter's log is durable, and the offset that a majority has. */
export function describe(
  voters: readonly { readonly nodeId: NodeId; readonly endOffset: Offset }[],
): string {
  const ends = voters.map(voter => voter.endOffset)
  const top = Math.max(0, ...ends)
  const scale = Math.max(1, Math.ceil(top / 40))
  const lines = voters.map(
    voter =>
      `${String(voter.nodeId).padStart(4)} ${'#'.repeat(Math.ceil(voter.endOffset / scale))}> ${voter.endOffset}`,
  )
  const reached = majorityReached(ends)
  return [...lines, `majority ${Number.isFinite(reached) ? reached : 'none'}`].join('\n')
}
