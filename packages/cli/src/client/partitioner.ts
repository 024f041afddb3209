/** Kafka's murmur2, so that a key goes to the partition where every other client puts it. */
export function murmur2(key: Uint8Array): number {
  const mix = 0x5bd1e995
  let hash = (0x9747b28c ^ key.length) | 0
  const whole = key.length & ~3
  for (let at = 0; at < whole; at += 4) {
    let word =
      (key[at] as number) |
      ((key[at + 1] as number) << 8) |
      ((key[at + 2] as number) << 16) |
      ((key[at + 3] as number) << 24)
    word = Math.imul(word, mix)
    word ^= word >>> 24
    word = Math.imul(word, mix)
    hash = Math.imul(hash, mix) ^ word
  }
  const rest = key.length & 3
  if (rest === 3) hash ^= (key[whole + 2] as number) << 16
  if (rest >= 2) hash ^= (key[whole + 1] as number) << 8
  if (rest >= 1) hash = Math.imul(hash ^ (key[whole] as number), mix)
  hash ^= hash >>> 13
  hash = Math.imul(hash, mix)
  return hash ^ (hash >>> 15)
}

export const partitionForKey = (key: Uint8Array, partitionCount: number): number =>
  (murmur2(key) & 0x7fffffff) % partitionCount
