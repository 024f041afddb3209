import type { BrokerId } from '@trimaran/common'

/**
 * Equal values as one. An image may have a million partitions and a hundred thousand topics, but few different lists of
 * brokers and few different sets of overrides. What is full begins anew: then some values are there twice.
 */
class Shared<Value> {
  readonly #countMax: number
  readonly #byContent = new Map<string, Value>()

  constructor(countMax: number) {
    this.#countMax = countMax
  }

  get(content: string, make: () => Value): Value {
    let value = this.#byContent.get(content)
    if (value === undefined) {
      if (this.#byContent.size >= this.#countMax) this.#byContent.clear()
      value = make()
      this.#byContent.set(content, value)
    }
    return value
  }
}

/** Each takes some 150 B: 600 KB at worst. */
const lists = new Shared<readonly BrokerId[]>(4_096)
/** Each takes some 500 B: 500 KB at worst. */
const overrideMaps = new Shared<ReadonlyMap<string, string>>(1_024)
const none: readonly BrokerId[] = []

/** `before`: what it probably is. A list has no room for more, whatever the one has that it is made of. */
export function sharedIds(
  ids: readonly BrokerId[],
  before: readonly BrokerId[] = none,
): readonly BrokerId[] {
  if (ids.length === 0) return none
  return ids === before ? before : lists.get(ids.join(), () => ids.slice())
}

/** In one order, whatever the history, so that they are the same on every node. */
export function sharedOverrides(
  overrides: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const entries = [...overrides].sort(([a], [b]) => (a < b ? -1 : 1))
  return overrideMaps.get(JSON.stringify(entries), () => new Map(entries))
}
