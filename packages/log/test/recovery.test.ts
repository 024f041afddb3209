import { Prng } from '@trimaran/common'
import { expect, test } from 'vitest'
import { crashModes, SimDisk } from '../src/testing/index.ts'
import { batch, Bench, marker, settle, topicId, topicName } from './support.ts'

const logFile = (bench: Bench, baseOffset = 0): string =>
  `${bench.logDirectory}/${String(baseOffset).padStart(20, '0')}.log`

/** Ten batches of 100 bytes, five of them in a sealed segment. */
function tenBatches(bench: Bench): void {
  for (let number = 0; number < 10; number++) {
    if (number === 5) bench.log.roll()
    bench.append({ valueBytes: 32 })
  }
  expect(bench.disk.content(logFile(bench)).length).toBe(500)
}

function highWatermark(bench: Bench, offset: number): void {
  bench.directory.checkpointHighWatermarks([{ topicName, partition: 0, offset }])
}

const tails: [string, (content: Uint8Array) => Uint8Array][] = [
  ['cut', content => content.subarray(0, 450)],
  ['zeros', content => Buffer.concat([content.subarray(0, 400), new Uint8Array(100)])],
  ['garbage', content => Buffer.concat([content.subarray(0, 400), new Prng(7).bytes(300)])],
  ['half a header', content => content.subarray(0, 430)],
  ['a flipped bit in the last batch', content => content.with(480, 0xee)],
  ['zeros behind', content => Buffer.concat([content.subarray(0, 400), new Uint8Array(5000)])],
]
for (const [what, change] of tails) {
  test(`a torn tail (${what}) is cut to the last good batch and reported`, () => {
    const bench = new Bench()
    tenBatches(bench)
    bench.disk.damage(logFile(bench, 5), change)
    bench.kill('process')
    expect(bench.log).toMatchObject({ logStartOffset: 0, logEndOffset: 9 })
    expect(bench.log.recovery).toMatchObject({ logEndOffset: 9, lostBelowHighWatermark: false })
    expect(bench.log.recovery?.truncatedBytes).toBeGreaterThan(0)
    expect(bench.log.recovery?.problem).not.toBe(null)
    expect(bench.events.at(-1)).toMatchObject({ level: 'warn', phrase: 'log recovered' })
    expect(bench.readAll()).toHaveLength(900)
    // Recovered once, it is whole.
    bench.kill('process')
    expect(bench.log.recovery).toMatchObject({ truncatedBytes: 0, problem: null })
    expect(bench.append()).toBe(9)
  })
}

test('a torn tail below the high watermark is cut, too, but the report says what it means', () => {
  const bench = new Bench()
  tenBatches(bench)
  highWatermark(bench, 10)
  bench.disk.damage(logFile(bench, 5), content => content.subarray(0, 450))
  bench.kill('process')
  expect(bench.log.recovery).toMatchObject({ logEndOffset: 9, lostBelowHighWatermark: true })
  expect(bench.directory.highWatermark(topicName, 0)).toBe(9)
})

test('damage below the high watermark with good batches after it is not cut away: the log is not served', () => {
  const bench = new Bench()
  tenBatches(bench)
  highWatermark(bench, 8)
  bench.disk.flip(logFile(bench, 5), (200 + 70) * 8)
  bench.kill('process')
  expect(bench.directory.log(topicId, 0)).toBe(undefined)
  const [damaged] = bench.directory.damaged()
  expect(damaged).toMatchObject({ topicName, partition: 0, error: { code: 'CORRUPT' } })
  expect(damaged?.error.message).toContain('offset 7')
  const create = () => bench.log
  expect(create).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
  expect(bench.disk.content(logFile(bench, 5)).length).toBe(500)
  bench.directory.setAside(topicId, 0)
  expect(create()).toMatchObject({ logStartOffset: 0, logEndOffset: 0 })
  expect(bench.disk.list('data')).toContain(`orders-0.${topicId}-stray`)
  expect(bench.directory.highWatermark(topicName, 0)).toBe(0)
})

test('damage that a read meets is told to who listens, and the open log can be set aside', () => {
  const bench = new Bench()
  tenBatches(bench)
  bench.kill('process')
  const told: unknown[] = []
  bench.directory.onDamage((...damage) => told.push(damage))
  bench.disk.flip(logFile(bench, 5), (200 + 70) * 8)
  const read = (): unknown => bench.log.read(7, { maxBytes: 1e6, endOffset: 10, minOneBatch: true })
  for (const at of [1, 2]) {
    expect(read).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
    expect(told.length).toBe(at)
  }
  const error = expect.objectContaining({ code: 'CORRUPT' })
  expect(told.at(-1)).toEqual([topicId, 0, error])
  bench.directory.setAside(topicId, 0)
  expect(bench.directory.log(topicId, 0)).toBe(undefined)
  expect(bench.disk.list('data')).toContain(`orders-0.${topicId}-stray`)
  expect(bench.log).toMatchObject({ logStartOffset: 0, logEndOffset: 0 })
})

test('damage above the high watermark is cut with everything after it', () => {
  const bench = new Bench()
  tenBatches(bench)
  highWatermark(bench, 7)
  bench.disk.flip(logFile(bench, 5), (200 + 70) * 8)
  bench.kill('process')
  expect(bench.log.logEndOffset).toBe(7)
  expect(bench.log.recovery).toMatchObject({ truncatedBytes: 300, problem: 'checksum mismatch' })
})

test('damage in a segment takes the segments after it along, if none of it was replicated', () => {
  const bench = new Bench()
  tenBatches(bench)
  bench.disk.flip(logFile(bench), (200 + 70) * 8)
  bench.kill('process')
  expect(bench.log).toMatchObject({ logEndOffset: 2, segmentCount: 1 })
  expect(bench.log.recovery).toMatchObject({ truncatedBytes: 800 })
  expect(bench.append()).toBe(2)
})

test('what was durable is never cut, torn or not', async () => {
  const bench = new Bench()
  tenBatches(bench)
  await bench.log.flush()
  bench.directory.checkpointRecoveryPoints()
  bench.disk.damage(logFile(bench, 5), content => content.with(480, 0xee))
  bench.kill('process')
  expect([...bench.directory.damaged()]).toHaveLength(1)
})

test('recovery begins with the segment of the recovery point', async () => {
  const bench = new Bench()
  tenBatches(bench)
  await settle()
  expect(bench.log.recoveryPoint).toBe(5)
  bench.directory.checkpointRecoveryPoints()
  bench.kill('process')
  expect(bench.log.recovery).toMatchObject({ scannedBytes: 500 })
  bench.kill('process')
  expect(bench.log.logEndOffset).toBe(10)
})

test('a clean stop whose data is not what it was is no clean stop', async () => {
  const bench = new Bench()
  tenBatches(bench)
  await bench.directory.close({ brokerEpoch: 1 })
  bench.disk.damage(logFile(bench, 5), content => content.subarray(0, 450))
  bench.disk.damage(`data/recovery-point-offset-checkpoint`, () =>
    Buffer.from('0\n1\norders 0 5\n'),
  )
  bench.kill('process')
  expect(bench.directory.wasCleanShutdown).toBe(true)
  expect(bench.log.recovery).toMatchObject({ logEndOffset: 9 })
})

test('an epoch that goes back inside the log is damage', () => {
  const bench = new Bench()
  bench.append({ valueBytes: 32 }, 3)
  bench.append({ valueBytes: 32 }, 3)
  // The epoch is outside the checksum.
  bench.disk.damage(logFile(bench), content => content.with(115, 2))
  bench.kill('process')
  expect(bench.log.logEndOffset).toBe(1)
  expect(bench.log.recovery?.problem).toBe('leader epoch went back')
})

test('segments that overlap are a damaged log', async () => {
  const bench = new Bench()
  tenBatches(bench)
  const content = bench.disk.content(logFile(bench, 5))
  bench.disk.writeFileAtomic(logFile(bench, 3), content)
  bench.kill('process')
  expect([...bench.directory.damaged()][0]?.error.message).toContain('overlaps')
})

test('a segment missing in the middle is noticed when the one before it is used', async () => {
  const bench = new Bench()
  for (let number = 0; number < 6; number++) {
    bench.append()
    bench.log.roll()
  }
  await bench.directory.close({ brokerEpoch: 1 })
  for (const name of bench.disk.list(bench.logDirectory)) {
    if (name.startsWith('00000000000000000002'))
      bench.disk.removeFile(`${bench.logDirectory}/${name}`)
  }
  bench.kill('process')
  expect(bench.log.logEndOffset).toBe(6)
  expect(() => bench.log.enforceRetention(6, bench.clock.wallMs() + 1e12)).toThrow(
    'the segment at 2',
  )
  expect(() => bench.log.read(1, { maxBytes: 1000, endOffset: 6, minOneBatch: true })).toThrow(
    expect.objectContaining({ code: 'CORRUPT' }),
  )
  expect(bench.directory.failed).toBe(null)
})

/** Everything a client can see of a log with producers, transactions, epochs and timestamps. */
function visible(bench: Bench): Record<string, unknown> {
  const { log } = bench
  const steps = Array.from({ length: 12 }, (_, number) => number)
  return {
    start: log.logStartOffset,
    end: log.logEndOffset,
    bytes: Buffer.from(bench.readAll()).toString('hex'),
    timestamps: steps.map(step => log.offsetForTimestamp(1000 + step * 100)),
    max: log.maxTimestamp(),
    epochs: steps.map(epoch => log.endOffsetForEpoch(epoch)),
    latestEpoch: log.latestEpoch,
    aborted: steps.map(step => log.abortedTransactions(step * 2, log.logEndOffset)),
    stable: steps.map(step => log.lastStableOffset(step * 2)),
    retries: [0, 1, 2, 3, 4, 5, 6].map(baseSequence => {
      const retry = { producerId: 1, producerEpoch: 0, baseSequence, timestampMs: 1000 }
      const result = log.appendAsLeader(batch(retry), log.latestEpoch)
      return result.kind === 'duplicate' ? result.baseOffset : result.kind
    }),
  }
}

function eventfulLog(): Bench {
  const bench = new Bench({
    config: { indexIntervalBytes: 100, segmentBytes: 1000, producerIdExpirationMs: 1e15 },
  })
  for (let number = 0; number < 7; number++) {
    const epoch = 1 + (number >> 1)
    bench.append(
      {
        producerId: 1,
        producerEpoch: 0,
        baseSequence: number,
        timestampMs: 1000 + ((number * 5) % 7) * 100,
      },
      epoch,
    )
    if (number % 3 === 0) {
      const producerId = 10 + number
      bench.append(
        { producerId, producerEpoch: 0, baseSequence: 0, isTransactional: true, timestampMs: 1500 },
        epoch,
      )
      bench.append({ valueBytes: 60, timestampMs: 1200 }, epoch)
      if (number < 6)
        bench.log.appendAsLeader(marker({ producerId, committed: number === 3 }), epoch)
    }
  }
  return bench
}

const damages: [string, (content: Uint8Array, prng: Prng) => Uint8Array][] = [
  ['emptied', () => new Uint8Array(0)],
  ['cut in half', content => content.subarray(0, content.length >>> 1)],
  ['cut by an entry', content => content.subarray(0, Math.max(0, content.length - 12))],
  ['garbage', (content, prng) => prng.bytes(content.length + 5)],
  ['zeros', content => new Uint8Array(content.length)],
  [
    'a flipped bit',
    (content, prng) => {
      if (content.length > 0)
        content[prng.between(0, content.length - 1)]! ^= 1 << prng.between(0, 7)
      return content
    },
  ],
  ['appended to', (content, prng) => Buffer.concat([content, prng.bytes(24)])],
]

const cacheKinds = ['.index', '.timeindex', '.txnindex', '.snapshot', 'leader-epoch-checkpoint']
for (const kind of cacheKinds) {
  test(`no damage to ${kind} files changes what a client sees, after a clean stop or a kill`, async () => {
    const original = eventfulLog()
    const before = original.disk
    await settle()
    const expected = visible(new Bench({ disk: before.clone(), config: original.config }))
    expect(expected).toMatchObject({
      retries: ['rejected', 'rejected', 5, 6, 10, 11, 12],
      stable: expect.arrayContaining([13]),
    })
    await original.directory.close({ brokerEpoch: 1 })
    const prng = new Prng(3)
    let damagedCount = 0
    for (const isClean of [true, false]) {
      for (const [what, change] of [...damages, ['deleted', null] as const]) {
        const disk = before.clone(new Prng(1))
        if (!isClean) disk.removeFile('data/.kafka_cleanshutdown')
        for (const name of disk.list(original.logDirectory)) {
          if (!name.endsWith(kind)) continue
          damagedCount++
          const path = `${original.logDirectory}/${name}`
          if (change === null) disk.removeFile(path)
          else disk.damage(path, content => change(content, prng))
        }
        const bench = new Bench({ disk, config: original.config })
        expect([...bench.directory.damaged()]).toEqual([])
        expect({ what, ...visible(bench) }).toEqual({ what, ...expected })
      }
    }
    expect(damagedCount).toBeGreaterThan(10)
  })
}

const checkpointFiles = [
  'recovery-point-offset-checkpoint',
  'replication-offset-checkpoint',
  'log-start-offset-checkpoint',
  '.kafka_cleanshutdown',
]
const checkpointDamages: [string, string][] = [
  ['empty', ''],
  ['garbage', '\u0000\u0001nonsense'],
  ['a wrong count', '0\n7\norders 0 3\n'],
  ['a negative offset', '0\n1\norders 0 -3\n'],
  ['another version', '9\n1\norders 0 3\n'],
  ['cut', '0\n1\nord'],
  ['no such partition', '0\n1\nnowhere 5 3\n'],
]
for (const name of checkpointFiles) {
  test(`a damaged ${name} does not keep the log from opening whole`, async () => {
    const original = new Bench()
    tenBatches(original)
    await original.directory.close({ brokerEpoch: 1 })
    for (const [what, text] of checkpointDamages) {
      const disk = original.disk.clone(new Prng(1))
      disk.writeFileAtomic(`data/${name}`, Buffer.from(text))
      const bench = new Bench({ disk })
      expect({ what, end: bench.log.logEndOffset, start: bench.log.logStartOffset }).toEqual({
        what,
        end: 10,
        start: 0,
      })
      expect(bench.readAll()).toHaveLength(1000)
    }
  })
}

test('checkpoints ahead of the log are brought back into it', async () => {
  const bench = new Bench()
  tenBatches(bench)
  await settle()
  for (const name of ['recovery-point-offset-checkpoint', 'replication-offset-checkpoint']) {
    bench.disk.writeFileAtomic(`data/${name}`, Buffer.from('0\n1\norders 0 99\n'))
  }
  bench.kill('process')
  expect(bench.log).toMatchObject({ logEndOffset: 10, recoveryPoint: 10 })
  expect(bench.directory.highWatermark(topicName, 0)).toBe(10)
  bench.disk.writeFileAtomic(`data/log-start-offset-checkpoint`, Buffer.from('0\n1\norders 0 99\n'))
  bench.kill('process')
  expect(bench.log).toMatchObject({ logStartOffset: 99, logEndOffset: 99 })
})

class Stop extends Error {}

/** A life with every kind of change to the disk. `acknowledged` is what was flushed; `history` what each offset may hold. */
async function scenario(bench: Bench, seen: { flushed: number; ends: number[] }): Promise<void> {
  const flush = async () => {
    await bench.log.flush()
    seen.flushed = bench.log.recoveryPoint
  }
  bench.append({ producerId: 1, producerEpoch: 0, baseSequence: 0 }, 0)
  await flush()
  bench.append({ valueBytes: 100 }, 0)
  bench.log.roll()
  bench.append({ producerId: 1, producerEpoch: 0, baseSequence: 1 }, 1)
  await flush()
  bench.directory.checkpointRecoveryPoints()
  bench.append({ valueBytes: 100 }, 1)
  seen.flushed = 2
  bench.log.truncateTo(2)
  bench.append({ valueBytes: 50 }, 2)
  bench.log.roll()
  bench.append({ valueBytes: 50 }, 2)
  await flush()
  bench.directory.checkpointRecoveryPoints()
  bench.log.incrementLogStartOffset(3)
  bench.log.enforceRetention(3, bench.clock.wallMs())
  bench.clock.advance(100_000)
  await settle()
  bench.append({}, 3)
  await bench.directory.close({ brokerEpoch: 1 })
  seen.flushed = 5
}

test('a crash at any operation of the disk leaves a log that opens, holds what was flushed and stays as it is', async () => {
  const count = async (stopAt: number, mode: (typeof crashModes)[number]): Promise<boolean> => {
    const disk = new SimDisk({ random: new Prng(stopAt) })
    let operations = 0
    let isDead = false
    disk.fault = () => {
      isDead ||= operations++ === stopAt
      if (isDead) throw new Stop()
      return null
    }
    const seen = { flushed: 0, ends: [] }
    try {
      const bench = new Bench({ disk })
      await scenario(bench, seen)
    } catch (error) {
      if (!(error instanceof Stop)) throw error
    }
    await settle()
    disk.crash(mode)
    disk.fault = () => null
    const after = new Bench({ disk })
    expect([mode, stopAt, ...after.directory.damaged()]).toEqual([mode, stopAt])
    const { log } = after
    expect(log.logEndOffset).toBeGreaterThanOrEqual(seen.flushed)
    const bytes = after.readAll()
    after.kill('process')
    expect(after.log).toMatchObject({
      logStartOffset: log.logStartOffset,
      logEndOffset: log.logEndOffset,
    })
    expect(Buffer.compare(after.readAll(), bytes)).toBe(0)
    after.append({}, 9)
    return isDead
  }
  for (const mode of crashModes) {
    let stopAt = 0
    while (await count(stopAt, mode)) stopAt++
    expect(stopAt).toBeGreaterThan(50)
  }
})

test('stored bytes that make no sense are refused when read, and the log goes on', () => {
  const bench = new Bench({ config: { indexIntervalBytes: 0 } })
  tenBatches(bench)
  bench.kill('process')
  const readAt = (offset: number) => () =>
    bench.log.read(offset, { maxBytes: 1000, endOffset: 10, minOneBatch: true })
  bench.disk.damage(logFile(bench), content => content.with(208, 0x7f))
  expect(readAt(2)).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
  bench.disk.damage(logFile(bench), content => content.with(216, 9))
  expect(readAt(2)).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
  expect(readAt(5)()).toHaveLength(500)
  expect(bench.append()).toBe(10)
})

test('a clean start reads no records to know the epochs, also where compaction has taken the first of them', async () => {
  const readsOfCleanStart = async (firstOffset: number): Promise<number> => {
    const bench = new Bench({ config: { cleanupCompact: true } })
    for (let at = 0; at < 500; at++) {
      const baseOffset = firstOffset + at
      bench.log.appendAsFollower(batch({ baseOffset, leaderEpoch: 3, valueBytes: 1000 }))
    }
    await bench.directory.close({ brokerEpoch: 7 })
    bench.disk.crash('process')
    let reads = 0
    bench.disk.fault = operation => {
      if (operation === 'read') reads++
      return null
    }
    bench.open()
    expect(bench.log.latestEpoch).toBe(3)
    return reads
  }
  expect((await readsOfCleanStart(500)) - (await readsOfCleanStart(0))).toBeLessThan(8)
})
