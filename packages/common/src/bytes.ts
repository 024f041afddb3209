/** Byte helpers that need no Node: pure packages see only Uint8Array. */

export const emptyBytes: Uint8Array = new Uint8Array(0)

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array
  let size = 0
  for (const part of parts) size += part.length
  const joined = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false
  return true
}

/** The same bytes, for whoever keeps them: a small part of a large buffer, as of a message, would keep all of it. */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength <= bytes.length * 2 ? bytes : new Uint8Array(bytes)
}
