/**
 * Batches as Apache Kafka's own Java client (4.3.1) writes them: three records, the first with two headers, the second
 * without a key, the third without a value; producer 4242, epoch 1, sequence 7.
 */
import { describe, expect, test } from 'vitest'
import {
  type Compression,
  decodeBatch,
  validateProduceBatch,
  verifyBatchCrc,
} from '../src/index.ts'

const captured: readonly (readonly [Compression, string])[] = [
  [
    'none',
    [
      '00000000000000000000009effffffff027ba1299e0000000000020000018bcfe568000000018bcfe5680200',
      '0000000000109200010000000700000003740000000a6b65792d303e7468652076616c756520746865207661',
      '6c7565207468652076616c75652030040e6772c3b6c39f650278086e6f6e65014a000202013e746865207661',
      '6c7565207468652076616c7565207468652076616c7565203100160004040a6b65792d320100',
    ].join(''),
  ],
  [
    'gzip',
    [
      '000000000000000000000081ffffffff02526a814d0001000000020000018bcfe568000000018bcfe5680200',
      '00000000001092000100000007000000031f8b08000000000000ff2b616060e0ca4eadd435b02bc94855284b',
      'cc294d55c0c63260e14b2f3abcedf0fc54a60a8ebcfcbc54462f0626264602ba0c19c4185858c01618313200',
      '003f531f356d000000',
    ].join(''),
  ],
  [
    'snappy',
    [
      '00000000000000000000008affffffff0211da3bbe0002000000020000018bcfe568000000018bcfe5680200',
      '000000000010920001000000070000000382534e41505059000000000100000001000000456d54740000000a',
      '6b65792d303e7468652076616c756520744a0a005830040e6772c3b6c39f650278086e6f6e65014a00020201',
      '7a3600343100160004040a6b65792d320100',
    ].join(''),
  ],
  [
    'lz4',
    [
      '000000000000000000000085ffffffff029dd66a690003000000020000018bcfe568000000018bcfe5680200',
      '000000000010920001000000070000000304224d1860408245000000ff06740000000a6b65792d303e746865',
      '2076616c7565200a0001ff0830040e6772c3b6c39f650278086e6f6e65014a0002020136000ce03100160004',
      '040a6b65792d32010000000000',
    ].join(''),
  ],
  [
    'zstd',
    [
      '000000000000000000000081ffffffff02c6fbffdf0004000000020000018bcfe568000000018bcfe5680200',
      '000000000010920001000000070000000328b52ffd0058240200a403740000000a6b65792d303e7468652076',
      '616c75652030040e6772c3b6c39f650278086e6f6e65014a000202013100160004040a6b65792d3201000200',
      'b36adad28509010000',
    ].join(''),
  ],
]

const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value))

describe.each(captured)('%s', (compression, hex) => {
  const bytes = Uint8Array.from(Buffer.from(hex, 'hex'))

  test('is read', () => {
    expect(verifyBatchCrc(bytes, 0, bytes.length)).toBe(true)
    const { header, records } = decodeBatch(bytes)
    expect(header).toMatchObject({
      compression,
      partitionLeaderEpoch: -1,
      recordCount: 3,
      baseTimestampMs: 1_700_000_000_000,
      maxTimestampMs: 1_700_000_000_002,
      producerId: 4242,
      producerEpoch: 1,
      baseSequence: 7,
      lastSequence: 9,
    })
    const value = 'the value the value the value '
    expect(records).toEqual([
      {
        offset: 0,
        timestampMs: 1_700_000_000_000,
        key: text('key-0'),
        value: text(`${value}0`),
        headers: [
          { key: 'größe', value: text('x') },
          { key: 'none', value: null },
        ],
      },
      {
        offset: 1,
        timestampMs: 1_700_000_000_001,
        key: null,
        value: text(`${value}1`),
        headers: [],
      },
      { offset: 2, timestampMs: 1_700_000_000_002, key: text('key-2'), value: null, headers: [] },
    ])
  })

  test('is accepted from a producer', () => {
    const result = validateProduceBatch(bytes, {
      apiVersion: 13,
      maxMessageBytes: 1_048_588,
      compactedTopic: false,
      timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
      timestampAfterMaxMs: 3_600_000,
      nowMs: 1_700_000_000_000,
      timestampType: 'createTime',
    })
    expect(result.ok).toBe(true)
  })
})
