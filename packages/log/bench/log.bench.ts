import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Contest, Lab, Measure } from '@trimaran/common/testing/measure'
import { crc32c, encodeBatch, readBatchHeader, setInt32 } from '@trimaran/protocol'
import { defaultLogConfig, type LogConfig, LogDirectory, type PartitionLog } from '../src/index.ts'
import { unwritten } from '../src/testing/index.ts'

const topicId = 'ordersAAAAAAAAAAAAAAAA'
const topicName = 'orders'
const mib = 1024 * 1024
/** Where a batch has its base sequence. */
const baseSequenceAt = 53

const batchOf = (valueBytes: number, recordCount: number, producerId = -1): Uint8Array =>
  encodeBatch({
    records: Array.from({ length: recordCount }, () => ({
      timestampMs: 1_700_000_000_000,
      value: new Uint8Array(valueBytes).fill(7),
    })),
    producerId,
    producerEpoch: producerId < 0 ? -1 : 0,
    baseSequence: producerId < 0 ? -1 : 0,
  })

const openDirectory = (lab: Lab, config: Partial<LogConfig> = {}): LogDirectory =>
  LogDirectory.open({
    disk: lab.disk,
    directory: join(lab.directory, 'logs'),
    clock: lab.clock,
    logEvent: () => {},
    configFor: () => ({ ...defaultLogConfig, ...config }),
  })

function newLog(directory: LogDirectory, config: Partial<LogConfig> = {}): PartitionLog {
  if (directory.log(topicId, 0) !== undefined) directory.delete(topicId, 0)
  const log = { ...defaultLogConfig, fileDeleteDelayMs: 0, ...config }
  return directory.create({ topicId, topicName, partition: 0, config: log })
}

/** The next batch of a producer, in sequence if it is idempotent; its checksum is not looked at by appends. */
function appender(batch: Uint8Array, log: () => PartitionLog): () => void {
  const { recordCount, producerId } = readBatchHeader(batch, 0)
  let sequence = 0
  let of = log()
  return () => {
    if (of !== log()) {
      of = log()
      sequence = 0
    }
    if (producerId >= 0) setInt32(batch, baseSequenceAt, sequence)
    sequence += recordCount
    const { kind } = of.appendAsLeader(batch, 0)
    if (kind !== 'appended') throw new Error(kind)
  }
}

/** The naive loop does what an append has to do besides: it keeps a copy, in blocks of as many bytes as those of a tail. */
function appendUnwritten(lab: Lab, batch: Uint8Array): Contest {
  const directory = openDirectory({ ...lab, disk: unwritten(lab.disk) })
  const log = newLog(directory, { segmentBytes: 2 ** 31 - 1 })
  let block = Buffer.allocUnsafeSlow(mib / 4)
  let used = 0
  return {
    stepBytes: batch.length,
    stepsMax: Math.ceil((64 * mib) / batch.length),
    ours: appender(batch, () => log),
    naive: () => {
      if (used + batch.length > block.length) {
        block = Buffer.allocUnsafeSlow(mib / 4)
        used = 0
      }
      block.set(batch, used)
      used += batch.length
    },
    close: () => log.abandon(),
  }
}

/** Both write into new files, since a page that is in the cache already is written faster. */
function append(lab: Lab, batch: Uint8Array): Contest {
  const directory = openDirectory(lab)
  let log = newLog(directory)
  const path = join(lab.directory, 'naive')
  let fd = openSync(path, 'w')
  let position = 0
  return {
    stepBytes: batch.length,
    stepsMax: Math.ceil((64 * mib) / batch.length),
    ours: appender(batch, () => log),
    naive: () => (position += writeSync(fd, batch, 0, batch.length, position)),
    reset: () => {
      log = newLog(directory)
      ftruncateSync(fd, 0)
      closeSync(fd)
      fd = openSync(path, 'w')
      position = 0
    },
    close: () => {
      closeSync(fd)
      return directory.close({ brokerEpoch: 1 })
    },
  }
}

/** Into a buffer of its own, as everything that the log keeps or gives out. */
function copyOf(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}

const readBytes = mib / 2

/** A consumer at the end of the log: what was just appended. */
function readTail(lab: Lab, batch: Uint8Array, maxBytes: number): Contest {
  const directory = openDirectory(lab)
  const log = newLog(directory)
  const next = appender(batch, () => log)
  for (let at = 0; at < (4 * mib) / batch.length; at++) next()
  const { recordCount } = readBatchHeader(batch, 0)
  const batches = Math.floor(maxBytes / batch.length)
  const offset = log.logEndOffset - batches * recordCount
  const limits = { maxBytes, endOffset: log.logEndOffset, minOneBatch: true }
  const bytes = log.read(offset, limits)
  if (bytes.length !== batches * batch.length) throw new Error(`tail has ${bytes.length} bytes`)
  return {
    stepBytes: bytes.length,
    ours: () => log.read(offset, limits),
    naive: () => copyOf(bytes),
    close: () => directory.close({ brokerEpoch: 1 }),
  }
}

/** A consumer that lags: half a megabyte at a time out of the page cache, from one end of 64 MiB to the other. */
function readCold(lab: Lab, batch: Uint8Array): Contest {
  const directory = openDirectory(lab)
  const log = newLog(directory)
  const next = appender(batch, () => log)
  for (let at = 0; at < (64 * mib) / batch.length; at++) next()
  const limits = { maxBytes: readBytes, endOffset: log.logEndOffset, minOneBatch: true }
  const { recordCount } = readBatchHeader(batch, 0)
  const batches = Math.floor(readBytes / batch.length)
  const coldEnd = log.logEndOffset - (2 * mib * recordCount) / batch.length
  const stepBytes = batches * batch.length
  let offset = 0
  const fd = openSync(join(log.directory, `${'0'.repeat(20)}.log`), 'r')
  let position = 0
  return {
    stepBytes,
    ours: () => {
      const read = log.read(offset, limits).length
      if (read !== stepBytes) throw new Error(`${read} bytes at ${offset}`)
      offset += batches * recordCount
      if (offset > coldEnd) offset = 0
    },
    naive: () => {
      const into = Buffer.allocUnsafeSlow(stepBytes)
      readSync(fd, into, 0, stepBytes, position)
      crc32c(into)
      position = position > 60 * mib ? 0 : position + stepBytes
    },
    close: () => {
      closeSync(fd)
      return directory.close({ brokerEpoch: 1 })
    },
  }
}

const segmentCount = 200

/** After a clean stop, against opening each segment's file and asking for its size. */
async function open(lab: Lab): Promise<Contest> {
  const batch = batchOf(1024, 1)
  const config = { segmentBytes: batch.length * 4 }
  let directory = openDirectory(lab, config)
  const log = newLog(directory, config)
  const next = appender(batch, () => log)
  for (let at = 0; at < segmentCount * 4; at++) next()
  await log.flush()
  await directory.close({ brokerEpoch: 1 })
  const { directory: path } = log
  const marker = join(lab.directory, 'logs', '.kafka_cleanshutdown')
  const markerContent = readFileSync(marker)
  return {
    stepBytes: 0,
    ours: () => {
      lab.disk.writeFileAtomic(marker, markerContent)
      directory = openDirectory(lab, config)
      const count = directory.log(topicId, 0)?.segmentCount
      if (count !== segmentCount) throw new Error(`${count} segments`)
      directory.log(topicId, 0)?.abandon()
    },
    naive: () => {
      lab.disk.writeFileAtomic(marker, markerContent)
      for (const name of readdirSync(path)) {
        if (!name.endsWith('.log')) continue
        const fd = openSync(join(path, name), 'r+')
        fstatSync(fd)
        closeSync(fd)
      }
    },
  }
}

const write = 'a loop of fs.writeSync'
const large = batchOf(1024, 62)
const small = batchOf(100, 14)

export const measures: readonly Measure[] = [
  {
    name: 'append 64 KiB',
    naive: write,
    must: 0.3,
    prepare: lab => append(lab, batchOf(1024, 62, 7)),
  },
  {
    name: 'append 1.6 KiB',
    naive: write,
    must: 0.2,
    prepare: lab => append(lab, batchOf(100, 14, 7)),
  },
  {
    name: 'append 64 KiB of 100 B records, without the write',
    naive: 'a copy into blocks of 256 KiB',
    must: 0.45,
    prepare: lab => appendUnwritten(lab, batchOf(100, 580, 7)),
  },
  {
    name: 'read 128 KiB from the tail',
    naive: 'a copy of the bytes',
    must: 5,
    prepare: lab => readTail(lab, large, mib / 8),
  },
  {
    name: 'read 512 KiB from the tail, blocks joined',
    naive: 'a copy of the bytes',
    must: 0.65,
    prepare: lab => readTail(lab, small, mib / 2),
  },
  {
    name: 'read 512 KiB from the page cache',
    naive: 'fs.readSync into a new buffer, and its crc32c',
    must: 0.45,
    prepare: lab => readCold(lab, large),
  },
  {
    name: `open a log of ${segmentCount} segments`,
    naive: 'open, fstat and close each file',
    must: 0.15,
    prepare: open,
  },
]
