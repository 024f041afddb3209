/** `String.hashCode()` of Java: over UTF-16 units, wrapping at 32 bits. */
export function javaHashCode(text: string): number {
  let hash = 0
  for (let at = 0; at < text.length; at++) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0
  return hash
}

/**
 * The partition of `__consumer_offsets` whose leader coordinates the group. The true absolute value, and 0 for the one
 * number that has none: not the mask that producers use.
 */
export function partitionFor(groupId: string, partitionCount: number): number {
  const hash = javaHashCode(groupId)
  return hash === -0x8000_0000 ? 0 : Math.abs(hash) % partitionCount
}
