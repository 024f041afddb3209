import { Prng } from '@trimaran/common'
import { describe, expect, test } from 'vitest'
import {
  type BatchToEncode,
  type ProduceRules,
  compressions,
  decodeBatch,
  encodeBatch,
  errorCodes,
  readBatchHeader,
  validateProduceBatch,
  verifyBatchCrc,
} from '../src/index.ts'
import { renewCrc } from '../src/records/batch.ts'

const nowMs = 1_700_000_000_000
const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value))

const rules: ProduceRules = {
  apiVersion: 9,
  maxMessageBytes: 1_048_588,
  compactedTopic: false,
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: 3_600_000,
  nowMs,
  timestampType: 'createTime',
}

const records = Array.from({ length: 5 }, (_, index) => ({
  key: text(`k${index}`),
  value: text(`value ${index}`),
  timestampMs: nowMs + index,
}))

const batch = (changes: Partial<BatchToEncode> = {}): Buffer =>
  Buffer.from(encodeBatch({ records, ...changes }))

/** A batch with some header bytes changed and a checksum that fits. */
function changed(change: (bytes: Buffer) => void, changes: Partial<BatchToEncode> = {}): Buffer {
  const bytes = batch(changes)
  change(bytes)
  renewCrc(bytes, 0, bytes.length)
  return bytes
}

function codeOf(bytes: Uint8Array | null, changes: Partial<ProduceRules> = {}): number {
  const result = validateProduceBatch(bytes, { ...rules, ...changes })
  return result.ok ? errorCodes.NONE : result.errorCode
}

describe('a batch that is fine', () => {
  test.each(compressions)('%s', compression => {
    const bytes = batch({ compression })
    const before = Uint8Array.from(bytes)
    const result = validateProduceBatch(bytes, { ...rules, compactedTopic: true })
    expect(result).toEqual({ ok: true, header: readBatchHeader(bytes, 0) })
    expect(Uint8Array.from(bytes)).toEqual(before)
  })

  test('idempotent and transactional batches, and a producer id without an epoch', () => {
    expect(
      codeOf(batch({ producerId: 5, producerEpoch: 0, baseSequence: 0, isTransactional: true })),
    ).toBe(0)
    expect(codeOf(batch({ producerId: 5, producerEpoch: -1, baseSequence: 0 }))).toBe(0)
  })

  test('timestamps of -1 and -2 mean none', () => {
    const without = [-1, -2].map(timestampMs => ({ value: text('v'), timestampMs }))
    expect(codeOf(batch({ records: without }))).toBe(0)
  })
})

describe('framing', () => {
  test('nothing, or more than one batch, is INVALID_RECORD', () => {
    expect(codeOf(null)).toBe(errorCodes.INVALID_RECORD)
    expect(codeOf(new Uint8Array(0))).toBe(errorCodes.INVALID_RECORD)
    expect(codeOf(Buffer.concat([batch(), batch()]))).toBe(errorCodes.INVALID_RECORD)
    expect(codeOf(Buffer.concat([batch(), Buffer.of(0)]))).toBe(errorCodes.INVALID_RECORD)
  })

  test('formats 0 and 1 are INVALID_RECORD, formats that never were CORRUPT_MESSAGE', () => {
    const withMagic = (magic: number) => changed(bytes => bytes.writeUInt8(magic, 16))
    expect([0, 1, 3, 255].map(magic => codeOf(withMagic(magic)))).toEqual([87, 87, 2, 2])
  })

  test('a batch cut off anywhere is refused', () => {
    const bytes = batch()
    for (let end = 1; end < bytes.length; end++) {
      expect(codeOf(bytes.subarray(0, end))).toBe(errorCodes.CORRUPT_MESSAGE)
    }
  })

  test.each([-1, 0, 48, 2_147_483_647])('a length of %d is CORRUPT_MESSAGE', length => {
    expect(codeOf(changed(bytes => bytes.writeInt32BE(length, 8)).subarray())).toBe(
      errorCodes.CORRUPT_MESSAGE,
    )
  })
})

describe('header', () => {
  test('a wrong checksum is CORRUPT_MESSAGE', () => {
    const bytes = batch()
    bytes[bytes.length - 1]! ^= 1
    expect(codeOf(bytes)).toBe(errorCodes.CORRUPT_MESSAGE)
  })

  test('a base offset other than 0 is INVALID_RECORD', () => {
    expect(codeOf(batch({ baseOffset: 1 }))).toBe(errorCodes.INVALID_RECORD)
    expect(codeOf(changed(bytes => bytes.writeBigInt64BE(2n ** 63n - 1n, 0)))).toBe(
      errorCodes.INVALID_RECORD,
    )
  })

  test('the size limit counts the whole batch', () => {
    const bytes = batch()
    expect(codeOf(bytes, { maxMessageBytes: bytes.length })).toBe(0)
    expect(codeOf(bytes, { maxMessageBytes: bytes.length - 1 })).toBe(errorCodes.MESSAGE_TOO_LARGE)
  })

  test('zstd needs Produce v7', () => {
    const bytes = batch({ compression: 'zstd' })
    expect(codeOf(bytes, { apiVersion: 6 })).toBe(errorCodes.UNSUPPORTED_COMPRESSION_TYPE)
    expect(codeOf(bytes, { apiVersion: 7 })).toBe(0)
  })

  test.each([5, 6, 7])('codec %d does not exist', codec => {
    const bytes = changed(copy => copy.writeInt16BE(codec, 21))
    expect(codeOf(bytes)).toBe(errorCodes.UNSUPPORTED_COMPRESSION_TYPE)
  })

  test('clients may not write control records, nor set the append time', () => {
    expect(codeOf(batch({ isControl: true }))).toBe(errorCodes.INVALID_RECORD)
    expect(codeOf(batch({ timestampType: 'logAppendTime' }))).toBe(errorCodes.INVALID_TIMESTAMP)
  })

  test.each([-1, 0, 4, 6, 2_147_483_647])(
    'a count of %d for five records is INVALID_RECORD',
    count => {
      expect(codeOf(changed(bytes => bytes.writeInt32BE(count, 57)))).toBe(
        errorCodes.INVALID_RECORD,
      )
      const both = changed(bytes => {
        bytes.writeInt32BE(count, 57)
        bytes.writeInt32BE((count - 1) | 0, 23)
      })
      expect(codeOf(both)).toBe(errorCodes.INVALID_RECORD)
    },
  )

  test('a producer id needs a sequence', () => {
    expect(codeOf(batch({ producerId: 1, producerEpoch: 0 }))).toBe(errorCodes.INVALID_RECORD)
  })
})

describe('records', () => {
  test('damage inside is INVALID_RECORD or harmless, whatever it is, once the checksum fits', () => {
    const prng = new Prng(9)
    const seen = new Set<number>()
    for (let round = 0; round < 2000; round++) {
      const bytes = changed(copy => {
        copy[prng.between(61, copy.length - 1)] = prng.pick([0, 1, 2, 0x7f, 0x80, 0xff])
      })
      seen.add(codeOf(bytes))
    }
    expect([...seen].toSorted((a, b) => a - b)).toEqual([
      errorCodes.NONE,
      errorCodes.INVALID_RECORD,
    ])
  })

  test.each(compressions)(
    '%s: offset deltas that do not count up are INVALID_RECORD',
    compression => {
      const gap = records.map((record, index) => ({
        ...record,
        offsetDelta: index === 2 ? 3 : index,
      }))
      expect(codeOf(batch({ records: gap, compression, lastOffsetDelta: 4 }))).toBe(
        errorCodes.INVALID_RECORD,
      )
    },
  )

  test('compressed data that does not decode is INVALID_RECORD', () => {
    for (const compression of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
      const bytes = changed(copy => copy.fill(0xee, 61), { compression })
      expect(codeOf(bytes)).toBe(errorCodes.INVALID_RECORD)
    }
  })

  test('compressed data may be stored unseen, but for compacted topics', () => {
    const bytes = changed(copy => copy.fill(0xee, 61), { compression: 'lz4' })
    expect(codeOf(bytes, { inspectCompressed: false })).toBe(0)
    expect(codeOf(bytes, { inspectCompressed: false, compactedTopic: true })).toBe(
      errorCodes.INVALID_RECORD,
    )
  })

  test('what is stored unseen has a header that can be true, or is looked into', () => {
    const unseen = { inspectCompressed: false }
    const noMaximum = changed(copy => copy.writeBigInt64BE(0n, 35), { compression: 'lz4' })
    const result = validateProduceBatch(noMaximum, { ...rules, ...unseen })
    expect(result).toMatchObject({ ok: true, header: { maxTimestampMs: nowMs + 4 } })
    const tooMany = changed(
      copy => {
        copy.writeInt32BE(2 ** 31 - 2, 23)
        copy.writeInt32BE(2 ** 31 - 1, 57)
      },
      { compression: 'lz4' },
    )
    expect(codeOf(tooMany, unseen)).toBe(errorCodes.INVALID_RECORD)
  })

  test.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)(
    '%s: a bomb is MESSAGE_TOO_LARGE, and cheap',
    compression => {
      const bytes = batch({
        records: [{ value: new Uint8Array(40 * 100_000), timestampMs: nowMs }],
        compression,
      })
      const maxMessageBytes = Math.max(100_000, bytes.length)
      expect(codeOf(bytes, { maxMessageBytes })).toBe(
        bytes.length > 100_000 ? 0 : errorCodes.MESSAGE_TOO_LARGE,
      )
    },
  )

  test('a compacted topic needs keys; the answer names the records without', () => {
    const some = records.map((record, index) =>
      index % 2 === 0 ? record : { ...record, key: null },
    )
    const result = validateProduceBatch(batch({ records: some }), {
      ...rules,
      compactedTopic: true,
    })
    expect(result).toMatchObject({
      ok: false,
      errorCode: errorCodes.INVALID_RECORD,
      recordErrors: [{ batchIndex: 1 }, { batchIndex: 3 }],
    })
    expect(codeOf(batch({ records: some }))).toBe(0)
  })

  test('many records at fault make a bounded list', () => {
    const many = Array.from({ length: 1000 }, () => ({ value: text('v'), timestampMs: nowMs }))
    const result = validateProduceBatch(batch({ records: many }), {
      ...rules,
      compactedTopic: true,
    })
    expect(result.ok ? 0 : result.recordErrors?.length).toBe(100)
  })
})

describe('timestamps', () => {
  const at = (timestampMs: number) =>
    batch({ records: [records[0]!, { value: text('v'), timestampMs }] })

  test('outside of the allowed range are INVALID_TIMESTAMP, at its ends fine', () => {
    expect(codeOf(at(nowMs + 3_600_000))).toBe(0)
    expect(codeOf(at(nowMs + 3_600_001))).toBe(errorCodes.INVALID_TIMESTAMP)
    expect(codeOf(at(nowMs - 1000), { timestampBeforeMaxMs: 1000 })).toBe(0)
    expect(codeOf(at(nowMs - 1001), { timestampBeforeMaxMs: 1000 })).toBe(
      errorCodes.INVALID_TIMESTAMP,
    )
  })

  test('do not matter where the broker sets them', () => {
    expect(codeOf(at(nowMs + 3_600_001), { timestampType: 'logAppendTime' })).toBe(0)
  })

  test('of 2^63 - 1 are INVALID_TIMESTAMP, compressed and unseen too', () => {
    const extreme = changed(bytes => {
      bytes.writeBigInt64BE(2n ** 63n - 1n, 27)
      bytes.writeBigInt64BE(2n ** 63n - 1n, 35)
    })
    expect(codeOf(extreme)).toBe(errorCodes.INVALID_TIMESTAMP)
    const unseen = changed(bytes => bytes.writeBigInt64BE(2n ** 63n - 1n, 35), {
      compression: 'gzip',
    })
    expect(codeOf(unseen, { inspectCompressed: false })).toBe(errorCodes.INVALID_TIMESTAMP)
  })

  test('a maximum in the header that is not that of the records is put right', () => {
    const bytes = changed(copy => copy.writeBigInt64BE(0n, 35))
    const result = validateProduceBatch(bytes, rules)
    expect(result).toMatchObject({ ok: true, header: { maxTimestampMs: nowMs + 4 } })
    expect(verifyBatchCrc(bytes, 0, bytes.length)).toBe(true)
    expect(decodeBatch(bytes).records).toHaveLength(5)
  })
})
