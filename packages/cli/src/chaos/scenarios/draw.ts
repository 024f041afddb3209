import type { Prng } from '@trimaran/common'

/** Fisher and Yates. */
export function shuffled<T>(random: Prng, items: readonly T[]): T[] {
  const order = [...items]
  for (let at = order.length - 1; at > 0; at--) {
    const other = random.between(0, at)
    const moved = order[at] as T
    order[at] = order[other] as T
    order[other] = moved
  }
  return order
}
