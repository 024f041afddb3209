/**
 * Big-endian 64-bit integers as plain numbers. Offsets and timestamps stay below 2^53 (checked where bytes come from
 * outside), and two 32-bit halves are many times faster than a BigInt.
 */
const twoTo32 = 2 ** 32

export function readInt64(view: DataView, at: number): number {
  return view.getInt32(at) * twoTo32 + view.getUint32(at + 4)
}

export function writeInt64(view: DataView, at: number, value: number): void {
  view.setInt32(at, Math.floor(value / twoTo32))
  view.setUint32(at + 4, value >>> 0)
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
