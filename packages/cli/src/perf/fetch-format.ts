import {
  ATTRIBUTES_AT,
  BATCH_OVERHEAD,
  CONTROL_BIT,
  Writer,
  apis,
  int32At,
  setInt32,
  setInt64,
  uint32At,
} from '@trimaran/protocol'
import { ConnectionError } from '../client/connection.ts'

/** Kafka 2.7 and later; earlier brokers have other headers. */
export const fetchVersionMin = 12
const TOPIC_ID_VERSION = 13
/** The replica's id is a tag from here on, which a consumer leaves out. */
const REPLICA_TAG_VERSION = 15
const CORRELATION_ID_AT = 8

export interface FetchTopic {
  readonly topic: string
  readonly topicId: string
}

/** A partition that is read: where the next record is, and the end of the log when last seen. */
export interface FetchPosition {
  readonly topic: FetchTopic
  readonly partition: number
  nextOffset: number
  /** −1: not seen yet. */
  highWatermark: number
}

export interface FetchSettings {
  readonly version: number
  readonly clientId: string
  readonly maxWaitMs: number
  readonly minBytes: number
  readonly maxBytes: number
  readonly partitionMaxBytes: number
}

/** A fetch of always the same partitions; only the correlation id and the offsets are written anew. */
export class FetchRequest {
  readonly bytes: Buffer
  readonly #positions: readonly FetchPosition[]
  readonly #offsetsAt: readonly number[]

  constructor(settings: FetchSettings, positions: readonly FetchPosition[]) {
    const { version } = settings
    const offsetsAt: number[] = []
    const writer = new Writer(256 + positions.length * 64)
    writer.int32(0)
    writer.int16(apis.fetch.key)
    writer.int16(version)
    writer.int32(0)
    writer.nullableString(settings.clientId)
    writer.uvarint(0)
    if (version < REPLICA_TAG_VERSION) writer.int32(-1)
    writer.int32(settings.maxWaitMs)
    writer.int32(settings.minBytes)
    writer.int32(settings.maxBytes)
    writer.int8(0)
    // No session: id 0, epoch −1.
    writer.int32(0)
    writer.int32(-1)
    const topics = [...Map.groupBy(positions, position => position.topic)]
    this.#positions = topics.flatMap(([, group]) => group)
    writer.compactArrayLength(topics.length)
    for (const [topic, group] of topics) {
      if (version >= TOPIC_ID_VERSION) writer.uuid(topic.topicId)
      else writer.compactString(topic.topic)
      writer.compactArrayLength(group.length)
      for (const { partition } of group) {
        writer.int32(partition)
        writer.int32(-1)
        offsetsAt.push(writer.sizeBytes)
        writer.int64(0)
        writer.int32(-1)
        writer.int64(-1)
        writer.int32(settings.partitionMaxBytes)
        writer.uvarint(0)
      }
      writer.uvarint(0)
    }
    writer.compactArrayLength(0)
    writer.compactString('')
    writer.uvarint(0)
    const bytes = writer.finishOne()
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#offsetsAt = offsetsAt
    setInt32(this.bytes, 0, this.bytes.length - 4)
  }

  /** Only after the answer to the last one: until then the socket may hold these bytes. */
  renew(correlationId: number): Buffer {
    setInt32(this.bytes, CORRELATION_ID_AT, correlationId)
    this.#positions.forEach((position, index) =>
      setInt64(this.bytes, this.#offsetsAt[index] as number, position.nextOffset),
    )
    return this.bytes
  }
}

export interface FetchedBatch {
  readonly baseOffset: number
  readonly lastOffset: number
  /** Without the marks of transactions. */
  readonly recordCount: number
  readonly sizeBytes: number
}

/** Names a topic as answers do: by its id, or by its name before version 13. */
export const topicKey = (version: number, { topic, topicId }: FetchTopic): string =>
  version >= TOPIC_ID_VERSION ? topicId : topic

export interface FetchEvents {
  /** Each partition of an answer, before its batches. */
  readonly onPartition: (topic: string, partition: number, highWatermark: number) => void
  readonly onError: (topic: string, partition: number, errorCode: number) => void
  /** A batch of which every byte is there; returns the first offset in it that is new. */
  readonly onBatch: (batch: FetchedBatch) => number
  readonly onEnd: (correlationId: number, errorCode: number, throttleMs: number) => void
}

/** No field between two batches is longer; what is, is no answer to a fetch. */
const FIELDS_BYTES_MAX = 64 * 1024
/** What is looked at of a piece beside the fields that began before it; more if that is too little. */
const PIECE_BYTES = 1024

/** A field is cut off: wait for more bytes. One value for all, since it is no failure. */
const cutOff = new Error('cut off')

/**
 * Reads answers to fetches as they arrive, piece by piece: the fields around the batches, the head of each batch;
 * the records are passed over unseen, so that they are never copied or put together.
 */
export class FetchParser {
  readonly #version: number
  readonly #events: FetchEvents
  #step: () => void = this.#beginAnswer
  /** What is read now. */
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  #end = 0
  /** The beginning of fields whose end is still to come. */
  readonly #rest = Buffer.allocUnsafeSlow(FIELDS_BYTES_MAX)
  #restBytes = 0
  /** To be passed over before the next step. */
  #skip = 0
  /** Its head was read; it is told when the rest was passed over. */
  #arriving: FetchedBatch | null = null
  #correlationId = 0
  #errorCode = 0
  #throttleMs = 0
  #topicsLeft = 0
  #topic = ''
  #partitionsLeft = 0
  #recordsLeft = 0

  constructor(version: number, events: FetchEvents) {
    this.#version = version
    this.#events = events
  }

  push(bytes: Buffer, end: number): void {
    let at = 0
    while (this.#restBytes > 0) {
      // Fields that began in an earlier piece: read them from a copy with a little of this one.
      const kept = this.#restBytes
      const added = Math.min(end - at, PIECE_BYTES, FIELDS_BYTES_MAX - kept)
      if (added === 0 && at < end) throw new ConnectionError('an answer to a fetch has no end')
      bytes.copy(this.#rest, kept, at, at + added)
      this.#restBytes = 0
      const readTo = this.#read(this.#rest, 0, kept + added, kept)
      if (readTo < kept) {
        // Even all of it is too little.
        this.#restBytes = kept + added
        if (readTo > 0) this.#rest.copyWithin(0, readTo, kept + added)
        this.#restBytes -= readTo
        if (at + added === end) return
        at += added
        continue
      }
      at += readTo - kept
    }
    const readTo = this.#read(bytes, at, end, end)
    const left = end - readTo
    if (left > FIELDS_BYTES_MAX) throw new ConnectionError('an answer to a fetch has no end')
    bytes.copy(this.#rest, 0, readTo, end)
    this.#restBytes = left
  }

  /** Reads whole steps until it is past `enough`, or cut off; returns where the next step begins. */
  #read(bytes: Buffer, from: number, end: number, enough: number): number {
    this.#bytes = bytes
    this.#at = from
    this.#end = end
    for (;;) {
      const skipped = Math.min(this.#skip, this.#end - this.#at)
      this.#at += skipped
      this.#skip -= skipped
      if (this.#skip === 0 && this.#arriving !== null) {
        this.#events.onBatch(this.#arriving)
        this.#arriving = null
      }
      if (this.#skip > 0 || this.#at >= enough) return this.#at
      const begunAt = this.#at
      try {
        this.#step()
      } catch (error) {
        if (error !== cutOff) throw error
        this.#at = begunAt
        return begunAt
      }
    }
  }

  #need(count: number): number {
    const at = this.#at
    if (at + count > this.#end) throw cutOff
    this.#at = at + count
    return at
  }

  #int8(): number {
    return this.#bytes[this.#need(1)] as number
  }

  #int16(): number {
    return this.#bytes.readInt16BE(this.#need(2))
  }

  #int32(): number {
    return int32At(this.#bytes, this.#need(4))
  }

  #int64(): number {
    const at = this.#need(8)
    return int32At(this.#bytes, at) * 4294967296 + uint32At(this.#bytes, at + 4)
  }

  #uvarint(): number {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = this.#int8()
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
      if (shift > 28) throw new ConnectionError('an answer to a fetch has no end')
    }
  }

  #tags(): void {
    for (let left = this.#uvarint(); left > 0; left--) {
      this.#uvarint()
      this.#need(this.#uvarint())
    }
  }

  #beginAnswer(): void {
    this.#int32()
    const correlationId = this.#int32()
    this.#tags()
    const throttleMs = this.#int32()
    const errorCode = this.#int16()
    this.#int32()
    const topics = this.#uvarint() - 1
    this.#correlationId = correlationId
    this.#throttleMs = throttleMs
    this.#errorCode = errorCode
    this.#topicsLeft = Math.max(0, topics)
    this.#step = this.#topicsLeft > 0 ? this.#beginTopic : this.#endAnswer
  }

  #beginTopic(): void {
    const topic =
      this.#version >= TOPIC_ID_VERSION
        ? this.#bytes.toString('base64url', this.#need(16), this.#at)
        : this.#bytes.toString('utf8', this.#need(this.#uvarint() - 1), this.#at)
    const partitions = this.#uvarint() - 1
    this.#topic = topic
    this.#partitionsLeft = partitions
    this.#step = partitions > 0 ? this.#beginPartition : this.#endTopic
  }

  #beginPartition(): void {
    const partition = this.#int32()
    const errorCode = this.#int16()
    const highWatermark = this.#int64()
    this.#int64()
    this.#int64()
    const aborted = this.#uvarint() - 1
    for (let left = aborted; left > 0; left--) {
      this.#need(16)
      this.#tags()
    }
    this.#int32()
    const recordBytes = this.#uvarint() - 1
    this.#recordsLeft = Math.max(0, recordBytes)
    if (errorCode === 0) this.#events.onPartition(this.#topic, partition, highWatermark)
    else this.#events.onError(this.#topic, partition, errorCode)
    this.#step = this.#recordsLeft > 0 ? this.#batch : this.#endPartition
  }

  #batch(): void {
    if (this.#recordsLeft < BATCH_OVERHEAD) {
      this.#passOver(this.#recordsLeft)
      return
    }
    const at = this.#need(BATCH_OVERHEAD)
    const bytes = this.#bytes
    const sizeBytes = int32At(bytes, at + 8) + 12
    if (sizeBytes < BATCH_OVERHEAD)
      throw new ConnectionError('an answer to a fetch has a batch without records')
    if (sizeBytes <= this.#recordsLeft) {
      const baseOffset = int32At(bytes, at) * 4294967296 + uint32At(bytes, at + 4)
      const isControl = ((bytes[at + ATTRIBUTES_AT + 1] as number) & CONTROL_BIT) !== 0
      this.#arriving = {
        baseOffset,
        lastOffset: baseOffset + int32At(bytes, at + 23),
        recordCount: isControl ? 0 : int32At(bytes, at + 57),
        sizeBytes,
      }
    }
    const taken = Math.min(sizeBytes, this.#recordsLeft)
    this.#recordsLeft -= BATCH_OVERHEAD
    this.#passOver(taken - BATCH_OVERHEAD)
  }

  #passOver(count: number): void {
    this.#skip = count
    this.#recordsLeft -= count
    if (this.#recordsLeft <= 0) this.#step = this.#endPartition
  }

  #endPartition(): void {
    this.#tags()
    this.#partitionsLeft--
    this.#step = this.#partitionsLeft > 0 ? this.#beginPartition : this.#endTopic
  }

  #endTopic(): void {
    this.#tags()
    this.#topicsLeft--
    this.#step = this.#topicsLeft > 0 ? this.#beginTopic : this.#endAnswer
  }

  #endAnswer(): void {
    this.#tags()
    this.#step = this.#beginAnswer
    this.#events.onEnd(this.#correlationId, this.#errorCode, this.#throttleMs)
  }
}
