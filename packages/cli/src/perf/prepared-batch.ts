/**
 * A batch that is made once and sent again and again. An idempotent producer's batch differs from send to send in its
 * base sequence alone, and CRC-32C is linear: each bit of the sequence flips the same bits of the checksum in every
 * batch of that length. So a send costs 61 bytes and a few exclusive ors, not a checksum over the batch.
 */
import {
  BATCH_OVERHEAD,
  batchCrc,
  encodeBatch,
  setInt16,
  setInt32,
  setInt64,
  type Compression,
} from '@trimaran/protocol'

const CRC_AT = 17
const PRODUCER_ID_AT = 43
const PRODUCER_EPOCH_AT = 51
const SEQUENCE_AT = 53
/** Sequences are not negative. */
const SEQUENCE_BITS = 31

export interface ProducerIdentity {
  /** −1: not idempotent. */
  readonly producerId: number
  readonly producerEpoch: number
}

export const notIdempotent: ProducerIdentity = { producerId: -1, producerEpoch: -1 }

export class PreparedBatch {
  readonly recordCount: number
  readonly payloadBytes: number
  readonly sizeBytes: number
  /** What follows the header: shared by every send, never changed. */
  readonly body: Buffer
  readonly #head: Uint8Array
  readonly #isIdempotent: boolean
  /** With the sequence 0. */
  readonly #crc: number
  readonly #flips: Int32Array

  private constructor(
    bytes: Uint8Array,
    body: Buffer,
    flips: Int32Array,
    identity: ProducerIdentity,
    counts: { readonly recordCount: number; readonly payloadBytes: number },
  ) {
    this.recordCount = counts.recordCount
    this.payloadBytes = counts.payloadBytes
    this.sizeBytes = bytes.length
    this.body = body
    this.#isIdempotent = identity.producerId >= 0
    this.#flips = flips
    setInt64(bytes, PRODUCER_ID_AT, identity.producerId)
    setInt16(bytes, PRODUCER_EPOCH_AT, identity.producerEpoch)
    setInt32(bytes, SEQUENCE_AT, this.#isIdempotent ? 0 : -1)
    this.#crc = batchCrc(bytes, 0, bytes.length)
    setInt32(bytes, CRC_AT, this.#crc)
    this.#head = bytes.slice(0, BATCH_OVERHEAD)
  }

  static of(
    values: readonly Uint8Array[],
    timestampMs: number,
    compression: Compression = 'none',
  ): PreparedBatch {
    const records = values.map(value => ({ value, timestampMs }))
    const bytes = encodeBatch({ records, compression })
    const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).subarray(BATCH_OVERHEAD)
    return new PreparedBatch(bytes, body, flipsOf(bytes), notIdempotent, {
      recordCount: values.length,
      payloadBytes: values.reduce((sum, value) => sum + value.length, 0),
    })
  }

  /** The same records from another producer; the body is not copied. */
  by(identity: ProducerIdentity): PreparedBatch {
    const bytes = new Uint8Array(this.sizeBytes)
    bytes.set(this.#head)
    bytes.set(this.body, BATCH_OVERHEAD)
    return new PreparedBatch(bytes, this.body, this.#flips, identity, this)
  }

  crcWith(sequence: number): number {
    let crc = this.#crc
    for (let rest = sequence; rest !== 0; rest &= rest - 1)
      crc ^= this.#flips[31 - Math.clz32(rest & -rest)] ?? 0
    return crc >>> 0
  }

  /** The batch's header as it is sent with this sequence; returns where it ends. */
  writeHead(into: Uint8Array, at: number, sequence: number): number {
    into.set(this.#head, at)
    if (this.#isIdempotent) {
      setInt32(into, at + SEQUENCE_AT, sequence)
      setInt32(into, at + CRC_AT, this.crcWith(sequence))
    }
    return at + BATCH_OVERHEAD
  }
}

/** What each bit of the sequence does to the checksum of a batch of this length. */
function flipsOf(bytes: Uint8Array): Int32Array {
  const flips = new Int32Array(SEQUENCE_BITS)
  setInt32(bytes, SEQUENCE_AT, 0)
  const crc = batchCrc(bytes, 0, bytes.length)
  for (let bit = 0; bit < SEQUENCE_BITS; bit++) {
    setInt32(bytes, SEQUENCE_AT, 2 ** bit)
    flips[bit] = batchCrc(bytes, 0, bytes.length) ^ crc
  }
  return flips
}
