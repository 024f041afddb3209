import { connect } from 'node:net'
import type { Socket } from 'node:net'
import {
  apis,
  decodeBatch,
  decodeResponse,
  encodeBatch,
  encodeRequest,
  forEachBatch,
  responseReader,
} from '@trimaran/protocol'
import type { Api, Decoded, Encodable, Struct } from '@trimaran/protocol'
import { FrameReader } from '../../src/frame-reader.ts'

/** One connection, raw requests; answers in order. For tests of the server as a client sees it. */
export class KafkaClient {
  readonly #socket: Socket
  readonly #frames = new FrameReader(256 * 1024 * 1024)
  readonly #waiting: { resolve: (frame: Uint8Array) => void; reject: (error: Error) => void }[] = []
  #correlationId = 0

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('data', chunk => {
      this.#frames.add(chunk)
      for (let frame = this.#frames.next(); frame !== null; frame = this.#frames.next()) {
        this.#waiting.shift()?.resolve(frame)
      }
    })
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('connection closed'))
    })
  }

  async request<Q extends Struct, R extends Struct>(
    api: Api<Q, R>,
    version: number,
    body: Encodable<Q>,
  ): Promise<Decoded<R>> {
    const correlationId = this.#correlationId++
    const frame = await new Promise<Uint8Array>((resolve, reject) => {
      if (this.#socket.destroyed) {
        reject(new Error('connection closed'))
        return
      }
      this.#waiting.push({ resolve, reject })
      for (const part of encodeRequest(api, version, { correlationId, clientId: 'test' }, body))
        this.#socket.write(part)
    })
    return decodeResponse(api, version, responseReader(frame)).body
  }

  /** Of one record; the base offset, or the error code as a negative number minus one thousand. */
  async produce(
    topic: string,
    partition: number,
    value: string,
  ): Promise<{ errorCode: number; baseOffset: number }> {
    const records = encodeBatch({
      records: [{ key: null, value: Buffer.from(value), headers: [], timestampMs: Date.now() }],
    })
    const { responses } = await this.request(apis.produce, 9, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 5_000,
      topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
    })
    const answer = responses[0]?.partitionResponses[0]
    if (answer === undefined) throw new Error('no answer for the partition')
    return answer
  }

  /** Every value from `offset` on that a consumer may see now. */
  async consume(
    topic: string,
    partition: number,
    offset = 0,
  ): Promise<{ errorCode: number; values: string[]; highWatermark: number }> {
    const { responses } = await this.request(apis.fetch, 12, {
      replicaId: -1,
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 10_000_000,
      isolationLevel: 0,
      sessionId: 0,
      sessionEpoch: -1,
      topics: [
        {
          topic,
          partitions: [
            {
              partition,
              currentLeaderEpoch: -1,
              fetchOffset: offset,
              lastFetchedEpoch: -1,
              logStartOffset: -1,
              partitionMaxBytes: 10_000_000,
            },
          ],
        },
      ],
      forgottenTopicsData: [],
      rackId: '',
    })
    const answer = responses[0]?.partitions[0]
    if (answer === undefined) throw new Error('no answer for the partition')
    const values: string[] = []
    const bytes = answer.records ?? new Uint8Array(0)
    forEachBatch(bytes, (_header, at) => {
      for (const { value, offset: own } of decodeBatch(bytes, at).records) {
        if (own >= offset) values.push(Buffer.from(value ?? []).toString())
      }
    })
    return { errorCode: answer.errorCode, values, highWatermark: answer.highWatermark }
  }

  metadata(): Promise<Decoded<(typeof apis.metadata)['response']>> {
    return this.request(apis.metadata, 9, {
      topics: null,
      allowAutoTopicCreation: false,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    })
  }

  close(): void {
    this.#socket.destroy()
  }
}
