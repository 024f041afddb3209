import { Prng } from '@trimaran/common'
import {
  BATCH_OVERHEAD,
  decodeBatch,
  encodeBatch,
  forEachBatch,
  renewCrc,
} from '@trimaran/protocol'
import { expect, test } from 'vitest'
import { SimDisk } from '../src/testing/index.ts'
import { Bench, marker, settle, topicId } from './support.ts'

const startMs = 1_700_000_000_000
const config = {
  cleanupCompact: true,
  cleanupDelete: false,
  segmentBytes: 600,
  indexIntervalBytes: 100,
  minCleanableDirtyRatio: 0,
  deleteRetentionMs: 1000,
  producerIdExpirationMs: 1e15,
}

interface Put {
  readonly key: string | null
  readonly value: string | null
}
const put = (key: string | null, value: string | null): Put => ({ key, value })

function append(
  bench: Bench,
  puts: readonly Put[],
  producer: { producerId?: number; baseSequence?: number; isTransactional?: boolean } = {},
): number {
  const bytes = encodeBatch({
    records: puts.map(({ key, value }) => ({
      key: key === null ? null : Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
      timestampMs: startMs,
    })),
    producerId: producer.producerId ?? -1,
    producerEpoch: producer.producerId === undefined ? -1 : 0,
    baseSequence: producer.baseSequence ?? -1,
    isTransactional: producer.isTransactional ?? false,
  })
  const result = bench.log.appendAsLeader(bytes, Math.max(0, bench.log.latestEpoch))
  if (result.kind === 'rejected') throw new Error(result.errorMessage)
  return result.baseOffset
}

function compact(
  bench: Bench,
  nowWallMs = startMs,
  highWatermark = bench.log.logEndOffset,
): boolean {
  const pass = bench.log.startCompaction(highWatermark, nowWallMs)
  if (pass === null) return false
  while (pass.step());
  return true
}

interface Stored {
  readonly offset: number
  readonly key: string | null
  readonly value: string | null
}
function stored(bench: Bench): Stored[] {
  const found: Stored[] = []
  const bytes = bench.readAll()
  forEachBatch(bytes, (header, at) => {
    if (header.isControl) return
    for (const { offset, key, value } of decodeBatch(bytes, at).records) {
      found.push({
        offset,
        key: key && Buffer.from(key).toString(),
        value: value && Buffer.from(value).toString(),
      })
    }
  })
  return found
}
const brief = (bench: Bench): string =>
  stored(bench)
    .map(({ offset, key, value }) => `${offset}:${key}=${value}`)
    .join(' ')

test('only the newest record of each key is left below the active segment, at its old offset', () => {
  const bench = new Bench({ config })
  append(bench, [put('a', '1'), put('b', '1'), put('a', '2')])
  append(bench, [put('c', '1'), put(null, 'no key')])
  append(bench, [put('b', '2')])
  bench.log.roll()
  append(bench, [put('c', '2')])
  expect(compact(bench)).toBe(true)
  expect(brief(bench)).toBe('2:a=2 3:c=1 5:b=2 6:c=2')
  expect(bench.log).toMatchObject({ logStartOffset: 0, logEndOffset: 7, firstDirtyOffset: 6 })
  bench.log.roll()
  append(bench, [put('d', '1')])
  compact(bench)
  expect(brief(bench)).toBe('2:a=2 5:b=2 6:c=2 7:d=1')
})

test('a batch of which all is kept stays byte for byte', () => {
  const bench = new Bench({ config })
  append(bench, [put('a', '1'), put('b', '1')])
  bench.log.roll()
  const before = bench.readAll()
  compact(bench)
  expect(Buffer.compare(bench.readAll(), before)).toBe(0)
})

test('nothing past the high watermark or an open transaction is compacted', () => {
  const bench = new Bench({ config })
  append(bench, [put('a', '1')])
  bench.log.roll()
  append(bench, [put('a', '2')])
  bench.log.roll()
  expect(compact(bench, startMs, 0)).toBe(false)
  append(bench, [put('a', '3')], { producerId: 1, baseSequence: 0, isTransactional: true })
  bench.log.roll()
  append(bench, [put('a', '4')])
  compact(bench)
  expect(brief(bench)).toBe('1:a=2 2:a=3 3:a=4')
})

test('a tombstone outlives the first pass by delete.retention.ms', () => {
  const bench = new Bench({ config })
  append(bench, [put('a', '1')])
  append(bench, [put('a', null), put('b', '1')])
  bench.log.roll()
  compact(bench, startMs)
  expect(brief(bench)).toBe('1:a=null 2:b=1')
  const next = (nowWallMs: number): string => {
    append(bench, [put('z', '1')])
    bench.log.roll()
    compact(bench, nowWallMs)
    return brief(bench)
  }
  expect(next(startMs + 999)).toContain('1:a=null')
  expect(next(startMs + 1000)).not.toContain('a=')
  // What was deleted stays so for readers that begin anew.
  expect(bench.log.logStartOffset).toBe(0)
})

test('data of aborted transactions goes at once, markers when their data is gone and readers had time', () => {
  const bench = new Bench({ config })
  append(bench, [put('a', '1')])
  append(bench, [put('a', 'aborted')], { producerId: 1, baseSequence: 0, isTransactional: true })
  append(bench, [put('c', 'committed')], { producerId: 2, baseSequence: 0, isTransactional: true })
  bench.log.appendAsLeader(marker({ producerId: 1, committed: false }), 0)
  bench.log.appendAsLeader(marker({ producerId: 2, committed: true }), 0)
  append(bench, [put('e', '1')], { producerId: 1, baseSequence: 1 })
  bench.log.roll()
  compact(bench)
  expect(brief(bench)).toBe('0:a=1 2:c=committed 5:e=1')
  const markers = (): number[] => {
    const offsets: number[] = []
    forEachBatch(bench.readAll(), header => {
      if (header.isControl) offsets.push(header.baseOffset)
    })
    return offsets
  }
  expect(markers()).toEqual([3, 4])
  append(bench, [put('z', '1')])
  bench.log.roll()
  compact(bench, startMs + 1000)
  expect(markers()).toEqual([4])
  append(bench, [put('c', '2')])
  bench.log.roll()
  compact(bench, startMs + 2000)
  expect(markers()).toEqual([4])
  append(bench, [put('z', '2')])
  bench.log.roll()
  compact(bench, startMs + 3000)
  expect(markers()).toEqual([])
})

test('the last batch of a producer stays, if need be without records, so that a retry is known after a rebuild', () => {
  const bench = new Bench({ config })
  append(bench, [put('a', '1')], { producerId: 9, baseSequence: 0 })
  append(bench, [put('a', '2')])
  bench.log.roll()
  compact(bench)
  expect(brief(bench)).toBe('1:a=2')
  for (const name of bench.disk.list(bench.logDirectory)) {
    if (name.endsWith('.snapshot')) bench.disk.removeFile(`${bench.logDirectory}/${name}`)
  }
  bench.kill('process')
  expect(append(bench, [put('a', '1')], { producerId: 9, baseSequence: 0 })).toBe(0)
  expect(bench.log.logEndOffset).toBe(2)
})

test('small remains are put together into one segment', () => {
  const bench = new Bench({ config })
  for (let number = 0; number < 60; number++) append(bench, [put('a', `${number}`)])
  const before = bench.log.segmentCount
  compact(bench)
  expect(before).toBeGreaterThan(6)
  const second = bench.log.segmentCount
  append(bench, [put('b', '1')])
  bench.log.roll()
  compact(bench)
  expect(bench.log.segmentCount).toBeLessThan(second)
  expect(brief(bench)).toBe('59:a=59 60:b=1')
})

test('a pass begins only when enough of the log is dirty and old enough', () => {
  const bench = new Bench({ config: { ...config, minCleanableDirtyRatio: 0.5 } })
  for (let number = 0; number < 10; number++) append(bench, [put(`${number}`, 'x'.repeat(50))])
  bench.log.roll()
  expect(compact(bench)).toBe(true)
  append(bench, [put('0', 'x')])
  bench.log.roll()
  expect(compact(bench)).toBe(false)
  const young = new Bench({ config: { ...config, minCompactionLagMs: 100 } })
  append(young, [put('a', '1')])
  young.log.roll()
  expect(compact(young, startMs + 99)).toBe(false)
  expect(compact(young, startMs + 100)).toBe(true)
  expect(
    new Bench({ config: { ...config, cleanupCompact: false } }).log.startCompaction(0, startMs),
  ).toBe(null)
})

test('a pass that the log has overtaken ends without a trace', async () => {
  const overtaken: ((bench: Bench) => void)[] = [
    bench => bench.log.truncateTo(bench.log.logEndOffset - 1),
    bench => bench.log.truncateFullyAndStartAt(500),
    bench => bench.directory.delete(topicId, 0),
  ]
  for (const overtake of overtaken) {
    const bench = new Bench({ config })
    for (let number = 0; number < 40; number++) append(bench, [put('a', 'x'.repeat(30))])
    const pass = bench.log.startCompaction(bench.log.logEndOffset, startMs)
    for (let step = 0; step < 14; step++) pass?.step()
    overtake(bench)
    expect(pass?.step()).toBe(false)
    const names = bench.disk.list(bench.logDirectory)
    expect(names.filter(name => name.endsWith('.cleaned'))).toEqual([])
    expect(bench.directory.failed).toBe(null)
    await settle()
  }
})

test('a compacted log reopens as it was, and its follower copies the gaps', async () => {
  const bench = new Bench({ config })
  for (let number = 0; number < 50; number++) append(bench, [put(`${number % 7}`, `${number}`)])
  compact(bench)
  const expected = brief(bench)
  const follower = new Bench({ config })
  follower.log.appendAsFollower(bench.readAll())
  expect(brief(follower)).toBe(expected)
  expect(follower.log.logEndOffset).toBe(50)
  const firstDirty = bench.log.firstDirtyOffset
  await bench.restart()
  expect(bench.log.recovery).toBe(null)
  expect(bench.log.firstDirtyOffset).toBe(firstDirty)
  expect(brief(bench)).toBe(expected)
  bench.kill('process')
  expect(brief(bench)).toBe(expected)
})

class Stop extends Error {}

test('a crash at any operation of a pass loses no newest record and leaves a log that compacts again', async () => {
  const life = async (stopAt: number, mode: 'process' | 'lose-all'): Promise<boolean> => {
    const disk = new SimDisk({ random: new Prng(stopAt) })
    const bench = new Bench({ disk, config })
    for (let number = 0; number < 24; number++)
      append(bench, [put(`${number % 5}`, `${number}`.padEnd(20, '.'))])
    await bench.log.flush()
    bench.directory.checkpointRecoveryPoints()
    const newest = new Map(
      stored(bench).map(({ key, value, offset }) => [key, `${offset}=${value}`]),
    )
    let operations = 0
    let isDead = false
    disk.fault = () => {
      isDead ||= operations++ === stopAt
      if (isDead) throw new Stop()
      return null
    }
    try {
      compact(bench)
    } catch (error) {
      if (!(error instanceof Stop)) throw error
    }
    disk.crash(mode)
    disk.fault = () => null
    const after = new Bench({ disk, config })
    expect([stopAt, ...after.directory.damaged()]).toEqual([stopAt])
    expect(after.log.logEndOffset).toBe(24)
    const found = () =>
      new Map(stored(after).map(({ key, value, offset }) => [key, `${offset}=${value}`]))
    expect(found()).toEqual(newest)
    compact(after)
    expect(found()).toEqual(newest)
    await after.restart()
    expect(found()).toEqual(newest)
    return isDead
  }
  for (const mode of ['process', 'lose-all'] as const) {
    let stopAt = 0
    while (await life(stopAt, mode)) stopAt++
    expect(stopAt).toBeGreaterThan(20)
  }
})

test('random histories keep the newest record of every key through passes, restarts and kills', async () => {
  for (let seed = 0; seed < 40; seed++) {
    const prng = new Prng(seed)
    const bench = new Bench({ config, seed })
    const newest = new Map<string, string | null>()
    let all: Stored[] = []
    for (let step = 0; step < 60; step++) {
      const pick = prng.between(0, 9)
      if (pick < 6) {
        const puts = Array.from({ length: prng.between(1, 4) }, () =>
          put(`${prng.between(0, 9)}`, prng.chance(1, 6) ? null : `${step}`),
        )
        const base = append(bench, puts)
        puts.forEach((one, number) => {
          newest.set(one.key as string, one.value)
          all.push({ offset: base + number, ...one })
        })
      } else if (pick < 8) compact(bench, startMs + step * 100)
      else if (pick === 8) await bench.restart()
      else bench.kill('process')
      const now = stored(bench)
      const seen = new Map(now.map(({ key, value }) => [key, value]))
      for (const [key, value] of newest) {
        // A deleted key may be gone altogether.
        expect([seed, key, seen.get(key) ?? null]).toEqual([seed, key, value])
      }
      const known = new Map(all.map(one => [one.offset, `${one.key}=${one.value}`]))
      for (const one of now) expect(`${one.key}=${one.value}`).toBe(known.get(one.offset))
      all = all.slice(-400)
    }
  }
})

test.each(['no lz4', 'offsets of other batches'] as const)(
  'a batch with %s in it ends the pass, and the log stays as it was',
  what => {
    const bench = new Bench({ config })
    append(bench, [put('a', '1')])
    const bytes = encodeBatch({
      records: [{ key: Buffer.from('a'), value: null, timestampMs: startMs, offsetDelta: 900 }],
      compression: 'lz4',
      lastOffsetDelta: 0,
    })
    if (what === 'no lz4') bytes.fill(0xee, BATCH_OVERHEAD)
    renewCrc(bytes, 0, bytes.length)
    bench.log.appendAsLeader(bytes, 0)
    for (let at = 0; at < 12; at++) append(bench, [put(`b${at}`, 'x'.repeat(60))])
    const end = bench.log.logEndOffset
    expect(() => compact(bench)).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
    expect([bench.log.logStartOffset, bench.log.logEndOffset]).toEqual([0, end])
  },
)

test('damage is not copied with a checksum that makes it look whole', async () => {
  const bench = new Bench({ config })
  append(bench, [put('a', 'one'), put('b', 'two')])
  append(bench, [put('a', 'three')])
  bench.log.roll()
  append(bench, [put('c', 'four')])
  await bench.restart()
  const path = `${bench.logDirectory}/00000000000000000000.log`
  bench.disk.damage(path, content => content.with(80, (content[80] ?? 0) ^ 1))
  expect(() => compact(bench)).toThrow('checksum mismatch')
  expect(() => bench.readAll()).toThrow('checksum mismatch')
})
