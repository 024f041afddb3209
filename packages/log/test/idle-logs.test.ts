import { ClusterError, must, Prng } from '@trimaran/common'
import { expect, test } from 'vitest'
import { birthsPerTurn } from '../src/births.ts'
import { defaultLogConfig } from '../src/index.ts'
import { type DiskOperation, SimDisk } from '../src/testing/index.ts'
import { batch, Bench, settle, topicId, topicName } from './support.ts'

const logCount = 1_000

function countOperations(disk: SimDisk): Map<string, number> {
  const counts = new Map<string, number>()
  disk.fault = (operation: DiskOperation, path: string) => {
    const key = operation === 'syncDirectory' ? `${operation} ${path}` : operation
    counts.set(key, (counts.get(key) ?? 0) + 1)
    return null
  }
  return counts
}

function createMany(bench: Bench, count = logCount, name = 'idle') {
  return Array.from({ length: count }, (_, partition) =>
    bench.directory.create({ topicId, topicName: name, partition, config: defaultLogConfig }),
  )
}

test('a log without a record costs the disk nothing: not when it is made, flushed, retained, closed or deleted', async () => {
  const bench = new Bench()
  const counts = countOperations(bench.disk)
  const logs = createMany(bench)
  for (const log of logs) {
    await log.flush()
    log.rollIfDue(bench.clock.wallMs())
    expect(log.enforceRetention(0, bench.clock.wallMs())).toBe(0)
    expect(log.offsetForTimestamp(0)).toBe(null)
    expect(log.maxTimestamp()).toBe(null)
    expect(log).toMatchObject({ isOnDisk: false, sizeBytes: 0, recoveryPoint: 0, latestEpoch: -1 })
  }
  bench.directory.delete(topicId, 0)
  bench.directory.strays((_id, partition) => partition !== 1)
  expect([...bench.directory.logs()]).toHaveLength(logCount - 2)
  bench.directory.checkpointRecoveryPoints()
  expect(counts).toEqual(new Map())
  await bench.directory.close({ brokerEpoch: 1 })
  expect(counts).toEqual(new Map([['writeFileAtomic', 1]]))
  expect(bench.disk.list('data')).toEqual(['.kafka_cleanshutdown'])
})

test('a log comes to the disk with its first record, and is durable with its first flush', async () => {
  const bench = new Bench()
  bench.append({}, 4)
  expect(bench.log.isOnDisk).toBe(true)
  await bench.log.flush()
  bench.kill('lose-all')
  expect(bench.directory.log(topicId, 0)).toMatchObject({ logEndOffset: 1, latestEpoch: 4 })
})

test('an empty log that is to begin later is on the disk before it says so', () => {
  const bench = new Bench()
  bench.log.truncateFullyAndStartAt(70)
  bench.kill('lose-all')
  expect(bench.directory.log(topicId, 0)).toMatchObject({ logStartOffset: 70, logEndOffset: 70 })
})

test('the directory of an earlier topic makes way when the first record comes', () => {
  const bench = new Bench()
  bench.append()
  const before = bench.disk.clone()
  const other = new Bench({ disk: before })
  expect(other.directory.log(topicId, 0)?.logEndOffset).toBe(1)
  const otherId = 'AAAAAAAAAAAAAAAAAAAAAg'
  const log = other.directory.create({
    topicId: otherId,
    topicName,
    partition: 0,
    config: defaultLogConfig,
  })
  expect(before.list('data')).toEqual(['orders-0'])
  log.appendAsLeader(batch(), 0)
  expect(before.list('data')).toEqual(['orders-0', `orders-0.${otherId}-stray`])
  other.kill('process')
  expect(other.directory.log(otherId, 0)?.logEndOffset).toBe(1)
})

test('the first flushes of a thousand logs share the sync of their common directory', async () => {
  const bench = new Bench({ disk: new SimDisk({ random: new Prng(1) }) })
  const logs = createMany(bench)
  for (const log of logs) log.appendAsLeader(batch(), 0)
  bench.clock.advance(0)
  const counts = countOperations(bench.disk)
  await Promise.all(logs.map(log => log.flush()))
  expect(counts.get('syncDirectory data')).toBeLessThanOrEqual(2)
  bench.kill('lose-all')
  expect([...bench.directory.logs()]).toHaveLength(logCount)
})

test('nothing is claimed before the names are durable, whoever asks while they are being synced', async () => {
  const syncs: (() => void)[] = []
  const disk = new SimDisk({ random: new Prng(1), afterSync: complete => syncs.push(complete) })
  const bench = new Bench({ disk })
  bench.append()
  const { log } = bench
  void log.flush()
  log.roll()
  await settle()
  const names = syncs.splice(0)
  expect(names).toHaveLength(3)
  for (const complete of names.slice(0, 2)) complete()
  await settle()
  expect(syncs).toHaveLength(0)
  expect(log.recoveryPoint).toBe(0)
  names[2]?.()
  for (let round = 0; round < 5; round++) {
    await settle()
    for (const complete of syncs.splice(0)) complete()
  }
  await settle()
  expect(log.recoveryPoint).toBe(1)
  bench.kill('lose-all')
  expect(bench.directory.log(topicId, 0)).toMatchObject({ logEndOffset: 1 })
})

/** A log after so many others of the same turn that it is not on the disk yet, with one record. */
function lateLog(bench: Bench) {
  const logs = createMany(bench, birthsPerTurn + 1)
  for (const log of logs) log.appendAsLeader(batch(), 0)
  return logs.at(-1) as (typeof logs)[number]
}

test('first records of many logs come to the disk a few a turn, in their order, and say when', async () => {
  const bench = new Bench()
  const logs = createMany(bench, 3 * birthsPerTurn)
  for (const log of logs) log.appendAsLeader(batch(), 0)
  for (const log of logs) log.appendAsLeader(batch(), 0)
  const written = (): number => logs.filter(log => log.unwritten === null).length
  expect(written()).toBe(birthsPerTurn)
  expect(bench.disk.list('data')).toHaveLength(birthsPerTurn)
  expect(logs.slice(0, birthsPerTurn).every(log => log.unwritten === null)).toBe(true)
  const waits = logs.map(log => log.unwritten)
  expect(logs.map(log => log.logEndOffset)).toEqual(logs.map(() => 2))
  bench.clock.advance(0)
  await Promise.all(waits)
  expect(written()).toBe(logs.length)
  bench.kill('process')
  const reopened = [...bench.directory.logs()]
  expect(reopened.map(log => log.logEndOffset)).toEqual(logs.map(() => 2))
})

test('what is in memory alone dies with the process, and leaves nothing behind', () => {
  const bench = new Bench()
  lateLog(bench)
  bench.kill('process')
  expect([...bench.directory.logs()]).toHaveLength(birthsPerTurn)
  expect(bench.disk.list('data')).toHaveLength(birthsPerTurn)
})

test('whoever needs the file of a waiting log gets it at once', () => {
  const uses: Record<string, (log: ReturnType<typeof lateLog>) => void> = {
    read: log =>
      expect(
        log.read(0, { maxBytes: 1e6, endOffset: 1, minOneBatch: true }).length,
      ).toBeGreaterThan(0),
    roll: log => log.roll(),
    truncate: log => {
      log.appendAsLeader(batch(), 0)
      log.truncateTo(1)
    },
  }
  for (const [name, use] of Object.entries(uses)) {
    const bench = new Bench()
    const log = lateLog(bench)
    if (name === 'read') log.appendAsFollower(batch({ baseOffset: 1, leaderEpoch: 0 }))
    else use(log)
    if (name === 'read') use(log)
    expect([name, log.unwritten, log.isOnDisk]).toEqual([name, null, true])
    bench.kill('process')
    const key = [log.topicId, log.partition] as const
    expect(bench.directory.log(...key)?.logEndOffset).toBe(name === 'read' ? 2 : 1)
  }
})

test('a flush of a waiting log waits for its turn and then makes it durable', async () => {
  const bench = new Bench()
  const log = lateLog(bench)
  const flushed = log.flush()
  await settle()
  expect(log).toMatchObject({ recoveryPoint: 0, isOnDisk: false })
  bench.clock.advance(0)
  await flushed
  expect(log.recoveryPoint).toBe(1)
  bench.kill('lose-all')
  expect(bench.directory.log(log.topicId, log.partition)?.logEndOffset).toBe(1)
})

test('a waiting log that is deleted is not made, and nobody waits for it', async () => {
  const bench = new Bench()
  const log = lateLog(bench)
  const [flushed, written] = [log.flush(), log.unwritten]
  bench.directory.delete(log.topicId, log.partition)
  await Promise.all([flushed, written])
  bench.clock.advance(0)
  expect(bench.disk.list('data')).toHaveLength(birthsPerTurn)
})

test('a waiting log that is emptied begins where it is told, and nobody waits for it', async () => {
  const bench = new Bench()
  const log = lateLog(bench)
  const written = log.unwritten
  expect(written).not.toBe(null)
  log.truncateFullyAndStartAt(9)
  await written
  bench.clock.advance(0)
  bench.kill('process')
  const reopened = bench.directory.log(log.topicId, log.partition)
  expect(reopened).toMatchObject({ logStartOffset: 9, logEndOffset: 9 })
})

test('a waiting log that cannot be made fails who waits for it, and the directory', async () => {
  const bench = new Bench()
  const log = lateLog(bench)
  const written = log.unwritten
  bench.disk.fault = operation => (operation === 'makeDirectory' ? 'DISK_FULL' : null)
  bench.clock.advance(0)
  await expect(written).rejects.toMatchObject({ code: 'DISK_FULL' })
  expect(bench.directory.failed).toMatchObject({ code: 'DISK_FULL' })
  expect(() => log.appendAsLeader(batch(), 0)).toThrow('makeDirectory')
})

test('a log without a record answers as one that is ready for records and has none', async () => {
  const epochs = [-1, 0, 3, 4, 5]
  const [idle, ready] = [new Bench(), new Bench()].map(bench => bench.log)
  const logs = [must(idle, 'a log'), must(ready, 'a log')]
  const wholeSegment = batch({ valueBytes: 2 * 1024 * 1024 })
  const config = { ...defaultLogConfig, segmentBytes: 1024 * 1024 }
  logs[1]!.config = config
  expect(logs[1]!.appendAsLeader(wholeSegment, 0).kind).toBe('rejected')
  expect(logs.map(log => log.segmentCount)).toEqual([0, 1])
  const [mine, other] = logs.map(log => ({
    isOnDisk: log.isOnDisk,
    unwritten: log.unwritten,
    directory: log.directory,
    latestEpoch: log.latestEpoch,
    recovery: log.recovery,
    offsets: [log.logStartOffset, log.logEndOffset, log.recoveryPoint, log.firstDirtyOffset],
    sizes: [log.sizeBytes, log.producerCount],
    startsInsideSegment: log.startsInsideSegment,
    ends: epochs.map(epoch => log.endOffsetForEpoch(epoch)),
    epochAt: log.leaderEpochAt(0),
    read: log.read(0, { maxBytes: 100, endOffset: 0, minOneBatch: true }),
    coldRead: log.coldRead(0, 100),
    times: [log.offsetForTimestamp(0), log.maxTimestamp()],
    stable: log.lastStableOffset(0),
    aborted: log.abortedTransactions(0, 10),
    retained: log.enforceRetention(0, 1e15),
    compaction: log.startCompaction(0, 1e15),
    flushDue: log.flushDue(1e15),
  }))
  expect(mine).toEqual(other)
  for (const log of logs) {
    expect(() => log.read(1, { maxBytes: 1, endOffset: 1, minOneBatch: true })).toThrow('within')
    expect(() => log.incrementLogStartOffset(1)).toThrow('before its end')
    log.truncateTo(1)
    log.truncateTo(0)
    expect(log).toMatchObject({ latestEpoch: -1, logEndOffset: 0 })
    await log.close()
    expect(() => log.appendAsLeader(batch(), 5)).toThrow('a closed log takes no append')
  }
})

test('a directory that failed refuses the first record of a log, and its flush', async () => {
  const bench = new Bench()
  const [, idle] = createMany(bench, 2)
  bench.disk.fault = operation => (operation === 'append' ? 'DISK_FAILED' : null)
  expect(() => bench.append()).toThrow(ClusterError)
  expect(bench.directory.failed).not.toBe(null)
  expect(() => idle?.appendAsLeader(batch(), 0)).toThrow(bench.directory.failed!)
  expect(() => idle?.truncateFullyAndStartAt(5)).toThrow(bench.directory.failed!)
  await expect(idle?.flush()).rejects.toBe(bench.directory.failed)
})
