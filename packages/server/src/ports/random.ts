import { randomBytes } from 'node:crypto'
import { Prng } from '@trimaran/common'
import type { Random } from '@trimaran/common'

/** Small numbers from a generator seeded by the system; bytes (identifiers) from the system itself. */
export function systemRandom(): Random {
  const seed = randomBytes(8)
  const numbers = new Prng(seed.readInt32LE(0), seed.readInt32LE(4))
  return {
    between: (min, max) => numbers.between(min, max),
    bytes: count => new Uint8Array(randomBytes(count)),
  }
}
