import {
  apis,
  decodeBatch,
  encodeBatch,
  encodeResponse,
  sequenceAfter,
  setInt32,
  verifyBatchCrc,
} from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { FetchParser, type FetchEvents } from '../src/perf/fetch-format.ts'
import { LatencyHistogram } from '../src/perf/histogram.ts'
import {
  checkConsume,
  checkEndToEnd,
  checkProduce,
  type ProduceOptions,
} from '../src/perf/options.ts'
import { prepareBatches, payloads } from '../src/perf/payload.ts'
import { PreparedBatch, notIdempotent } from '../src/perf/prepared-batch.ts'
import { FrameAssembler } from '../src/perf/raw-socket.ts'

/** The same numbers every time. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

const whole = (batch: PreparedBatch, sequence: number): Uint8Array => {
  const bytes = new Uint8Array(batch.sizeBytes)
  const headEnd = batch.writeHead(bytes, 0, sequence)
  bytes.set(batch.body, headEnd)
  return bytes
}

test('the checksum put together from the bits of the sequence is that of the batch', () => {
  const next = random(7)
  const last = 2 ** 31 - 1
  for (const valueBytes of [1, 7, 100, 1024, 65_536]) {
    for (const compression of ['none', 'lz4'] as const) {
      const values = Array.from({ length: 1 + Math.floor(next() * 5) }, () =>
        Buffer.from(Array.from({ length: valueBytes }, () => Math.floor(next() * 256))),
      )
      const producerId = Math.floor(next() * 1e9)
      const batch = PreparedBatch.of(values, 1_700_000_000_000, compression).by({
        ...{ producerId, producerEpoch: 3 },
      })
      const around = sequenceAfter(last - 1, batch.recordCount)
      const sequences = [0, 1, 2, 1000, 2 ** 30, last - 1, last, around]
      for (let each = 0; each < 50; each++) sequences.push(Math.floor(next() * 2 ** 31))
      for (const sequence of sequences) {
        const bytes = whole(batch, sequence)
        expect(verifyBatchCrc(bytes, 0, bytes.length)).toBe(true)
        const { header, records } = decodeBatch(bytes)
        expect(header).toMatchObject({ baseSequence: sequence, producerId, producerEpoch: 3 })
        expect(records.map(({ value }) => value?.length)).toEqual(values.map(v => v.length))
        // The check can fail: a sequence of which the checksum does not know.
        setInt32(bytes, 53, sequence ^ 1)
        expect(verifyBatchCrc(bytes, 0, bytes.length)).toBe(false)
      }
    }
  }
})

test('a batch without a producer id has no sequence and a right checksum', () => {
  const batch = PreparedBatch.of([Buffer.from('a')], 1).by(notIdempotent)
  const bytes = whole(batch, 77)
  expect(verifyBatchCrc(bytes, 0, bytes.length)).toBe(true)
  expect(decodeBatch(bytes).header).toMatchObject({ producerId: -1, baseSequence: -1 })
})

test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)(
  'batches with %s fill what they may be large',
  compression => {
    const values = payloads({ recordSizeBytes: 100 })
    const batches = prepareBatches(values, 16_384, compression)
    const first = batches[0] as PreparedBatch
    expect(first.sizeBytes).toBeLessThanOrEqual(16_384 * 1.1)
    expect(first.sizeBytes).toBeGreaterThan(16_384 * 0.75)
    // Once through all values; the last batch is filled up from the first ones.
    const records = batches.reduce((sum, batch) => sum + batch.recordCount, 0)
    expect(records).toBeGreaterThanOrEqual(values.length)
    expect(records).toBeLessThan(values.length + first.recordCount)
  },
)

test('percentiles are at most 1 % off, merged or not', () => {
  const next = random(3)
  const one = new LatencyHistogram()
  const other = new LatencyHistogram()
  const values: number[] = []
  for (let each = 0; each < 20_000; each++) {
    const value = 0.3 * Math.exp(next() * 12)
    values.push(value)
    ;(each % 3 === 0 ? one : other).record(value)
  }
  one.merge(other.data())
  values.sort((a, b) => a - b)
  expect(one.count).toBe(values.length)
  for (const percent of [1, 25, 50, 75, 95, 99, 99.9, 99.99]) {
    const exact = values[Math.ceil((percent / 100) * values.length) - 1] as number
    expect(Math.abs(one.percentileMs(percent) - exact) / exact).toBeLessThan(0.01)
  }
  expect(one.summary().maxMs).toBe(values.at(-1))
  const sum = values.reduce((a, b) => a + b, 0)
  expect(one.summary().averageMs).toBeCloseTo(sum / values.length, 6)
})

test('a histogram bears nothing, zero, and what never ends', () => {
  const histogram = new LatencyHistogram()
  expect(histogram.summary()).toMatchObject({ count: 0, averageMs: 0, p99Ms: 0, maxMs: 0 })
  histogram.record(0)
  expect(histogram.percentileMs(99)).toBe(0)
  histogram.record(1e9)
  expect(histogram.summary().maxMs).toBe(1e9)
})

const batchOf = (baseOffset: number, count: number, valueBytes: number): Uint8Array =>
  encodeBatch({
    baseOffset,
    records: Array.from({ length: count }, () => ({
      timestampMs: 5,
      value: new Uint8Array(valueBytes),
    })),
  })

function answer(version: number, correlationId: number, cutOffBytes: number): Buffer {
  const records = Buffer.concat([batchOf(10, 3, 100), batchOf(13, 1, 3000), batchOf(14, 9, 50)])
  const topicId = Buffer.alloc(16, 9).toString('base64url')
  const partition = {
    ...{ errorCode: 0, highWatermark: 23, lastStableOffset: 23, logStartOffset: 0 },
    ...{ abortedTransactions: null, preferredReadReplica: -1 },
    divergingEpoch: { epoch: -1, endOffset: -1 },
    currentLeader: { leaderId: -1, leaderEpoch: -1 },
    snapshotId: { endOffset: -1, epoch: -1 },
  }
  const parts = encodeResponse(apis.fetch, version, correlationId, {
    ...{ throttleTimeMs: 4, errorCode: 0, sessionId: 0 },
    responses: [
      {
        ...{ topic: 'news', topicId },
        partitions: [
          {
            ...{ ...partition, partitionIndex: 0 },
            records: records.subarray(0, records.length - cutOffBytes),
          },
          { ...partition, partitionIndex: 1, records: null },
          {
            ...{ ...partition, partitionIndex: 2, errorCode: 6, records: null },
            currentLeader: { leaderId: 3, leaderEpoch: 8 },
          },
        ],
      },
    ],
    nodeEndpoints: [{ nodeId: 3, host: 'there', port: 9092, rack: null }],
  })
  return Buffer.concat(parts)
}

test.each([12, 13, 16, 18])('answers to fetches of version %i are read in any pieces', version => {
  const whole = Buffer.concat([
    answer(version, 1, 0),
    answer(version, 2, 5),
    answer(version, 3, batchOf(14, 9, 50).length - 5),
  ])
  const seenIn = (pieces: (at: number) => number): string[] => {
    const seen: string[] = []
    const events: FetchEvents = {
      onPartition: (topic, partition, hw) => seen.push(`${topic} ${partition} hw ${hw}`),
      onError: (_topic, partition, errorCode) => seen.push(`error ${partition} ${errorCode}`),
      onBatch: batch => seen.push(`${batch.baseOffset}-${batch.lastOffset} ${batch.recordCount}`),
      onEnd: (correlationId, errorCode, ms) => seen.push(`end ${correlationId} ${errorCode} ${ms}`),
    }
    const parser = new FetchParser(version, events)
    for (let at = 0; at < whole.length;) {
      const size = Math.min(pieces(at), whole.length - at)
      parser.push(Buffer.from(whole.subarray(at, at + size)), size)
      at += size
    }
    return seen
  }
  const seen = seenIn(() => whole.length)
  const name = version < 13 ? 'news' : Buffer.alloc(16, 9).toString('base64url')
  const rest = [`${name} 1 hw 23`, 'error 2 6']
  expect(seen).toEqual([
    ...[`${name} 0 hw 23`, '10-12 3', '13-13 1', '14-22 9', ...rest, 'end 1 0 4'],
    ...[`${name} 0 hw 23`, '10-12 3', '13-13 1', ...rest, 'end 2 0 4'],
    ...[`${name} 0 hw 23`, '10-12 3', '13-13 1', ...rest, 'end 3 0 4'],
  ])
  for (const size of [1, 2, 3, 7, 61, 100, 1023, 1024, 1025])
    expect(seenIn(() => size)).toEqual(seen)
  const next = random(version)
  for (let round = 0; round < 30; round++)
    expect(seenIn(() => 1 + Math.floor(next() * 1500))).toEqual(seen)
})

test('a batch is told when its last byte is there', () => {
  const bytes = answer(13, 1, 0)
  const toldAt: number[] = []
  let pushed = 0
  const nothing = (): void => {}
  const parser = new FetchParser(13, {
    ...{ onPartition: nothing, onError: nothing, onEnd: nothing },
    onBatch: () => toldAt.push(pushed),
  })
  for (; pushed < bytes.length; parser.push(bytes.subarray(pushed - 1, pushed), 1)) pushed++
  const recordsAt = bytes.indexOf(batchOf(10, 3, 100))
  let end = recordsAt
  const ends = [batchOf(10, 3, 100), batchOf(13, 1, 3000), batchOf(14, 9, 50)].map(
    batch => (end += batch.length),
  )
  expect(recordsAt).toBeGreaterThan(0)
  expect(toldAt).toEqual(ends)
})

test('frames come out whole, however they arrive', () => {
  const frames = [4, 5, 300, 4, 10_000, 17].map((size, at) => {
    const frame = Buffer.alloc(4 + size, at)
    frame.writeInt32BE(size, 0)
    return frame
  })
  const all = Buffer.concat(frames)
  for (const piece of [1, 3, 4, 5, 9, 64, 1000, all.length]) {
    const got: Buffer[] = []
    const assembler = new FrameAssembler((bytes, at, end) =>
      got.push(Buffer.from(bytes.subarray(at, end))),
    )
    for (let at = 0; at < all.length; at += piece) {
      const part = Buffer.from(all.subarray(at, at + piece))
      assembler.push(part, part.length)
    }
    expect(got).toEqual(frames.map(frame => frame.subarray(4)))
  }
  const assembler = new FrameAssembler(() => {})
  expect(() => assembler.push(Buffer.from('HTTP/1.1 400'), 12)).toThrow(/not a Kafka listener/)
})

const produce: ProduceOptions = {
  ...{ bootstrapServers: 'localhost:9092', topic: 't', recordSizeBytes: 100, numRecords: 1 },
}

test.each<[Partial<ProduceOptions>, RegExp]>([
  [{ numRecords: undefined as never }, /no end: numRecords or durationMs/],
  [{ recordSizeBytes: undefined as never }, /recordSizeBytes or payloadFile is needed/],
  [{ payloadFile: '/nonexistent', recordSizeBytes: undefined as never }, /no file \/nonexistent/],
  [{ acks: 1, idempotence: true }, /idempotence needs acks -1/],
  [{ maxInFlight: 6 }, /5 requests in flight at most/],
  [{ throughput: 0 }, /throughput must be -1/],
  [{ compression: 'brotli' as never }, /one of none, gzip, snappy, lz4, zstd/],
  [{ workers: 2 }, /2 workers need at least as many producers/],
  [{ batchBytes: 0 }, /batchBytes must be a whole number from 1/],
  [{ bootstrapServers: 'localhost' }, /is no broker address/],
])('options of a produce load that are wrong: %o', (change, text) => {
  expect(() => checkProduce({ ...produce, ...change })).toThrow(text)
})

test('options of the other loads that are wrong', () => {
  const consume = { bootstrapServers: 'localhost:9092', topics: ['t'] }
  expect(() => checkConsume(consume)).toThrow(/numRecords, durationMs or untilEnd/)
  expect(() => checkConsume({ ...consume, untilEnd: true, members: 2 })).toThrow(/need a group/)
  expect(() => checkConsume({ ...consume, topics: [], untilEnd: true })).toThrow(/at least one/)
  expect(() => checkEndToEnd({ ...produce, throughput: -1 })).toThrow(/above 0/)
  expect(() => checkEndToEnd({ ...produce, throughput: 5, recordSizeBytes: 8 })).toThrow(/16/)
})
