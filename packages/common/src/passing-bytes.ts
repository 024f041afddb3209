/**
 * Traffic passes by in buffers outside of the heap, which only a garbage collection gives back: their bytes are what makes
 * V8 collect, ten times a second at full load. Where a buffer has one holder at a time, the last one gives it back itself,
 * and the next buffer takes the same memory. Nobody has to: what is forgotten is garbage as ever.
 */
const passing = new WeakSet<ArrayBufferLike>()

/** To give smaller ones back costs more than it saves. */
const passingBytesMin = 4 * 1024
/** Of a buffer, framing around what it was made for. What shares more than this with others is one of Node's pools. */
const framingBytesMax = 64

/**
 * The caller holds the buffer behind `bytes` alone, made for them, and whoever gets them from here on is the only one to
 * hold any of it. Returns `bytes`.
 */
export function passOn<T extends Uint8Array>(bytes: T): T {
  const { buffer } = bytes
  if (bytes.length >= passingBytesMin && buffer.byteLength - bytes.length <= framingBytesMax)
    passing.add(buffer)
  return bytes
}

/** Whether `giveBack` would free anything. */
export const isPassing = (bytes: Uint8Array): boolean =>
  bytes.length > 0 && passing.has(bytes.buffer)

/**
 * By the last holder of what was passed on: the memory is free, and every view on the buffer is empty from now on. Bytes
 * that were not passed on, as views on a log's tail, belong to others and stay.
 */
export function giveBack(bytes: Uint8Array): void {
  const { buffer } = bytes
  if (passing.delete(buffer)) (buffer as ArrayBuffer).transfer(0)
}
