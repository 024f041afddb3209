import { collectGarbage } from '../../common/test/collect-garbage.ts'
import { BATCH_OVERHEAD, encodeBatch, readBatchHeader, renewCrc } from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { batch, Bench, settle } from './support.ts'

const readAt = (
  bench: Bench,
  offset: number,
  limits: { maxBytes?: number; endOffset?: number; minOneBatch?: boolean } = {},
) =>
  bench.log.read(offset, {
    maxBytes: limits.maxBytes ?? 100_000,
    endOffset: limits.endOffset ?? bench.log.logEndOffset,
    minOneBatch: limits.minOneBatch ?? false,
  })

const offsetsIn = (bytes: Uint8Array): number[] => {
  const offsets: number[] = []
  for (let at = 0; at < bytes.length;) {
    const header = readBatchHeader(bytes, at)
    offsets.push(header.baseOffset)
    at += header.sizeBytes
  }
  return offsets
}

test('a leader gives each batch the next offset and its epoch, in place', () => {
  const bench = new Bench()
  const bytes = batch({ count: 3 })
  expect(bench.log.appendAsLeader(batch({ count: 2 }), 4)).toEqual({
    kind: 'appended',
    baseOffset: 0,
    lastOffset: 1,
    logAppendTimeMs: -1,
  })
  expect(bench.log.appendAsLeader(bytes, 5)).toMatchObject({ baseOffset: 2, lastOffset: 4 })
  expect(readBatchHeader(bytes, 0)).toMatchObject({ baseOffset: 2, partitionLeaderEpoch: 5 })
  expect(bench.log).toMatchObject({ logStartOffset: 0, logEndOffset: 5, latestEpoch: 5 })
  expect(bench.log.sizeBytes).toBe(
    bench.disk.content(`${bench.logDirectory}/00000000000000000000.log`).length,
  )
})

test('a topic with append time gets the clock of the leader, and a checksum that fits', () => {
  const bench = new Bench({ config: { timestampType: 'LogAppendTime' } })
  const result = bench.log.appendAsLeader(batch({ count: 2, timestampMs: 5 }), 0)
  expect(result).toMatchObject({ logAppendTimeMs: 1_700_000_000_000 })
  const header = readBatchHeader(readAt(bench, 0), 0)
  expect(header).toMatchObject({
    timestampType: 'logAppendTime',
    maxTimestampMs: 1_700_000_000_000,
  })
  expect(bench.log.offsetForTimestamp(1_700_000_000_000)).toMatchObject({ offset: 0 })
})

test('a batch larger than a segment is refused, and nothing is appended', () => {
  const bench = new Bench({ config: { segmentBytes: 200 } })
  expect(bench.log.appendAsLeader(batch({ valueBytes: 500 }), 0)).toMatchObject({
    kind: 'rejected',
    errorCode: 18,
  })
  expect(bench.log.logEndOffset).toBe(0)
})

test('an append in an epoch that has passed is a broken invariant', () => {
  const bench = new Bench()
  bench.append({}, 3)
  expect(() => bench.append({}, 2)).toThrow('append in epoch 2 after 3')
})

test('a read begins with the batch that holds the offset and ends before the bound', () => {
  const bench = new Bench()
  for (let number = 0; number < 4; number++) bench.append({ count: 3 })
  expect(offsetsIn(readAt(bench, 4))).toEqual([3, 6, 9])
  expect(offsetsIn(readAt(bench, 0, { endOffset: 9 }))).toEqual([0, 3, 6])
  expect(offsetsIn(readAt(bench, 0, { endOffset: 8 }))).toEqual([0, 3])
  expect(readAt(bench, 9, { endOffset: 9 })).toHaveLength(0)
  expect(readAt(bench, 12)).toHaveLength(0)
  expect(() => readAt(bench, 13)).toThrow('read within the log')
})

test('a read returns a first batch larger than the limit only when asked to', () => {
  const bench = new Bench()
  bench.append({ valueBytes: 500 })
  expect(readAt(bench, 0, { maxBytes: 100 })).toHaveLength(0)
  expect(offsetsIn(readAt(bench, 0, { maxBytes: 100, minOneBatch: true }))).toEqual([0])
  expect(readAt(bench, 0, { maxBytes: 100, minOneBatch: true, endOffset: 0 })).toHaveLength(0)
})

test('reads at the end are answered from memory, and equal what the file holds', () => {
  const bench = new Bench()
  for (let number = 0; number < 20; number++) bench.append({ valueBytes: number * 10 })
  const fromMemory = readAt(bench, 5)
  let reads = 0
  bench.disk.fault = operation => {
    if (operation === 'read') reads++
    return null
  }
  expect(readAt(bench, 5)).toEqual(fromMemory)
  expect(reads).toBe(0)
  bench.kill('process')
  expect(Buffer.compare(readAt(bench, 5), fromMemory)).toBe(0)
  expect(reads).toBeGreaterThan(0)
})

const countReads = (bench: Bench): (() => number) => {
  let reads = 0
  bench.disk.fault = operation => {
    if (operation === 'read') reads++
    return null
  }
  return () => reads
}

test('a tail that is full lets the oldest batches go to the file', () => {
  const bench = new Bench()
  for (let number = 0; number < 80; number++) bench.append({ valueBytes: 20_000 })
  const reads = countReads(bench)
  expect(offsetsIn(readAt(bench, 79))).toEqual([79])
  expect(offsetsIn(readAt(bench, 40, { maxBytes: 50_000 }))).toEqual([40, 41])
  expect(reads()).toBe(0)
  expect(offsetsIn(readAt(bench, 0, { maxBytes: 50_000 }))).toEqual([0, 1])
  expect(reads()).toBeGreaterThan(0)
})

test('the tail holds nothing of a batch that is gone', async () => {
  const bench = new Bench()
  for (let number = 0; number < 30; number++) bench.append({ valueBytes: 20_000 })
  const block = (() => new WeakRef(readAt(bench, 15).buffer))()
  for (let number = 0; number < 50; number++) bench.append({ valueBytes: 20_000 })
  await collectGarbage()
  expect(block.deref()).toBeUndefined()
})

test('any batches from the tail are one read after another as the file has them', () => {
  const bench = new Bench()
  const sizes = [1, 900, 70_000, 10, 200_000, 300_000, 5, 140_000, 40, 40_000, 255_000, 7]
  const appended: Buffer[] = []
  for (let number = 0; number < 60; number++) {
    const bytes = batch({ valueBytes: sizes[number % sizes.length] as number })
    bench.log.appendAsLeader(bytes, 1)
    appended.push(Buffer.from(bytes))
  }
  const reads = countReads(bench)
  for (const maxBytes of [1, 1000, 100_000, 1_000_000]) {
    let offset = 55
    while (offset < 60) {
      const bytes = readAt(bench, offset, { maxBytes, minOneBatch: true })
      const offsets = offsetsIn(bytes)
      expect(offsets[0]).toBe(offset)
      expect(Buffer.concat(appended.slice(offset, offset + offsets.length)).equals(bytes)).toBe(
        true,
      )
      offset += offsets.length
    }
  }
  expect(reads()).toBe(0)
})

test('a view from the tail stays as it was while batches follow', () => {
  const bench = new Bench()
  bench.append({ valueBytes: 500 })
  const view = readAt(bench, 0)
  const before = Buffer.from(view)
  for (let number = 0; number < 100; number++) bench.append({ valueBytes: 50_000 })
  expect(before.equals(view)).toBe(true)
})

test('a thousand tiny batches in the tail are no more than a thousand', () => {
  const bench = new Bench()
  for (let number = 0; number < 1100; number++) bench.append()
  const reads = countReads(bench)
  expect(offsetsIn(readAt(bench, 1099))).toEqual([1099])
  expect(offsetsIn(readAt(bench, 100, { maxBytes: 200 }))[0]).toBe(100)
  expect(reads()).toBe(0)
  expect(offsetsIn(readAt(bench, 50, { maxBytes: 200 }))[0]).toBe(50)
  expect(reads()).toBeGreaterThan(0)
})

test('a sequential reader needs one read of the file for each answer', () => {
  const bench = new Bench({ config: { indexIntervalBytes: 100 } })
  for (let number = 0; number < 200; number++) bench.append({ valueBytes: 100 })
  bench.kill('process')
  let reads = 0
  readAt(bench, 0, { maxBytes: 2000 })
  bench.disk.fault = operation => {
    if (operation === 'read') reads++
    return null
  }
  let offset = 0
  let answers = 0
  while (offset < 150) {
    const bytes = readAt(bench, offset, { maxBytes: 2000 })
    offset = (offsetsIn(bytes).at(-1) as number) + 1
    answers++
  }
  expect(reads).toBe(answers)
})

test('a segment is rolled before it would grow too large', () => {
  const bench = new Bench({ config: { segmentBytes: 300 } })
  for (let number = 0; number < 5; number++) bench.append({ valueBytes: 60 })
  const sizes = bench.disk
    .list(bench.logDirectory)
    .filter(name => name.endsWith('.log'))
    .map(name => [name, bench.disk.content(`${bench.logDirectory}/${name}`).length])
  expect(sizes).toEqual([
    ['00000000000000000000.log', 258],
    ['00000000000000000002.log', 258],
    ['00000000000000000004.log', 129],
  ])
})

test('a segment is rolled by the time its records span, the jitter taken off', () => {
  for (const [segmentJitterMs, rollsBy] of [
    [0, 1001],
    [900, 1001],
  ] as const) {
    const bench = new Bench({ config: { segmentMs: 1000, segmentJitterMs } })
    bench.append({ timestampMs: 5000 })
    bench.append({ timestampMs: 5000 })
    expect(bench.log.segmentCount).toBe(1)
    bench.append({ timestampMs: 5000 + rollsBy })
    expect(bench.log.segmentCount).toBe(2)
  }
  const jittered = new Bench({ config: { segmentMs: 1000, segmentJitterMs: 1000 } })
  jittered.append({ timestampMs: 5000 })
  const rolledAt = Array.from({ length: 1001 }, (_, ms) => ms).find(ms => {
    jittered.log.rollIfDue(5000 + ms)
    return jittered.log.segmentCount === 2
  })
  expect(rolledAt).toBeLessThan(1000)
})

test('a segment is rolled when its index is full', () => {
  const bench = new Bench({ config: { indexIntervalBytes: 0, segmentIndexBytes: 48 } })
  for (let number = 0; number < 12; number++) bench.append({ timestampMs: 1000 + number })
  expect(bench.log.segmentCount).toBeGreaterThan(2)
  bench.kill('process')
  expect(offsetsIn(readAt(bench, 0)).length).toBeLessThan(12)
  expect(bench.readAll().length).toBe(bench.log.sizeBytes)
})

test('a segment is rolled when an offset would not fit its index', () => {
  const bench = new Bench()
  bench.log.appendAsFollower(batch({ leaderEpoch: 0 }))
  bench.log.config = { ...bench.log.config, cleanupCompact: true }
  bench.log.appendAsFollower(batch({ baseOffset: 2 ** 31, leaderEpoch: 0 }))
  expect(bench.log.segmentCount).toBe(2)
  expect(bench.log.logEndOffset).toBe(2 ** 31 + 1)
})

test('a follower takes whole batches in order and refuses everything else', () => {
  const bench = new Bench()
  const good = batch({ count: 2, leaderEpoch: 3 })
  expect(bench.log.appendAsFollower(good)).toEqual({ firstOffset: 0, endOffset: 2 })
  const flipped = batch({ baseOffset: 2, leaderEpoch: 3 })
  flipped[70] = (flipped[70] ?? 0) ^ 1
  const refused = [
    ['checksum mismatch', flipped],
    ['offset out of order', batch({ baseOffset: 1, leaderEpoch: 3 })],
    ['offsets missing', batch({ baseOffset: 3, leaderEpoch: 3 })],
    ['leader epoch 2 after 3', batch({ baseOffset: 2, leaderEpoch: 2 })],
    ['half a batch', batch({ baseOffset: 2, leaderEpoch: 3 }).subarray(0, 65)],
    ['half a batch header', new Uint8Array(30)],
    ['offset out of order', Buffer.concat([batch({ baseOffset: 2, leaderEpoch: 3 }), good])],
  ] as const
  for (const [why, records] of refused) {
    expect(() => bench.log.appendAsFollower(records)).toThrow(
      expect.objectContaining({ code: 'CORRUPT', message: expect.stringContaining(why) }),
    )
  }
  expect(bench.log.logEndOffset).toBe(2)
  expect(bench.log.appendAsFollower(new Uint8Array(0))).toEqual({ firstOffset: 2, endOffset: 2 })
})

test('a follower emptied to start inside a batch takes that batch whole', () => {
  const bench = new Bench()
  bench.append({ count: 3 })
  bench.log.truncateFullyAndStartAt(12)
  bench.log.appendAsFollower(batch({ count: 5, baseOffset: 10, leaderEpoch: 1 }))
  expect(bench.log).toMatchObject({ logStartOffset: 12, logEndOffset: 15 })
  expect(offsetsIn(readAt(bench, 12))).toEqual([10])
  bench.directory.checkpointRecoveryPoints()
  bench.kill('process')
  expect(bench.log).toMatchObject({ logStartOffset: 12, logEndOffset: 15 })
})

test('truncation inside a batch drops the whole batch, and appends go on where it began', () => {
  const bench = new Bench()
  bench.append({ count: 3 }, 1)
  bench.append({ count: 3 }, 2)
  bench.log.truncateTo(4)
  expect(bench.log).toMatchObject({ logEndOffset: 3, latestEpoch: 1 })
  expect(bench.append({ count: 1 }, 3)).toBe(3)
  expect(bench.log.endOffsetForEpoch(2)).toEqual({ epoch: 1, endOffset: 3 })
  bench.log.truncateTo(100)
  expect(bench.log.logEndOffset).toBe(4)
})

test('truncation to the end of an emptied log drops the epoch of the records that were deleted', () => {
  const bench = new Bench()
  bench.append({ count: 3 }, 4)
  bench.log.incrementLogStartOffset(3)
  expect(bench.log.latestEpoch).toBe(4)
  bench.log.truncateTo(3)
  expect(bench.log).toMatchObject({ logEndOffset: 3, latestEpoch: -1 })
  expect(bench.append({ count: 1 }, 2)).toBe(3)
  expect(bench.log.endOffsetForEpoch(2)).toEqual({ epoch: 2, endOffset: 4 })
})

test('truncation never goes below the start of the log', () => {
  const bench = new Bench()
  for (let number = 0; number < 5; number++) bench.append({ count: 2 })
  bench.log.incrementLogStartOffset(5)
  expect(() => bench.log.truncateTo(4)).toThrow('below the log')
  bench.log.truncateTo(5)
  expect(bench.log).toMatchObject({ logStartOffset: 5, logEndOffset: 5 })
  expect(bench.append()).toBe(5)
})

test('flush makes what was there durable, and callers that come meanwhile share the next one', async () => {
  const bench = new Bench()
  bench.append()
  let syncs = 0
  bench.disk.fault = operation => {
    if (operation === 'sync') syncs++
    return null
  }
  const first = bench.log.flush()
  bench.append()
  const others = [bench.log.flush(), bench.log.flush(), bench.log.flush()]
  expect(others[1]).toBe(others[0])
  await first
  expect(bench.log.recoveryPoint).toBe(1)
  await Promise.all(others)
  expect(bench.log.recoveryPoint).toBe(2)
  // One for each flush, one for the new directory's identity.
  expect(syncs).toBe(3)
  await bench.log.flush()
  bench.kill('lose-all')
  expect(bench.log.logEndOffset).toBe(2)
})

test('how long each fsync of a segment takes is told, and a flush of nothing takes none', async () => {
  const bench = new Bench()
  bench.append()
  bench.disk.fault = operation => {
    if (operation === 'sync') bench.clock.advance(7)
    return null
  }
  await bench.log.flush()
  await bench.log.flush()
  expect(bench.flushesMs).toEqual([7])
})

test('a truncation while a flush is under way bounds what the flush has made durable', async () => {
  const bench = new Bench()
  for (let number = 0; number < 4; number++) bench.append()
  const flushed = bench.log.flush()
  bench.log.truncateTo(2)
  bench.append({}, 1)
  bench.append({}, 1)
  await flushed
  expect(bench.log.recoveryPoint).toBe(2)
})

test('a flush is due after so many messages or so much time', async () => {
  const bench = new Bench({ config: { flushMessages: 3, flushMs: 100 } })
  const due = () => bench.log.flushDue(bench.clock.monotonicMs())
  expect(due()).toBe(false)
  bench.append({ count: 2 })
  expect(due()).toBe(false)
  bench.clock.advance(100)
  expect(due()).toBe(true)
  await bench.log.flush()
  expect(due()).toBe(false)
  bench.append({ count: 3 })
  expect(due()).toBe(true)
})

test('what is sealed is flushed in the background', async () => {
  const bench = new Bench()
  bench.append()
  bench.log.roll()
  await settle()
  expect(bench.log.recoveryPoint).toBe(1)
})

test('the offset of a timestamp is the first record at or after it, within the log', () => {
  const bench = new Bench({ config: { segmentBytes: 400, indexIntervalBytes: 0 } })
  for (const timestampMs of [100, 300, 200, 500, 400]) bench.append({ count: 2, timestampMs }, 2)
  const at = (timestampMs: number) => bench.log.offsetForTimestamp(timestampMs)
  expect(at(0)).toEqual({ offset: 0, timestampMs: 100, leaderEpoch: 2 })
  expect(at(101)).toEqual({ offset: 1, timestampMs: 101, leaderEpoch: 2 })
  expect(at(102)).toMatchObject({ offset: 2 })
  expect(at(302)).toMatchObject({ offset: 6 })
  expect(at(502)).toBe(null)
  expect(bench.log.maxTimestamp()).toEqual({ offset: 7, timestampMs: 501, leaderEpoch: 2 })
  bench.log.incrementLogStartOffset(3)
  expect(at(0)).toMatchObject({ offset: 3 })
  expect(new Bench().log.maxTimestamp()).toBe(null)
})

test('a batch that cannot be unpacked answers for a timestamp with its own', () => {
  const bench = new Bench()
  bench.append({ timestampMs: 100 })
  const broken = encodeBatch({
    records: [{ key: null, value: null, timestampMs: 200 }],
    compression: 'lz4',
  })
  broken.fill(0xee, BATCH_OVERHEAD)
  renewCrc(broken, 0, broken.length)
  bench.log.appendAsLeader(broken, 0)
  bench.append({ timestampMs: 300 })
  expect(bench.log.offsetForTimestamp(150)).toMatchObject({ offset: 1, timestampMs: 200 })
  expect(bench.log.offsetForTimestamp(250)).toMatchObject({ offset: 2 })
})

test('a bit that flipped on the disk is never given out: what is good before it is, and then an error', async () => {
  const bench = new Bench()
  for (let number = 0; number < 4; number++) bench.append({ valueBytes: 32 })
  await bench.restart()
  const path = `${bench.logDirectory}/00000000000000000000.log`
  bench.disk.damage(path, content => content.with(280, (content[280] ?? 0) ^ 4))
  expect(offsetsIn(readAt(bench, 0))).toEqual([0, 1])
  for (const limits of [{}, { maxBytes: 1, minOneBatch: true }]) {
    expect(() => readAt(bench, 2, limits)).toThrow('checksum mismatch')
  }
  expect(offsetsIn(readAt(bench, 3))).toEqual([3])
  const told = bench.events.filter(({ phrase }) => phrase === 'damaged records are not served')
  expect(told).toHaveLength(1)
})
