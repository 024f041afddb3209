import { expect, test } from 'vitest'
import { must, type Offset } from '@trimaran/common'
import { readBatchHeader } from '@trimaran/protocol'
import { batch, Bench, settle } from './support.ts'

const limits = { maxBytes: 10_000, endOffset: Infinity, minOneBatch: true }

/** Segments of four batches and nothing in memory; of the log's end, as much as eight batches counts as warm. */
async function filled(batches = 100): Promise<Bench> {
  const bench = new Bench({ config: { segmentBytes: 500 }, warmBytes: 1000 })
  for (let count = 0; count < batches; count++) bench.append({ valueBytes: 50 })
  await bench.restart()
  return bench
}

function countReads(bench: Bench): () => number {
  let count = 0
  bench.disk.fault = operation => {
    if (operation === 'read') count++
    return null
  }
  return () => count
}

const firstOffset = (bytes: Uint8Array): Offset => readBatchHeader(bytes, 0).baseOffset

test('what was loaded is read without the disk, until it is released', async () => {
  const bench = await filled()
  bench.log.read(0, limits)
  const cold = must(bench.log.coldRead(0, limits.maxBytes), 'the start of the log is cold')
  await cold.load()
  const reads = countReads(bench)
  const bytes = bench.log.read(0, limits)
  expect(firstOffset(bytes)).toBe(0)
  expect(bytes.length).toBeGreaterThan(400)
  expect(reads()).toBe(0)
  cold.release()
  expect(bench.log.read(0, limits)).toEqual(bytes)
  expect(reads()).toBe(1)
})

test('a reader that goes on where it stopped finds each piece loaded', async () => {
  const bench = await filled()
  let offset = 0
  for (;;) {
    const cold = bench.log.coldRead(offset, 700)
    if (cold === null) break
    await cold.load()
    const reads = countReads(bench)
    const bytes = bench.log.read(offset, { ...limits, maxBytes: 700 })
    expect(reads()).toBe(0)
    expect(firstOffset(bytes)).toBe(offset)
    cold.release()
    const sizeBytes = readBatchHeader(bytes, 0).sizeBytes
    offset += bytes.length / sizeBytes
  }
  expect(offset).toBeGreaterThan(85)
  expect(offset).toBeLessThan(100)
})

test('the end of the log, what is no more and what is not yet need no loading', async () => {
  const bench = await filled()
  expect(bench.log.coldRead(95, 10_000)).toBe(null)
  expect(bench.log.coldRead(100, 10_000)).toBe(null)
  expect(bench.log.coldRead(101, 10_000)).toBe(null)
  expect((await filled(5)).log.coldRead(0, 10_000)).toBe(null)
  bench.log.incrementLogStartOffset(50)
  expect(bench.log.coldRead(49, 10_000)).toBe(null)
  expect(bench.log.coldRead(50, 10_000)).not.toBe(null)
})

test('bytes that were cut off while they were loaded are never read', async () => {
  const bench = new Bench({ warmBytes: 0 })
  for (let count = 0; count < 20; count++) bench.append({ value: 'old' })
  const cold = must(bench.log.coldRead(10, limits.maxBytes), 'everything is cold')
  const loading = cold.load()
  bench.log.truncateTo(10)
  // As a follower does, which keeps nothing in memory.
  for (let baseOffset = 10; baseOffset < 20; baseOffset++)
    bench.log.appendAsFollower(batch({ value: 'new', baseOffset, leaderEpoch: 1 }))
  await loading
  await settle()
  const bytes = bench.log.read(10, limits)
  expect(Buffer.from(bytes).includes('old')).toBe(false)
  expect(Buffer.from(bytes).includes('new')).toBe(true)
})
