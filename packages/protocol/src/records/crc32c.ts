import { crc32c as nativeCrc32c } from '@node-rs/crc32'

/**
 * Below this many bytes the table is faster than the call into native code (measured: 100 B 144 against 261 ns,
 * 256 B 346 against 283 ns).
 */
const NATIVE_BYTES_MIN = 200

/** CRC-32C polynomial, bits reversed (RFC 3720 §12.1). */
const POLYNOMIAL = 0x82f63b78

/** Eight tables of 256, one after the other: table k advances a byte by k more bytes. */
const tables = buildTables()

function buildTables(): Int32Array {
  const built = new Int32Array(8 * 256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
    built[byte] = crc
  }
  for (let at = 256; at < built.length; at++) {
    const previous = built[at - 256]!
    built[at] = (previous >>> 8) ^ built[previous & 0xff]!
  }
  return built
}

/** CRC-32C of `bytes[start, end)` as an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array, start: number = 0, end: number = bytes.length): number {
  if (end - start >= NATIVE_BYTES_MIN) return nativeCrc32c(bytes.subarray(start, end)) >>> 0
  return crc32cByTable(bytes, start, end)
}

/** The same without native code; exported for the test that compares the two. */
export function crc32cByTable(bytes: Uint8Array, start: number, end: number): number {
  let crc = -1
  let at = start
  for (const eights = end - 7; at < eights; at += 8) {
    const low =
      crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))
    crc =
      tables[1792 + (low & 0xff)]! ^
      tables[1536 + ((low >>> 8) & 0xff)]! ^
      tables[1280 + ((low >>> 16) & 0xff)]! ^
      tables[1024 + (low >>> 24)]! ^
      tables[768 + bytes[at + 4]!]! ^
      tables[512 + bytes[at + 5]!]! ^
      tables[256 + bytes[at + 6]!]! ^
      tables[bytes[at + 7]!]!
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ tables[(crc ^ bytes[at]!) & 0xff]!
  return ~crc >>> 0
}
