import type { Random } from './ports.ts'

/** sfc32: 32-bit integer arithmetic alone, so one seed gives one sequence on every machine. */
export class Prng implements Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number, stream = 0) {
    this.#a = seed | 0
    this.#b = stream | 0
    this.#c = 0x9e3779b9 | 0
    for (let warmUp = 0; warmUp < 15; warmUp++) this.uint32()
  }

  uint32(): number {
    const mixed = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (this.#c << 21) | (this.#c >>> 11)
    this.#c = (this.#c + mixed) | 0
    return mixed >>> 0
  }

  between(min: number, max: number): number {
    return min + (this.uint32() % (max - min + 1))
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count)
    for (let at = 0; at < count; at++) bytes[at] = this.uint32() & 0xff
    return bytes
  }

  /** True in `times` of `outOf` draws: ratios, no floats in decisions. */
  chance(times: number, outOf: number): boolean {
    return this.uint32() % outOf < times
  }

  pick<T>(from: readonly T[]): T {
    return from[this.uint32() % from.length] as T
  }

  /** An independent stream, so that adding a draw in one concern does not reshuffle another. */
  fork(stream: number): Prng {
    return new Prng(this.uint32(), stream)
  }
}
