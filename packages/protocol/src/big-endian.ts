/**
 * Big-endian loads and stores by hand: a tenth of the cost of BigInt reads, and no Buffer needed. No bounds are
 * checked here; callers have.
 */

export const int16At = (bytes: Uint8Array, at: number): number =>
  (((bytes[at]! << 8) | bytes[at + 1]!) << 16) >> 16

export const int32At = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!

export const uint32At = (bytes: Uint8Array, at: number): number => int32At(bytes, at) >>> 0

/** Exact within ±2^53, rounded beyond: good for comparing, which is all that may be done with such a value. */
export const int64At = (bytes: Uint8Array, at: number): number =>
  int32At(bytes, at) * 4294967296 + uint32At(bytes, at + 4)

export function setInt16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8
  bytes[at + 1] = value
}

export function setInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 24
  bytes[at + 1] = value >> 16
  bytes[at + 2] = value >> 8
  bytes[at + 3] = value
}

/** `value` is a whole number within ±2^53. */
export function setInt64(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / 4294967296)
  setInt32(bytes, at, high)
  setInt32(bytes, at + 4, value - high * 4294967296)
}
