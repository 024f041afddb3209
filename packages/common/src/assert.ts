/** A broken invariant. Never caught to go on: the node stops, because a replica that lies is worse than one that is down. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Stays on in production. `message` says which invariant, in the words of the trade. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** The value, where its absence would be a broken invariant. */
export function must<T>(value: T | undefined | null, message: string): T {
  if (value === undefined || value === null) throw new AssertionError(message)
  return value
}

/** The end of a switch over a closed union. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`)
}
