import { ClusterError, giveBack, passOn } from '@trimaran/common'
import { decodeEnvelope, encodeChunk, isChunkFrame } from './envelope.ts'
import { sizeOf } from './wire.ts'

/** One gRPC message is at most this and its chunk header: well below the 4 MiB a peer takes, and short to send. */
export const MAX_PIECE_BYTES = 1024 * 1024
/**
 * Largest frame taken apart or put together: one fetch answer of many partitions (replica.fetch.response.max.bytes,
 * 10 MiB) or one batch as large as a client may send (socket.request.max.bytes, 100 MiB), and room for headers.
 */
export const MAX_FRAME_BYTES = 112 * 1024 * 1024

/** The messages that carry one frame, each as pieces like the frame: itself, or its chunks. Nothing is copied. */
export function cutFrame(frame: readonly Uint8Array[]): readonly (readonly Uint8Array[])[] {
  const sizeBytes = sizeOf(frame)
  if (sizeBytes <= MAX_PIECE_BYTES) return [frame]
  const messages: (readonly Uint8Array[])[] = []
  let chunk: Uint8Array[] = []
  let room = MAX_PIECE_BYTES
  for (const piece of frame) {
    for (let at = 0; at < piece.length;) {
      const part = piece.subarray(at, at + room)
      chunk.push(part)
      at += part.length
      room -= part.length
      if (room > 0) continue
      messages.push(encodeChunk(sizeBytes, chunk))
      chunk = []
      room = MAX_PIECE_BYTES
    }
  }
  if (chunk.length > 0) messages.push(encodeChunk(sizeBytes, chunk))
  return messages
}

/** Puts the chunks of one stream together again. Holds what has come, never what was only announced. */
export class FrameAssembler {
  #pieces: Uint8Array[] = []
  #sizeBytes = 0
  #announcedBytes = 0

  /** The whole frame that `message` completes, or null. Throws RPC_INVALID. */
  add(message: Uint8Array): Uint8Array | null {
    if (!isChunkFrame(message)) {
      if (this.#pieces.length > 0) throw invalid('a frame between the chunks of another')
      return message
    }
    const envelope = decodeEnvelope(message)
    if (envelope.kind !== 'chunk') throw invalid('not a chunk')
    const { sizeBytes, piece } = envelope.chunk
    if (this.#pieces.length === 0) this.#announcedBytes = sizeBytes
    if (sizeBytes !== this.#announcedBytes || sizeBytes > MAX_FRAME_BYTES || piece.length === 0) {
      throw invalid(`a chunk of a frame of ${sizeBytes} bytes`)
    }
    this.#pieces.push(piece)
    this.#sizeBytes += piece.length
    if (this.#sizeBytes < this.#announcedBytes) return null
    if (this.#sizeBytes > this.#announcedBytes) throw invalid('more chunks than were announced')
    const frame = passOn(Buffer.concat(this.#pieces))
    for (const piece of this.#pieces) giveBack(piece)
    this.#pieces = []
    this.#sizeBytes = 0
    return frame
  }
}

const invalid = (what: string): ClusterError => new ClusterError('RPC_INVALID', what)
