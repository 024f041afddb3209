import { Writer, apis, decodeResponse, int16At, int32At, responseReader } from '@trimaran/protocol'

/** Kafka 2.4 and later; earlier brokers have other headers. */
export const produceVersionMin = 9
const TOPIC_ID_VERSION = 13
const CORRELATION_ID_AT = 8

export interface ProduceTarget {
  readonly version: number
  readonly clientId: string
  readonly topic: string
  readonly topicId: string
  readonly acks: -1 | 0 | 1
  readonly timeoutMs: number
}

/** Bytes of a partition around its batch: index, length and tags. */
const PARTITION_BYTES_MAX = 4 + 5 + 1
/** Partition count and the tags of topic and request. */
const REQUEST_BYTES_MAX = 5 + 2

/** The bytes of produce requests around their batches, and what their answers say. */
export class ProduceFormat {
  readonly #version: number
  readonly #prefix: Uint8Array
  readonly #topicNameBytes: number

  constructor(target: ProduceTarget) {
    const writer = new Writer()
    writer.int32(0)
    writer.int16(apis.produce.key)
    writer.int16(target.version)
    writer.int32(0)
    writer.nullableString(target.clientId)
    writer.uvarint(0)
    writer.compactNullableString(null)
    writer.int16(target.acks)
    writer.int32(target.timeoutMs)
    writer.compactArrayLength(1)
    const topicAt = writer.sizeBytes
    if (target.version >= TOPIC_ID_VERSION) writer.uuid(target.topicId)
    else writer.compactString(target.topic)
    this.#topicNameBytes = writer.sizeBytes - topicAt
    this.#prefix = writer.finishOne()
    this.#version = target.version
  }

  /** What a request with so many partitions takes besides its batches' bodies. */
  headBytesMax(partitions: number, batchHeadBytes: number): number {
    return (
      this.#prefix.length + REQUEST_BYTES_MAX + partitions * (PARTITION_BYTES_MAX + batchHeadBytes)
    )
  }

  begin(into: Buffer, correlationId: number, partitions: number): number {
    into.set(this.#prefix)
    into.writeInt32BE(correlationId, CORRELATION_ID_AT)
    return writeUvarint(into, this.#prefix.length, partitions + 1)
  }

  beginPartition(into: Buffer, at: number, partition: number, batchBytes: number): number {
    into.writeInt32BE(partition, at)
    return writeUvarint(into, at + 4, batchBytes + 1)
  }

  endPartition(into: Buffer, at: number): number {
    into[at] = 0
    return at + 1
  }

  /** The tags of topic and request, and the frame's size. `bodyBytes`: of the batches, as far as they are not in `into`. */
  end(into: Buffer, at: number, bodyBytes: number): number {
    into[at] = 0
    into[at + 1] = 0
    into.writeInt32BE(at + 2 + bodyBytes - 4, 0)
    return at + 2
  }

  /** Tells each partition's error code. Reads plain answers in place; whatever else is in one, the codec reads. */
  readAnswer(
    bytes: Buffer,
    at: number,
    end: number,
    tell: (partition: number, errorCode: number, message: string | null) => void,
  ): number {
    // Correlation id, no tags, one topic.
    const partitionsAt = at + 6 + this.#topicNameBytes
    const count = (bytes[partitionsAt] ?? 0) - 1
    const isPlain =
      bytes[at + 4] === 0 &&
      bytes[at + 5] === 2 &&
      count < 127 &&
      // No record errors, messages or tags: 33 bytes each; then tags of the topic, throttle time, tags.
      partitionsAt + 1 + count * PLAIN_PARTITION_BYTES + 6 === end
    if (!isPlain) return this.#decode(bytes.subarray(at, end), tell)
    for (let index = 0; index < count; index++) {
      const partitionAt = partitionsAt + 1 + index * PLAIN_PARTITION_BYTES
      tell(int32At(bytes, partitionAt), int16At(bytes, partitionAt + 4), null)
    }
    return int32At(bytes, end - 5)
  }

  #decode(
    frame: Uint8Array,
    tell: (partition: number, errorCode: number, message: string | null) => void,
  ): number {
    const { body } = decodeResponse(apis.produce, this.#version, responseReader(frame))
    for (const topic of body.responses) {
      for (const { index, errorCode, errorMessage } of topic.partitionResponses)
        tell(index, errorCode, errorMessage)
    }
    return body.throttleTimeMs
  }
}

/** Index, error code, three int64, no record errors, no message, no tags. */
const PLAIN_PARTITION_BYTES = 4 + 2 + 3 * 8 + 1 + 1 + 1

function writeUvarint(into: Buffer, start: number, value: number): number {
  let at = start
  let rest = value
  for (; rest >= 0x80; rest >>>= 7) into[at++] = (rest & 0x7f) | 0x80
  into[at++] = rest
  return at
}
