/** What occurs more than once. Kafka refuses such items, each of them, and serves the rest of the request. */
export function duplicatesOf<T>(items: Iterable<T>): ReadonlySet<T> {
  const seen = new Set<T>()
  const twice = new Set<T>()
  for (const item of items) (seen.has(item) ? twice : seen).add(item)
  return twice
}
