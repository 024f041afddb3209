import { expect, test } from 'vitest'
import { formatEpochs, parseCleanShutdown, parseEpochs, parseOffsets } from '../src/checkpoints.ts'
import * as names from '../src/file-names.ts'
import { LeaderEpochs } from '../src/leader-epochs.ts'
import { Bench, marker } from './support.ts'

const hex = (bench: Bench, name: string): string =>
  Buffer.from(bench.disk.content(`${bench.logDirectory}/${name}`)).toString('hex')
const bytesOf = (text: string): Uint8Array => Buffer.from(text)

test('a segment, byte by byte', async () => {
  const bench = new Bench({ config: { indexIntervalBytes: 60 } })
  bench.append(
    { value: 'one', timestampMs: 1000, producerId: 7, producerEpoch: 1, baseSequence: 3 },
    5,
  )
  bench.append({ value: 'two', timestampMs: 2000 }, 6)
  bench.append({ value: 'six', timestampMs: 1500 }, 6)
  bench.log.appendAsLeader(
    marker({ producerId: 7, producerEpoch: 1, committed: true, timestampMs: 3000 }),
    6,
  )
  await bench.directory.close({ brokerEpoch: 1 })
  const log = hex(bench, '00000000000000000000.log')
  expect(log.slice(0, 71 * 2)).toBe(
    [
      '0000000000000000', // base offset
      '0000003b', // length after this field
      '00000005', // leader epoch
      '02', // format
      '1bace754', // CRC-32C from here on
      '0000', // attributes
      '00000000', // last offset delta
      '00000000000003e8', // base timestamp
      '00000000000003e8', // max timestamp
      '0000000000000007', // producer id
      '0001', // producer epoch
      '00000003', // base sequence
      '00000001', // records
      '12000000' + '0106' + '6f6e65' + '00', // length 9, null key, value "one", no headers
    ].join(''),
  )
  expect(log.slice(71 * 2, 71 * 2 + 32)).toBe('0000000000000001' + '0000003b' + '00000006')
  // Last offset of the batch, its position.
  expect(hex(bench, '00000000000000000000.index')).toBe(
    '00000001' + '00000047' + '00000002' + '0000008e' + '00000003' + '000000d5',
  )
  // Largest timestamp so far, the last offset of its batch.
  expect(hex(bench, '00000000000000000000.timeindex')).toBe(
    '00000000000007d0' + '00000001' + '0000000000000bb8' + '00000003',
  )
})

test('epochs answer where they end as KIP-101 and KIP-279 have it', () => {
  const epochs = new LeaderEpochs([], false)
  expect(epochs.endOffset(0, 10)).toEqual({ epoch: -1, endOffset: -1 })
  epochs.assign(2, 5)
  epochs.assign(4, 9)
  epochs.assign(7, 20)
  const end = (epoch: number) => epochs.endOffset(epoch, 30)
  expect(end(7)).toEqual({ epoch: 7, endOffset: 30 })
  expect(end(8)).toEqual({ epoch: -1, endOffset: -1 })
  expect(end(-1)).toEqual({ epoch: -1, endOffset: -1 })
  expect(end(6)).toEqual({ epoch: 4, endOffset: 20 })
  expect(end(4)).toEqual({ epoch: 4, endOffset: 20 })
  expect(end(3)).toEqual({ epoch: 2, endOffset: 9 })
  expect(end(1)).toEqual({ epoch: 1, endOffset: 5 })
})

test('an epoch without records gives way to the next one at the same offset', () => {
  const epochs = new LeaderEpochs([], false)
  epochs.assign(1, 0)
  epochs.assign(2, 5)
  epochs.assign(3, 5)
  expect(epochs.starts).toEqual([
    { epoch: 1, startOffset: 0 },
    { epoch: 3, startOffset: 5 },
  ])
  epochs.assign(3, 9)
  expect(epochs.starts).toHaveLength(2)
  expect(() => epochs.assign(2, 9)).toThrow('leader epoch 2 after 3')
})

test('epochs are cut with the log at either end', () => {
  const starts = [
    { epoch: 1, startOffset: 0 },
    { epoch: 2, startOffset: 5 },
    { epoch: 4, startOffset: 9 },
  ]
  const cut = (change: (epochs: LeaderEpochs) => void) => {
    const epochs = new LeaderEpochs(starts, false)
    change(epochs)
    return epochs.starts.map(start => [start.epoch, start.startOffset])
  }
  expect(cut(epochs => epochs.truncateFromEnd(9))).toEqual([
    [1, 0],
    [2, 5],
  ])
  expect(cut(epochs => epochs.truncateFromEnd(10))).toEqual([
    [1, 0],
    [2, 5],
    [4, 9],
  ])
  expect(cut(epochs => epochs.truncateFromStart(7))).toEqual([
    [2, 7],
    [4, 9],
  ])
  expect(cut(epochs => epochs.truncateFromStart(9))).toEqual([[4, 9]])
  expect(cut(epochs => epochs.truncateFromStart(0))).toEqual([
    [1, 0],
    [2, 5],
    [4, 9],
  ])
})

test('checkpoints are believed whole or not at all', () => {
  expect(parseOffsets(bytesOf('0\n2\na 0 5\nb-c 1 7\n'))).toEqual([
    { topicName: 'a', partition: 0, offset: 5 },
    { topicName: 'b-c', partition: 1, offset: 7 },
  ])
  expect(parseOffsets(bytesOf('0\n0\n'))).toEqual([])
  for (const text of [
    '',
    '0',
    '0\n1\n',
    '1\n1\na 0 5\n',
    '0\n2\na 0 5\n',
    '0\n1\na 0 5',
    '0\n1\na 0 -5\n',
    '0\n1\na 0 5 6\n',
    '0\n1\na x 5\n',
    '0\n1\na 0 99999999999999999999\n',
  ]) {
    expect(parseOffsets(bytesOf(text))).toBe(null)
  }
  expect(
    parseEpochs(
      formatEpochs([
        { epoch: 0, startOffset: 0 },
        { epoch: 3, startOffset: 8 },
      ]),
    ),
  ).toEqual([
    { epoch: 0, startOffset: 0 },
    { epoch: 3, startOffset: 8 },
  ])
  for (const text of ['0\n2\n3 8\n0 0\n', '0\n2\n0 8\n3 8\n', '0\n1\n0\n']) {
    expect(parseEpochs(bytesOf(text))).toBe(null)
  }
  expect(parseCleanShutdown(bytesOf('{"version":0,"brokerEpoch":12}'))).toBe(12)
  expect(parseCleanShutdown(bytesOf(''))).toBe(-1)
  expect(parseCleanShutdown(bytesOf('{"version":0}'))).toBe(-1)
  for (const text of ['{', 'null', '{"version":9}', '[]'])
    expect(parseCleanShutdown(bytesOf(text))).toBe(null)
})

test('names are Kafka names, and nothing else is taken for one', () => {
  expect(names.segmentFileName(42, 'timeindex')).toBe('00000000000000000042.timeindex')
  expect(names.parseSegmentFileName('00000000000000000042.log')).toEqual({
    baseOffset: 42,
    kind: 'log',
  })
  for (const name of [
    '42.log',
    '00000000000000000042.log.deleted',
    '99999999999999999999.log',
    '00000000000000000042.txt',
  ]) {
    expect(names.parseSegmentFileName(name)).toBe(null)
  }
  expect(names.parsePartitionDirectoryName('a-b.c-12')).toEqual({
    topicName: 'a-b.c',
    partition: 12,
  })
  for (const name of ['a', 'a-', '-1', 'a-01', 'a-1.x-delete', '..-1', 'a b-1', 'a-12345678901']) {
    expect(names.parsePartitionDirectoryName(name)).toBe(null)
  }
  expect(
    names.retiredDirectoryName({
      topicName: 'x'.repeat(249),
      partition: 3,
      unique: 'u'.repeat(22),
      suffix: 'delete',
    }),
  ).toHaveLength(255)
  expect(names.isRetiredForDeletion('a-b-1.AAAA-delete')).toBe(true)
  expect(names.isRetiredForDeletion('a-delete')).toBe(false)
  expect(names.parsePartitionMetadata('version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n')).toBe(
    'AAAAAAAAAAAAAAAAAAAAAQ',
  )
  for (const text of [
    '',
    'version: 1\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n',
    'version: 0\ntopic_id: x\n',
  ]) {
    expect(names.parsePartitionMetadata(text)).toBe(null)
  }
})
