/**
 * The codecs of record batches. Output is bounded before it is allocated: half a megabyte of gzip can claim half a
 * gigabyte. The native codecs are loaded when first used; most brokers never touch a compressed byte.
 */
import { createRequire } from 'node:module'
import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { concatBytes } from '@trimaran/common'
import { int32At, setInt32 } from '../big-endian.ts'
import { OutputTooLargeError, ProtocolError } from '../errors.ts'
import type { Compression } from './batch.ts'
import { decompressLz4Frame } from './lz4.ts'

/**
 * Window of a zstd frame: 2^27 is what level 22 of Kafka's own clients uses. The decoder touches only as much of it as
 * it puts out, which `maxBytes` bounds; what is reserved beyond that is address space, and freed when the call ends.
 */
const ZSTD_WINDOW_LOG_MAX = 27

/** What snappy-java puts around raw snappy: a magic, two versions, then blocks each with its size (int32). */
const xerialMagic = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0)
const XERIAL_HEADER_BYTES = 16
/** snappy-java's own. */
const XERIAL_BLOCK_BYTES = 32 * 1024
/** Least bytes a snappy block takes: its preamble. Keeps zero-length blocks from being free. */
const SNAPPY_BLOCK_BYTES_MIN = 1

const load = createRequire(import.meta.url)
let snappyModule: typeof import('snappy') | undefined
let lz4Module: typeof import('lz4-napi') | undefined
const snappy = () => (snappyModule ??= load('snappy') as typeof import('snappy'))
const lz4 = () => (lz4Module ??= load('lz4-napi') as typeof import('lz4-napi'))

/**
 * `content` in the form that Kafka's clients expect inside a batch. `level` as the codec counts it, for gzip and zstd; the
 * others have one.
 */
export function compress(codec: Compression, content: Uint8Array, level?: number): Uint8Array {
  switch (codec) {
    case 'none':
      return content
    case 'gzip':
      return asBytes(gzipSync(content, level === undefined ? {} : { level }))
    case 'snappy':
      return compressSnappy(content)
    case 'lz4':
      return asBytes(lz4().compressFrameSync(asBuffer(content)))
    case 'zstd':
      return asBytes(
        zstdCompressSync(
          content,
          level === undefined ? {} : { params: { [constants.ZSTD_c_compressionLevel]: level } },
        ),
      )
  }
}

/**
 * `isTransient`: the result is looked at before the next call and never kept; a codec may then use its memory again.
 * @throws OutputTooLargeError if the content is larger than `maxBytes`
 * @throws ProtocolError if the bytes are not of that codec
 */
export function decompress(
  codec: Compression,
  packed: Uint8Array,
  maxBytes: number,
  isTransient = false,
): Uint8Array {
  switch (codec) {
    case 'none':
      if (packed.length > maxBytes) throw new OutputTooLargeError(maxBytes)
      return packed
    case 'gzip':
      return byZlib(codec, maxBytes, maxOutputLength => gunzipSync(packed, { maxOutputLength }))
    case 'snappy':
      return decompressSnappy(packed, maxBytes)
    case 'lz4':
      return decompressLz4Frame(packed, maxBytes, isTransient)
    case 'zstd': {
      const params = { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX }
      return byZlib(codec, maxBytes, maxOutputLength =>
        zstdDecompressSync(packed, { maxOutputLength, params }),
      )
    }
  }
}

function byZlib(
  codec: Compression,
  maxBytes: number,
  run: (maxOutputLength: number) => Buffer,
): Uint8Array {
  let content: Buffer
  try {
    // node:zlib takes no bound of 0.
    content = run(Math.max(1, maxBytes))
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') {
      throw new ProtocolError(`${codec}: the data cannot be read`, { cause })
    }
    throw new OutputTooLargeError(maxBytes)
  }
  if (content.length > maxBytes) throw new OutputTooLargeError(maxBytes)
  return asBytes(content)
}

function compressSnappy(content: Uint8Array): Uint8Array {
  const header = new Uint8Array(XERIAL_HEADER_BYTES)
  header.set(xerialMagic)
  setInt32(header, 8, 1)
  setInt32(header, 12, 1)
  const parts: Uint8Array[] = [header]
  for (let at = 0; at < content.length; at += XERIAL_BLOCK_BYTES) {
    const block = snappy().compressSync(content.subarray(at, at + XERIAL_BLOCK_BYTES))
    const size = new Uint8Array(4)
    setInt32(size, 0, block.length)
    parts.push(size, block)
  }
  return concatBytes(parts)
}

function decompressSnappy(packed: Uint8Array, maxBytes: number): Uint8Array {
  if (!isXerial(packed)) return decompressSnappyBlock(packed, maxBytes)
  const parts: Uint8Array[] = []
  let left = maxBytes
  let at = XERIAL_HEADER_BYTES
  while (at < packed.length) {
    if (at + 4 > packed.length) throw new ProtocolError('snappy: the block is cut off')
    const size = int32At(packed, at)
    at += 4
    if (size < SNAPPY_BLOCK_BYTES_MIN || at + size > packed.length) {
      throw new ProtocolError('snappy: the block is cut off')
    }
    const part = decompressSnappyBlock(packed.subarray(at, at + size), left)
    left -= part.length
    at += size
    parts.push(part)
  }
  return concatBytes(parts)
}

const isXerial = (packed: Uint8Array): boolean =>
  packed.length >= XERIAL_HEADER_BYTES && xerialMagic.every((byte, at) => packed[at] === byte)

/** Raw snappy says its size first; the native code allocates by it, so it is checked here. */
function decompressSnappyBlock(block: Uint8Array, maxBytes: number): Uint8Array {
  let size = 0
  let at = 0
  for (let shift = 0; ; shift += 7) {
    if (at >= block.length || shift > 28) throw new ProtocolError('snappy: the size is cut off')
    const byte = block[at++]!
    size += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) break
  }
  if (size > maxBytes) throw new OutputTooLargeError(maxBytes)
  try {
    return asBytes(snappy().uncompressSync(asBuffer(block), { asBuffer: true }) as Buffer)
  } catch (cause) {
    throw new ProtocolError('snappy: the data cannot be read', { cause })
  }
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Plain, so that what callers get does not depend on the codec. */
const asBytes = (buffer: Buffer): Uint8Array =>
  new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
