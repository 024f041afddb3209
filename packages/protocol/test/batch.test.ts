import { Prng } from '@trimaran/common'
import { describe, expect, test } from 'vitest'
import {
  BATCH_OVERHEAD,
  OutputTooLargeError,
  ProtocolError,
  batchBaseOffset,
  batchSizeBytes,
  compress,
  compressions,
  decodeBatch,
  decompress,
  encodeBatch,
  forEachBatch,
  readBatchHeader,
  sequenceAfter,
  stampAppendTime,
  stampBatch,
  verifyBatchCrc,
} from '../src/index.ts'

const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value))
const nowMs = 1_700_000_000_000

const records = [
  {
    key: text('k1'),
    value: text('v1'),
    timestampMs: nowMs,
    headers: [{ key: 'größe', value: null }],
  },
  { key: null, value: text('v2'.repeat(300)), timestampMs: nowMs + 5, headers: [] },
  {
    key: text('k3'),
    value: null,
    timestampMs: nowMs - 1,
    headers: [{ key: '', value: text('x') }],
  },
]

/** One record with a header, as another implementation wrote it down. */
const foreign = Uint8Array.from([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 70, 0, 0, 0, 0, 2, 84, 121, 97, 253, 0, 0, 0, 0, 0, 0, 0, 0, 1,
  88, 141, 205, 89, 56, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  1, 40, 0, 10, 0, 8, 1, 2, 3, 4, 6, 5, 6, 7, 2, 6, 8, 9, 10, 4, 11, 12,
])

describe('a batch written elsewhere', () => {
  test('is read, checksum and all', () => {
    expect(verifyBatchCrc(foreign, 0, foreign.length)).toBe(true)
    const batch = decodeBatch(foreign)
    expect(batch.header).toMatchObject({
      sizeBytes: 82,
      recordCount: 1,
      producerId: 0,
      baseSequence: 0,
      lastSequence: 0,
    })
    expect(batch.records).toEqual([
      {
        offset: 0,
        timestampMs: batch.header.baseTimestampMs + 5,
        key: Uint8Array.of(1, 2, 3, 4),
        value: Uint8Array.of(5, 6, 7),
        headers: [{ key: '\b\t\n', value: Uint8Array.of(11, 12) }],
      },
    ])
  })
})

describe('encodeBatch and decodeBatch', () => {
  test.each(compressions)('%s: records come back as they went in', compression => {
    const bytes = encodeBatch({ records, compression, baseOffset: 100, partitionLeaderEpoch: 3 })
    expect(verifyBatchCrc(bytes, 0, bytes.length)).toBe(true)
    const batch = decodeBatch(bytes)
    expect(batch.header).toMatchObject({
      baseOffset: 100,
      lastOffset: 102,
      partitionLeaderEpoch: 3,
      compression,
      recordCount: 3,
      baseTimestampMs: nowMs,
      maxTimestampMs: nowMs + 5,
      timestampType: 'createTime',
      isTransactional: false,
      isControl: false,
      producerId: -1,
      producerEpoch: -1,
      baseSequence: -1,
      lastSequence: -1,
    })
    expect(batch.records).toEqual(
      records.map((record, index) => ({ offset: 100 + index, ...record })),
    )
  })

  test.each(compressions)('%s: content of every size and shape survives', compression => {
    const prng = new Prng(1)
    for (const size of [0, 1, 12, 13, 64, 65_535, 65_536, 65_537, 300_000]) {
      const random = prng.bytes(size)
      const repeating = Uint8Array.from({ length: size }, (_, at) => (at * at) % 7)
      for (const content of [random, repeating]) {
        expect(decompress(compression, compress(compression, content), size)).toEqual(content)
      }
    }
  })

  test('producer fields and flags are carried', () => {
    const bytes = encodeBatch({
      records,
      producerId: 2 ** 40,
      producerEpoch: 7,
      baseSequence: 2 ** 31 - 2,
      isTransactional: true,
      isControl: true,
    })
    expect(readBatchHeader(bytes, 0)).toMatchObject({
      producerId: 2 ** 40,
      producerEpoch: 7,
      baseSequence: 2 ** 31 - 2,
      lastSequence: 0,
      isTransactional: true,
      isControl: true,
    })
  })

  test('compaction may leave gaps, keep the last offset and set a delete horizon', () => {
    const kept = [
      { ...records[0]!, offsetDelta: 2 },
      { ...records[2]!, offsetDelta: 7 },
    ]
    const bytes = encodeBatch({
      records: kept,
      baseOffset: 10,
      lastOffsetDelta: 9,
      deleteHorizonMs: nowMs + 1000,
    })
    const batch = decodeBatch(bytes)
    expect(batch.records.map(record => record.offset)).toEqual([12, 17])
    expect(batch.records.map(record => record.timestampMs)).toEqual([nowMs, nowMs - 1])
    expect(batch.header).toMatchObject({
      lastOffset: 19,
      hasDeleteHorizon: true,
      baseTimestampMs: nowMs + 1000,
    })
  })

  test('sequences wrap after 2^31 - 1', () => {
    expect(sequenceAfter(2 ** 31 - 1, 1)).toBe(0)
    expect(sequenceAfter(5, 3)).toBe(8)
  })
})

describe('in place', () => {
  test('stamping offset and leader epoch leaves the checksum right', () => {
    const bytes = encodeBatch({ records })
    stampBatch(bytes, 0, 5_000_000_000, 9)
    expect(batchBaseOffset(bytes, 0)).toBe(5_000_000_000)
    expect(readBatchHeader(bytes, 0)).toMatchObject({
      partitionLeaderEpoch: 9,
      lastOffset: 5_000_000_002,
    })
    expect(verifyBatchCrc(bytes, 0, bytes.length)).toBe(true)
  })

  test('append time is one time for all records, and the checksum is renewed', () => {
    const bytes = encodeBatch({ records })
    stampAppendTime(bytes, 0, nowMs + 77)
    expect(verifyBatchCrc(bytes, 0, bytes.length)).toBe(true)
    expect(decodeBatch(bytes).records.map(record => record.timestampMs)).toEqual([
      nowMs + 77,
      nowMs + 77,
      nowMs + 77,
    ])
  })

  test('any flipped bit after the checksum is found', () => {
    const bytes = encodeBatch({ records })
    for (let at = 21; at < bytes.length; at++) {
      bytes[at]! ^= 1 << (at % 8)
      expect(verifyBatchCrc(bytes, 0, bytes.length)).toBe(false)
      bytes[at]! ^= 1 << (at % 8)
    }
    expect(verifyBatchCrc(bytes, 0, bytes.length + 1)).toBe(false)
  })
})

describe('forEachBatch', () => {
  const two = Buffer.concat([encodeBatch({ records }), encodeBatch({ records, baseOffset: 3 })])

  test('visits whole batches and stops before one that is cut off', () => {
    const first = batchSizeBytes(two, 0)
    for (let end = 0; end <= two.length; end++) {
      const seen: number[] = []
      const taken = forEachBatch(two.subarray(0, end), header => seen.push(header.baseOffset))
      expect(seen).toEqual(end < first ? [] : end < two.length ? [0] : [0, 3])
      expect(taken).toBe(seen.length === 0 ? 0 : seen.length === 1 ? first : two.length)
    }
  })

  test('tells where each begins', () => {
    const at: number[] = []
    forEachBatch(two, (_, position) => at.push(position))
    expect(at).toEqual([0, batchSizeBytes(two, 0)])
  })
})

describe('bytes that are no batch', () => {
  test('a header that is cut off, of another format or claims too little is a ProtocolError', () => {
    const bytes = encodeBatch({ records })
    expect(() => readBatchHeader(bytes.subarray(0, BATCH_OVERHEAD - 1), 0)).toThrow(ProtocolError)
    for (const magic of [0, 1, 3, 255]) {
      const other = Uint8Array.from(bytes)
      other[16] = magic
      expect(() => readBatchHeader(other, 0)).toThrow(`format ${magic}`)
    }
    for (const length of [48, 0, -1, -2147483648]) {
      const short = Buffer.from(bytes)
      short.writeInt32BE(length, 8)
      expect(() => readBatchHeader(short, 0)).toThrow('cannot be')
    }
  })

  test.each(compressions)(
    '%s: damage is decoded or is a ProtocolError, never anything else',
    compression => {
      const prng = new Prng(compression.length)
      const bytes = encodeBatch({ records, compression })
      const thrown: unknown[] = []
      for (let round = 0; round < 400; round++) {
        const damaged = Uint8Array.from(bytes.subarray(0, prng.between(40, bytes.length)))
        for (let hit = prng.between(0, 4); hit > 0; hit--) {
          damaged[prng.between(12, damaged.length - 1)] = prng.pick([0, 1, 0x7f, 0x80, 0xfe, 0xff])
        }
        try {
          decodeBatch(damaged)
        } catch (error) {
          thrown.push(error)
        }
      }
      expect(thrown.length).toBeGreaterThan(100)
      expect(thrown.filter(error => !(error instanceof ProtocolError))).toEqual([])
    },
  )

  test('a record count beyond the records is a ProtocolError, and so are bytes behind them', () => {
    const bytes = Buffer.from(encodeBatch({ records }))
    for (const count of [4, 2147483647]) {
      bytes.writeInt32BE(count, 57)
      expect(() => decodeBatch(bytes)).toThrow('cut off')
    }
    bytes.writeInt32BE(2, 57)
    expect(() => decodeBatch(bytes)).toThrow('follow the last record')
  })
})

describe('decompression is bounded', () => {
  const zeros = new Uint8Array(8 * 1024 * 1024)

  test.each(compressions)(
    '%s: content above the bound is refused, content at the bound is not',
    compression => {
      const packed = compress(compression, zeros)
      expect(() => decompress(compression, packed, zeros.length - 1)).toThrow(OutputTooLargeError)
      expect(decompress(compression, packed, zeros.length).length).toBe(zeros.length)
    },
  )

  test('a batch is not unpacked beyond the bound given', () => {
    const bytes = encodeBatch({ records: [{ value: zeros, timestampMs: 0 }], compression: 'gzip' })
    expect(() => decodeBatch(bytes, 0, { maxDecompressedBytes: 1024 })).toThrow(OutputTooLargeError)
  })

  test('snappy: a preamble that claims much is refused before anything is allocated', () => {
    const claim = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0)
    expect(() => decompress('snappy', claim, 1024)).toThrow(OutputTooLargeError)
  })

  test('snappy: chunk sizes of the framing that lie are refused', () => {
    const framed = Buffer.from(compress('snappy', new Uint8Array(100)))
    for (const size of [-1, 0, 2147483647]) {
      framed.writeInt32BE(size, 16)
      expect(() => decompress('snappy', framed, 1024)).toThrow(ProtocolError)
    }
  })

  test('snappy without framing is read too', () => {
    // Preamble 5, then a literal of 5 bytes.
    expect(decompress('snappy', Uint8Array.of(5, 4 << 2, 1, 2, 3, 4, 5), 5)).toEqual(
      Uint8Array.of(1, 2, 3, 4, 5),
    )
  })

  test('lz4: matches that reach before the start, and frames with a dictionary, are refused', () => {
    const frame = (flags: number, ...block: number[]): Uint8Array =>
      Uint8Array.of(
        4,
        0x22,
        0x4d,
        0x18,
        flags,
        0x40,
        0,
        block.length,
        0,
        0,
        0,
        ...block,
        0,
        0,
        0,
        0,
      )
    expect(decompress('lz4', frame(0x60, 0x10, 7, 1, 0, 0), 100)).toEqual(
      Uint8Array.of(7, 7, 7, 7, 7),
    )
    expect(() => decompress('lz4', frame(0x60, 0x10, 7, 2, 0, 0), 100)).toThrow('before the start')
    expect(() => decompress('lz4', frame(0x60, 0x10, 7, 0, 0, 0), 100)).toThrow('before the start')
    expect(() => decompress('lz4', frame(0x61, 0x10, 7, 1, 0, 0), 100)).toThrow('dictionaries')
    expect(() => decompress('lz4', frame(0x60, 0x1f, 7, 1, 0, 255, 255, 0), 100)).toThrow(
      OutputTooLargeError,
    )
  })
})
