import {
  apis,
  decodeResponse,
  errorCodes,
  forEachBatch,
  recordCursor,
  responseReader,
  DECOMPRESSED_BYTES_MAX,
} from '@trimaran/protocol'
import { topicKey, type FetchEvents } from './fetch-format.ts'
import { FrameAssembler } from './raw-socket.ts'

/** Reads whole answers to fetches, down to the values: for loads that look at what they read. */
export class RecordReader {
  readonly #frames: FrameAssembler
  readonly #version: number
  readonly #events: FetchEvents
  readonly #onValue: (bytes: Uint8Array, at: number, length: number) => void

  constructor(
    version: number,
    events: FetchEvents,
    onValue: (bytes: Uint8Array, at: number, length: number) => void,
  ) {
    this.#version = version
    this.#events = events
    this.#onValue = onValue
    this.#frames = new FrameAssembler((bytes, at, end) => this.#answer(bytes.subarray(at, end)))
  }

  push(bytes: Buffer, end: number): void {
    this.#frames.push(bytes, end)
  }

  #answer(frame: Uint8Array): void {
    const { correlationId, body } = decodeResponse(apis.fetch, this.#version, responseReader(frame))
    for (const topic of body.responses) {
      const key = topicKey(this.#version, topic)
      for (const part of topic.partitions) {
        if (part.errorCode !== errorCodes.NONE) {
          this.#events.onError(key, part.partitionIndex, part.errorCode)
          continue
        }
        this.#events.onPartition(key, part.partitionIndex, part.highWatermark)
        if (part.records !== null) this.#batches(part.records)
      }
    }
    this.#events.onEnd(correlationId, body.errorCode, body.throttleTimeMs)
  }

  #batches(records: Uint8Array): void {
    forEachBatch(records, (header, at) => {
      const { baseOffset, lastOffset, sizeBytes, isControl } = header
      const recordCount = isControl ? 0 : header.recordCount
      const from = this.#events.onBatch({ baseOffset, lastOffset, sizeBytes, recordCount })
      if (isControl) return
      const cursor = recordCursor(records, at, header, DECOMPRESSED_BYTES_MAX)
      for (let left = recordCount; left > 0; left--) {
        cursor.next()
        if (baseOffset + cursor.offsetDelta >= from)
          this.#onValue(cursor.bytes, cursor.valueAt, cursor.valueLength)
      }
    })
  }
}
