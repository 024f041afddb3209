import { expect, test } from 'vitest'
import { Bench, settle } from './support.ts'

const startMs = 1_700_000_000_000
/** Five segments of two batches, a minute apart, 94 bytes a batch. */
function fiveSegments(config: Parameters<typeof makeBench>[0] = {}): Bench {
  const bench = makeBench(config)
  for (let number = 0; number < 10; number++) {
    if (number > 0 && number % 2 === 0) bench.log.roll()
    bench.append({ timestampMs: startMs + number * 60_000, valueBytes: 26 })
  }
  expect(bench.log).toMatchObject({ segmentCount: 5, sizeBytes: 940 })
  return bench
}
const makeBench = (config: {
  retentionMs?: number
  retentionBytes?: number
  cleanupDelete?: boolean
  segmentMs?: number
}) => new Bench({ config: { retentionMs: -1, ...config } })

test('segments go when their newest record is too old, oldest first', () => {
  const bench = fiveSegments({ retentionMs: 60_000 })
  expect(bench.log.enforceRetention(10, startMs + 60_000 * 4)).toBe(1)
  expect(bench.log.logStartOffset).toBe(2)
  expect(bench.log.enforceRetention(10, startMs + 60_000 * 6 + 1)).toBe(2)
  expect(bench.log).toMatchObject({ logStartOffset: 6, segmentCount: 2, sizeBytes: 376 })
})

test('segments go while the log without them is still as large as it may be', () => {
  const bench = fiveSegments({ retentionBytes: 500 })
  expect(bench.log.enforceRetention(10, startMs)).toBe(2)
  expect(bench.log).toMatchObject({ logStartOffset: 4, sizeBytes: 564 })
})

test('nothing at or past the high watermark goes', () => {
  const bench = fiveSegments({ retentionBytes: 0 })
  expect(bench.log.enforceRetention(5, startMs)).toBe(2)
  expect(bench.log.enforceRetention(5, startMs)).toBe(0)
  expect(bench.log.logStartOffset).toBe(4)
})

test('segments below the start of the log go, whatever the policy', () => {
  const bench = fiveSegments({ cleanupDelete: false, retentionMs: 0 })
  expect(bench.log.enforceRetention(10, startMs * 2)).toBe(0)
  bench.log.incrementLogStartOffset(5)
  expect(bench.log.enforceRetention(10, startMs * 2)).toBe(2)
  expect(bench.log).toMatchObject({ logStartOffset: 5, segmentCount: 3 })
})

test('an expired active segment is rolled first, and the end of the log stays', async () => {
  const bench = fiveSegments({ retentionMs: 1 })
  expect(bench.log.enforceRetention(10, startMs * 2)).toBe(5)
  expect(bench.log).toMatchObject({
    logStartOffset: 10,
    logEndOffset: 10,
    segmentCount: 1,
    sizeBytes: 0,
  })
  expect(bench.log.enforceRetention(10, startMs * 2)).toBe(0)
  expect(bench.append()).toBe(10)
  await settle()
  bench.kill('process')
  expect(bench.log).toMatchObject({ logStartOffset: 10, logEndOffset: 11 })
})

test('removed files are renamed at once and removed after the delay', () => {
  const bench = fiveSegments({ retentionBytes: 700 })
  bench.log.enforceRetention(10, startMs)
  const deleted = () =>
    bench.disk.list(bench.logDirectory).filter(name => name.endsWith('.deleted'))
  expect(deleted()).toContain('00000000000000000000.log.deleted')
  bench.clock.advance(59_999)
  expect(deleted()).not.toEqual([])
  bench.clock.advance(1)
  expect(deleted()).toEqual([])
  expect(bench.disk.list('data').filter(name => name.endsWith('-delete'))).toEqual([])
})

test('what a stopped process left to remove is removed by the next', () => {
  const bench = fiveSegments({ retentionBytes: 700 })
  bench.log.enforceRetention(10, startMs)
  bench.kill('process')
  bench.clock.advance(0)
  expect(bench.disk.list(bench.logDirectory).filter(name => name.endsWith('.deleted'))).toEqual([])
  expect(bench.log.logStartOffset).toBe(2)
})

test('the age of sealed segments is known after a restart without reading them', async () => {
  const bench = fiveSegments({ retentionMs: 60_000 })
  await bench.restart()
  const opened: string[] = []
  bench.disk.fault = (operation, path) => {
    if (operation === 'open') opened.push(path)
    return null
  }
  expect(bench.log.enforceRetention(10, startMs + 60_000)).toBe(0)
  expect(opened.filter(path => path.endsWith('.log'))).toEqual([])
})
