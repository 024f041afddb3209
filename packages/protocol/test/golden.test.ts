/**
 * Bytes put together by hand from the protocol guide: `|` separates fields, so that a reader can follow. They are what
 * other implementations send, so they must not change when the code does.
 */
import { describe, expect, test } from 'vitest'
import {
  Reader,
  Writer,
  apis,
  codecsOf,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  responseReader,
} from '../src/index.ts'

const hex = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text.replace(/[^0-9a-f]/g, ''), 'hex'))
const toHex = (chunks: readonly Uint8Array[]): string => Buffer.concat(chunks).toString('hex')
const plain = (text: string): string => text.replace(/[^0-9a-f]/g, '')

const id = 'AQIDBAUGBwgJCgsMDQ4PEA'
const idHex = '0102030405060708090a0b0c0d0e0f10'

describe('headers', () => {
  test('a request of a version that is not flexible has header 1: no tagged fields', () => {
    const frame = plain(
      '0000001c | 000c | 0003 | 00000007 | 0002 6162 | 0001 67 | 00000005 | 0002 6d31 | 0003 694964',
    )
    const body = { groupId: 'g', generationId: 5, memberId: 'm1', groupInstanceId: 'iId' }
    const sent = encodeRequest(apis.heartbeat, 3, { correlationId: 7, clientId: 'ab' }, body)
    expect(toHex(sent)).toBe(frame)
    const reader = new Reader(hex(frame), 4)
    expect(decodeRequestHeader(reader)).toEqual({
      apiKey: 12,
      apiVersion: 3,
      correlationId: 7,
      clientId: 'ab',
    })
    expect(codecsOf(apis.heartbeat).request(3).decode(reader)).toEqual(body)
  })

  test('a request of a flexible version has header 2: the client id is not compact, tagged fields follow', () => {
    const frame = plain(
      '00000018 | 000c | 0004 | 00000007 | 0002 6162 | 00 || 02 67 | 00000005 | 03 6d31 | 00 | 00',
    )
    const body = { groupId: 'g', generationId: 5, memberId: 'm1', groupInstanceId: null }
    const sent = encodeRequest(apis.heartbeat, 4, { correlationId: 7, clientId: 'ab' }, body)
    expect(toHex(sent)).toBe(frame)
    const reader = new Reader(hex(frame), 4)
    expect(decodeRequestHeader(reader).clientId).toBe('ab')
    expect(codecsOf(apis.heartbeat).request(4).decode(reader)).toEqual(body)
    expect(reader.remaining).toBe(0)
  })

  test('tagged fields of a request header are skipped, a missing client id is null', () => {
    const reader = new Reader(
      hex('000c | 0004 | ffffffff | ffff | 02 | 00 02 aabb | 05 00 | 02 67'),
    )
    expect(decodeRequestHeader(reader)).toEqual({
      apiKey: 12,
      apiVersion: 4,
      correlationId: -1,
      clientId: null,
    })
    expect(reader.compactString()).toBe('g')
  })

  test('a response of a flexible version has header 1', () => {
    const frame = plain('0000000c | 00000009 | 00 || 00000000 | 001b | 00')
    expect(toHex(encodeResponse(apis.heartbeat, 4, 9, { errorCode: 27 }))).toBe(frame)
    const answer = decodeResponse(apis.heartbeat, 4, responseReader(hex(frame).subarray(4)))
    expect(answer).toEqual({ correlationId: 9, body: { throttleTimeMs: 0, errorCode: 27 } })
  })

  test('the answer to ApiVersions has header 0 in every version, though its body is flexible', () => {
    const body = { errorCode: 0, apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }] }
    const frame = plain('00000013 | 00000001 || 0000 | 02 | 0012 0000 0004 00 | 00000000 | 00')
    expect(toHex(encodeResponse(apis.apiVersions, 3, 1, body))).toBe(frame)
    expect(toHex(encodeResponse(apis.apiVersions, 0, 1, { ...body, errorCode: 35 }))).toBe(
      plain('00000010 | 00000001 | 0023 | 00000001 | 0012 0000 0004'),
    )
  })

  test('an ApiVersions request newer than all that are known still has a readable header', () => {
    const reader = new Reader(hex('0012 | 0063 | 00000003 | 0001 78 | 00'))
    expect(decodeRequestHeader(reader)).toEqual({
      apiKey: 18,
      apiVersion: 99,
      correlationId: 3,
      clientId: 'x',
    })
  })

  test('an api key that is not in the table is a ProtocolError', () => {
    expect(() => decodeRequestHeader(new Reader(hex('270f | 0000 | 00000001 | ffff')))).toThrow(
      'api key 9999',
    )
  })
})

describe('ApiVersions', () => {
  test('v3 carries the features in tagged fields, in order of their tags and only if there are any', () => {
    const body = {
      errorCode: 0,
      apiKeys: [],
      finalizedFeaturesEpoch: 7,
      finalizedFeatures: [{ name: 'f', maxVersionLevel: 2, minVersionLevel: 1 }],
    }
    const bytes = plain(
      '0000 | 01 | 00000000 | 02 | 01 08 0000000000000007 | 02 08 02 0266 0002 0001 00',
    )
    expect(encoded(w => codecsOf(apis.apiVersions).response(3).encode(w, body))).toBe(bytes)
    const decoded = codecsOf(apis.apiVersions)
      .response(3)
      .decode(new Reader(hex(bytes)))
    expect(decoded).toMatchObject({ ...body, supportedFeatures: [], zkMigrationReady: false })
  })
})

describe('Metadata', () => {
  test('v1 asks for all topics with null, for none with an empty array', () => {
    const codec = codecsOf(apis.metadata).request(1)
    expect(codec.decode(new Reader(hex('ffffffff'))).topics).toBeNull()
    expect(codec.decode(new Reader(hex('00000000'))).topics).toEqual([])
    expect(encoded(w => codec.encode(w, { topics: null }))).toBe('ffffffff')
  })

  test('v0 knows no null: it is written as the empty array, which there means all topics', () => {
    expect(encoded(w => codecsOf(apis.metadata).request(0).encode(w, { topics: null }))).toBe(
      '00000000',
    )
  })

  test('v12 names a topic by id, with a null name', () => {
    const bytes = plain(`02 | ${idHex} 00 00 | 01 | 00 | 00`)
    const body = { topics: [{ topicId: id, name: null }], allowAutoTopicCreation: true }
    expect(encoded(w => codecsOf(apis.metadata).request(12).encode(w, body))).toBe(bytes)
    expect(
      codecsOf(apis.metadata)
        .request(12)
        .decode(new Reader(hex(bytes))).topics,
    ).toEqual(body.topics)
  })
})

describe('Produce', () => {
  test('v9 carries records as compact bytes; the decoded ones are a view on the request', () => {
    const bytes = hex('00 | ffff | 00007530 | 02 | 0274 | 02 | 00000000 | 04 0a0b0c | 00 | 00 | 00')
    const request = codecsOf(apis.produce).request(9).decode(new Reader(bytes))
    expect(request).toMatchObject({ transactionalId: null, acks: -1, timeoutMs: 30_000 })
    const records = request.topicData[0]!.partitionData[0]!.records!
    expect(records).toEqual(Uint8Array.of(10, 11, 12))
    expect(records.buffer).toBe(bytes.buffer)
  })

  test('v10 tells the new leader in tagged fields', () => {
    const body = {
      throttleTimeMs: 0,
      responses: [
        {
          name: 't',
          partitionResponses: [
            {
              index: 1,
              errorCode: 6,
              baseOffset: -1,
              logAppendTimeMs: -1,
              currentLeader: { leaderId: 2, leaderEpoch: 8 },
            },
          ],
        },
      ],
      nodeEndpoints: [{ nodeId: 2, host: 'h', port: 9092, rack: null }],
    }
    const minusOne = 'ffffffffffffffff'
    expect(encoded(w => codecsOf(apis.produce).response(10).encode(w, body))).toBe(
      plain(`02 | 0274 | 02 | 00000001 | 0006 | ${minusOne} | ${minusOne} | ${minusOne} | 01 | 00
        | 01 | 00 09 00000002 00000008 00 | 00 | 00000000
        | 01 | 00 0d 02 00000002 0268 00002384 00 00`),
    )
  })
})

describe('Fetch', () => {
  test('v4, as old clients send it', () => {
    const bytes =
      plain(`ffffffff | 000001f4 | 00000001 | 00100000 | 01 | 00000001 | 0001 74 | 00000001
      | 00000003 | 000000000000002a | 00010000`)
    const request = codecsOf(apis.fetch)
      .request(4)
      .decode(new Reader(hex(bytes)))
    expect(request).toMatchObject({
      replicaId: -1,
      maxWaitMs: 500,
      isolationLevel: 1,
      sessionEpoch: -1,
    })
    expect(request.topics).toEqual([
      {
        topic: 't',
        topicId: 'AAAAAAAAAAAAAAAAAAAAAA',
        partitions: [
          {
            partition: 3,
            fetchOffset: 42,
            partitionMaxBytes: 65536,
            currentLeaderEpoch: -1,
            lastFetchedEpoch: -1,
            logStartOffset: -1,
            replicaDirectoryId: 'AAAAAAAAAAAAAAAAAAAAAA',
            highWatermark: Number.MAX_SAFE_INTEGER,
          },
        ],
      },
    ])
    expect(encoded(w => codecsOf(apis.fetch).request(4).encode(w, request))).toBe(bytes)
  })

  test('v17 hands large records over by reference, between the bytes around them', () => {
    const records = new Uint8Array(5000).fill(7)
    const partition = {
      partitionIndex: 0,
      errorCode: 0,
      highWatermark: 9,
      lastStableOffset: 9,
      abortedTransactions: null,
      records,
    }
    const frame = encodeResponse(apis.fetch, 17, 1, {
      throttleTimeMs: 0,
      responses: [{ topicId: id, partitions: [partition] }],
    })
    expect(frame).toHaveLength(3)
    expect(frame[1]).toBe(records)
    const size = frame.reduce((sum, chunk) => sum + chunk.length, 0)
    expect(Buffer.from(frame[0]!).readInt32BE(0)).toBe(size - 4)
  })

  test('v12 divergence is a tagged field of the partition; fields it leaves out keep their fallbacks', () => {
    const bytes = plain(`00000000 | 0000 | 00000000 | 02 | 0274 | 02 | 00000000 | 0000
      | 0000000000000005 | 0000000000000005 | 0000000000000000 | 01 | ffffffff | 01
      | 01 | 00 0d 00000003 0000000000000004 00 | 00 | 00`)
    const { responses } = codecsOf(apis.fetch)
      .response(12)
      .decode(new Reader(hex(bytes)))
    expect(responses[0]!.partitions[0]).toMatchObject({
      divergingEpoch: { epoch: 3, endOffset: 4 },
      currentLeader: { leaderId: -1, leaderEpoch: -1 },
      abortedTransactions: [],
      records: new Uint8Array(0),
    })
  })
})

describe('nullable structs', () => {
  test('DescribeTopicPartitions: a byte says whether there is a cursor', () => {
    const codec = codecsOf(apis.describeTopicPartitions).request(0)
    const without = { topics: [], responsePartitionLimit: 2000, cursor: null }
    expect(encoded(w => codec.encode(w, without))).toBe(plain('01 | 000007d0 | ff | 00'))
    const withOne = { ...without, cursor: { topicName: 't', partitionIndex: 3 } }
    expect(encoded(w => codec.encode(w, withOne))).toBe(
      plain('01 | 000007d0 | 01 0274 00000003 00 | 00'),
    )
    expect(codec.decode(new Reader(hex('01 | 000007d0 | 01 0274 00000003 00 | 00')))).toEqual(
      withOne,
    )
    expect(codec.decode(new Reader(hex('01 | 000007d0 | ff | 00')))).toEqual(without)
  })
})

function encoded(encode: (writer: Writer) => void): string {
  const writer = new Writer()
  encode(writer)
  return Buffer.from(writer.finishOne()).toString('hex')
}
