import { Prng, type Uuid } from '@trimaran/common'
import { expect, test } from 'vitest'
import { defaultLogConfig } from '../src/index.ts'
import { SimDisk } from '../src/testing/index.ts'
import { batch, Bench, settle, topicId, topicName } from './support.ts'

const otherId: Uuid = 'AAAAAAAAAAAAAAAAAAAAAg'
const create = (bench: Bench, name: string, partition: number, id: Uuid = otherId) =>
  bench.directory.create({ topicId: id, topicName: name, partition, config: defaultLogConfig })
const text = (bench: Bench, path: string): string =>
  Buffer.from(bench.disk.content(path)).toString()

test('a clean stop leaves a marker with the broker epoch, which the next start takes away', async () => {
  const bench = new Bench()
  expect(bench.directory).toMatchObject({ wasCleanShutdown: false, previousBrokerEpoch: -1 })
  bench.append()
  await bench.directory.close({ brokerEpoch: 42 })
  expect(JSON.parse(text(bench, 'data/.kafka_cleanshutdown'))).toEqual({
    version: 0,
    brokerEpoch: 42,
  })
  bench.kill('lose-all')
  expect(bench.directory).toMatchObject({ wasCleanShutdown: true, previousBrokerEpoch: 42 })
  bench.kill('lose-all')
  expect(bench.directory).toMatchObject({ wasCleanShutdown: false, previousBrokerEpoch: -1 })
})

test('the files of a directory are those of Kafka', async () => {
  const bench = new Bench({ config: { indexIntervalBytes: 0 } })
  bench.append({ count: 3 }, 2)
  bench.append({ count: 2 }, 4)
  bench.directory.checkpointHighWatermarks([{ topicName, partition: 0, offset: 3 }])
  bench.log.incrementLogStartOffset(1)
  await bench.directory.close({ brokerEpoch: 1 })
  expect(bench.disk.list(bench.logDirectory)).toEqual([
    '00000000000000000000.index',
    '00000000000000000000.log',
    '00000000000000000000.timeindex',
    '00000000000000000005.snapshot',
    'leader-epoch-checkpoint',
    'partition.metadata',
  ])
  expect(text(bench, `${bench.logDirectory}/leader-epoch-checkpoint`)).toBe('0\n2\n2 1\n4 3\n')
  expect(text(bench, `${bench.logDirectory}/partition.metadata`)).toBe(
    `version: 0\ntopic_id: ${topicId}\n`,
  )
  expect(text(bench, 'data/replication-offset-checkpoint')).toBe('0\n1\norders 0 3\n')
  expect(text(bench, 'data/recovery-point-offset-checkpoint')).toBe('0\n1\norders 0 5\n')
  expect(text(bench, 'data/log-start-offset-checkpoint')).toBe('0\n1\norders 0 1\n')
})

test('topics with dots and dashes in their names keep them', async () => {
  const bench = new Bench()
  create(bench, 'a-1.b_c-7', 3).appendAsLeader(batch(), 0)
  create(bench, '__consumer_offsets', 12).appendAsLeader(batch(), 0)
  await bench.restart()
  const names = [...bench.directory.logs()].map(log => `${log.topicName} ${log.partition}`)
  expect(names.sort()).toEqual(['__consumer_offsets 12', 'a-1.b_c-7 3'])
})

test('a deleted log frees its name at once and its bytes after the delay', () => {
  const bench = new Bench()
  bench.append()
  bench.directory.delete(topicId, 0)
  expect(bench.directory.log(topicId, 0)).toBe(undefined)
  expect(bench.disk.list('data')).toEqual([`orders-0.${topicId}-delete`])
  const again = create(bench, topicName, 0)
  expect(again).toMatchObject({ logEndOffset: 0, topicId: otherId })
  again.appendAsLeader(batch(), 0)
  bench.clock.advance(60_000)
  expect(bench.disk.list('data').filter(name => name.startsWith('orders'))).toEqual(['orders-0'])
})

test('a new topic of an old name inherits nothing from the checkpoints, not even through a crash', async () => {
  const bench = new Bench()
  for (let number = 0; number < 4; number++) bench.append()
  bench.log.incrementLogStartOffset(3)
  bench.directory.checkpointHighWatermarks([{ topicName, partition: 0, offset: 4 }])
  await bench.log.flush()
  bench.directory.checkpointRecoveryPoints()
  bench.directory.delete(topicId, 0)
  create(bench, topicName, 0).appendAsLeader(batch(), 0)
  bench.kill('process')
  expect(bench.directory.log(otherId, 0)).toMatchObject({ logStartOffset: 0, logEndOffset: 1 })
  expect(bench.directory.highWatermark(topicName, 0)).toBe(0)
})

test('a deletion that a crash interrupts is completed by the next start', () => {
  const bench = new Bench()
  bench.append()
  bench.directory.delete(topicId, 0)
  bench.kill('process')
  expect(bench.disk.list('data')).toEqual([])
})

test('deleting a log while it is flushed harms nothing', async () => {
  const bench = new Bench()
  bench.append()
  const flushed = bench.log.flush()
  bench.directory.delete(topicId, 0)
  bench.clock.advance(60_000)
  await flushed
  expect(bench.directory.failed).toBe(null)
})

test('logs that nobody knows are set aside and never served', () => {
  const bench = new Bench()
  bench.append()
  create(bench, 'other', 1).appendAsLeader(batch(), 0)
  expect(bench.directory.strays(id => id === otherId)).toEqual([`data/orders-0.${topicId}-stray`])
  expect(bench.directory.log(topicId, 0)).toBe(undefined)
  bench.kill('process')
  expect([...bench.directory.logs()].map(log => log.topicName)).toEqual(['other'])
  expect(bench.disk.exists(`data/orders-0.${topicId}-stray/00000000000000000000.log`)).toBe(true)
})

test('a directory without an identity is kept aside if it has records, else removed', () => {
  const bench = new Bench()
  bench.append()
  create(bench, 'empty', 0).appendAsLeader(batch(), 0)
  bench.disk.damage('data/empty-0/00000000000000000000.log', () => new Uint8Array(0))
  bench.disk.removeFile('data/orders-0/partition.metadata')
  bench.disk.damage('data/empty-0/partition.metadata', () => new Uint8Array(60))
  bench.kill('process')
  expect([...bench.directory.logs()]).toEqual([])
  expect(bench.disk.list('data')).toEqual(['orders-0.unknown-stray'])
})

test('what is not a log is left alone', () => {
  const bench = new Bench()
  bench.disk.writeFileAtomic('data/meta.properties', Buffer.from('x'))
  bench.disk.writeFileAtomic('data/notes-1', Buffer.from('x'))
  bench.disk.makeDirectory('data/lost+found')
  bench.kill('process')
  expect(bench.disk.list('data')).toEqual(['lost+found', 'meta.properties', 'notes-1'])
})

test('after a failed write no log of the directory takes an append, and the directory says so', () => {
  const bench = new Bench()
  bench.append()
  const other = create(bench, 'other', 0)
  bench.disk.fault = operation => (operation === 'append' ? 'DISK_FAILED' : null)
  expect(() => bench.append()).toThrow(expect.objectContaining({ code: 'DISK_FAILED' }))
  bench.disk.fault = () => null
  expect(bench.directory.failed).toMatchObject({ code: 'DISK_FAILED' })
  expect(() => bench.append()).toThrow(expect.objectContaining({ code: 'DISK_FAILED' }))
  expect(() => other.appendAsLeader(batch(), 0)).toThrow(
    expect.objectContaining({ code: 'DISK_FAILED' }),
  )
  expect(() => create(bench, 'third', 1)).toThrow(expect.objectContaining({ code: 'DISK_FAILED' }))
  expect(bench.log.logEndOffset).toBe(1)
  expect(bench.readAll().length).toBeGreaterThan(0)
  expect(bench.events.at(-1)).toMatchObject({ level: 'error', phrase: 'log directory failed' })
})

test('a full disk leaves a torn tail that the next start cuts', () => {
  const bench = new Bench()
  bench.append()
  bench.disk.capacityBytes = 300
  expect(() => bench.append({ valueBytes: 500 })).toThrow(
    expect.objectContaining({ code: 'DISK_FULL' }),
  )
  expect(bench.directory.failed).toMatchObject({ code: 'DISK_FULL' })
  bench.disk.capacityBytes = Infinity
  bench.kill('process')
  expect(bench.log.logEndOffset).toBe(1)
  expect(bench.append()).toBe(1)
})

test('a failed sync is never tried again: the directory gets no marker of a clean stop', async () => {
  const bench = new Bench()
  bench.append()
  let failures = 1
  bench.disk.fault = operation => (operation === 'sync' && failures-- > 0 ? 'DISK_FAILED' : null)
  await expect(bench.log.flush()).rejects.toMatchObject({ code: 'DISK_FAILED' })
  await expect(bench.log.flush()).rejects.toMatchObject({ code: 'DISK_FAILED' })
  expect(bench.log.recoveryPoint).toBe(0)
  await bench.directory.close({ brokerEpoch: 1 })
  bench.kill('process')
  expect(bench.directory.wasCleanShutdown).toBe(false)
})

test('a failed write behind a roll stops the next append', async () => {
  const bench = new Bench()
  bench.append()
  bench.disk.fault = operation => (operation === 'sync' ? 'DISK_FAILED' : null)
  bench.log.roll()
  await settle()
  expect(bench.directory.failed).toMatchObject({ code: 'DISK_FAILED' })
  expect(() => bench.append()).toThrow(expect.objectContaining({ code: 'DISK_FAILED' }))
})

test('checkpoints are written only when something has moved', async () => {
  const bench = new Bench()
  bench.append()
  await bench.log.flush()
  let writes = 0
  bench.disk.fault = operation => {
    if (operation === 'writeFileAtomic') writes++
    return null
  }
  bench.directory.checkpointRecoveryPoints()
  bench.directory.checkpointHighWatermarks([{ topicName, partition: 0, offset: 1 }])
  expect(writes).toBe(2)
  bench.directory.checkpointRecoveryPoints()
  bench.directory.checkpointHighWatermarks([{ topicName, partition: 0, offset: 1 }])
  expect(writes).toBe(2)
})

test('idle logs hold no open files, and a thousand busy ones no more than the bound', async () => {
  const bench = new Bench({ disk: new SimDisk({ random: new Prng(1) }) })
  const openPaths = new Set<object>()
  const opened = bench.disk.open.bind(bench.disk)
  let most = 0
  bench.disk.open = (path, options) => {
    const file = opened(path, options)
    openPaths.add(file)
    most = Math.max(most, openPaths.size)
    const close = file.close.bind(file)
    file.close = () => {
      openPaths.delete(file)
      close()
    }
    return file
  }
  for (let partition = 0; partition < 1000; partition++) {
    create(bench, 'wide', partition).appendAsLeader(batch({ valueBytes: 5000 }), 0)
  }
  bench.clock.advance(0)
  expect(most).toBeLessThan(520)
  await bench.directory.close({ brokerEpoch: 1 })
  expect(openPaths.size).toBe(0)
  bench.kill('process')
  expect([...bench.directory.logs()]).toHaveLength(1000)
  expect(openPaths.size).toBe(0)
  expect(most).toBeLessThan(520)
})
