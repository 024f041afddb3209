import { startCluster, type Cluster } from '@trimaran/server'
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ClusterClient } from '../src/client/index.ts'
import { earliest, latest, listOffsets } from '../src/client/reader.ts'
import { runConsume, runEndToEnd, runProduce, type Progress } from '../src/perf/index.ts'

let cluster: Cluster
let bootstrapServers: string
const scratch = mkdtempSync(join(tmpdir(), 'trimaran-perf-'))

beforeAll(async () => {
  cluster = await startCluster({ nodes: 3 })
  ;({ bootstrapServers } = cluster)
})
afterAll(async () => {
  await cluster.stop()
  rmSync(scratch, { recursive: true, force: true })
})

const topic = async (name: string, partitions = 3): Promise<string> => {
  await cluster.createTopic({ name, partitions, configs: { 'min.insync.replicas': '2' } })
  return name
}

/** Records in the logs: offsets of partitions, added up. */
async function stored(name: string): Promise<number> {
  const client = new ClusterClient({ bootstrapServers })
  try {
    const { partitions } = await client.topic(name)
    const indexes = partitions.map(({ partitionIndex }) => partitionIndex)
    const from = await listOffsets(client, name, indexes, earliest)
    const to = await listOffsets(client, name, indexes, latest)
    return indexes.reduce((sum, at) => sum + (to.get(at) ?? 0) - (from.get(at) ?? 0), 0)
  } finally {
    await client.close()
  }
}

test('so many records are produced as were asked for, by several producers and threads, and read once', async () => {
  const name = await topic('counted')
  const seen: Progress[] = []
  const report = await runProduce({
    ...{ bootstrapServers, topic: name, recordSizeBytes: 100, numRecords: 20_003 },
    ...{ producers: 3, workers: 2, onProgress: progress => seen.push(progress) },
  })
  expect(report).toMatchObject({ records: 20_003, bytes: 2_000_300, aborted: false })
  expect(report.latency.count).toBe(20_003)
  expect(report.latency.p50Ms).toBeLessThanOrEqual(report.latency.p99Ms)
  expect(report.cpuMs).toBeGreaterThan(0)
  expect(await stored(name)).toBe(20_003)
  const read = await runConsume({
    ...{ bootstrapServers, topics: [name], fromBeginning: true, untilEnd: true },
  })
  expect(read.records).toBe(20_003)
  expect(read.firstRecordMs).toBeGreaterThanOrEqual(0)
  expect(read.groupFormedMs).toBeNull()
})

test.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)(
  'batches with %s can be read',
  async codec => {
    const name = await topic(`packed-${codec}`)
    const report = await runProduce({
      ...{ bootstrapServers, topic: name, recordSizeBytes: 200, numRecords: 2000 },
      compression: codec,
    })
    expect(report.records).toBe(2000)
    const read = await runEndToEnd({
      ...{ bootstrapServers, topic: name, recordSizeBytes: 64, numRecords: 50, throughput: 500 },
      compression: codec,
    })
    expect(read.endToEnd.count).toBe(50)
  },
)

test.each([
  { acks: 1 as const },
  { acks: 0 as const },
  { idempotence: false },
  { partitionsPerRequest: 1 },
  { maxInFlight: 1 },
])('produces with %o', async options => {
  const name = await topic(`with-${JSON.stringify(options).replaceAll(/[^a-zA-Z0-9]/g, '')}`)
  const report = await runProduce({
    ...{ bootstrapServers, topic: name, recordSizeBytes: 500, numRecords: 3000, ...options },
  })
  expect(report.records).toBe(3000)
  await expect.poll(() => stored(name)).toBe(3000)
})

test('lines of a file are taken in turn', async () => {
  const file = join(scratch, 'lines')
  writeFileSync(file, 'one\ntwo\n\nthree\n')
  const name = await topic('lines', 1)
  const report = await runProduce({
    ...{ bootstrapServers, topic: name, payloadFile: file, numRecords: 7 },
  })
  expect(report).toMatchObject({ records: 7, bytes: 3 + 3 + 5 + 3 + 3 + 5 + 3 })
})

test('what is due by a schedule is sent at its rate, and latency counts from then', async () => {
  const name = await topic('rated')
  const report = await runProduce({
    ...{ bootstrapServers, topic: name, recordSizeBytes: 100, throughput: 2000 },
    ...{ durationMs: 1500, warmUpMs: 300, producers: 2, lingerMs: 3 },
  })
  expect(report.records).toBeGreaterThan(3000 * 0.97)
  expect(report.records).toBeLessThanOrEqual(3000)
  expect(report.latency.count).toBe(report.records)
  // What waits for the end of its linger waits as long as that.
  expect(report.latency.maxMs).toBeGreaterThan(3)
  expect(await stored(name)).toBe(report.totalRecords)
})

/** Resolves when the load runs; on a busy machine its threads take seconds to start. */
function whenRunning(): { onProgress: (progress: Progress) => void; running: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { onProgress: ({ records }) => records > 0 && resolve(), running: promise }
}

test('a stall counts for all that was due in it', async () => {
  const name = await topic('stalled', 1)
  const { onProgress, running } = whenRunning()
  const load = runProduce({
    ...{ bootstrapServers, topic: name, recordSizeBytes: 100, throughput: 500, durationMs: 3500 },
    onProgress,
  })
  await running
  const leader = cluster.leaderOf(name, 0) as number
  await cluster.kill(leader)
  const report = await load
  await cluster.restart(leader)
  expect(await stored(name)).toBe(report.totalRecords)
  expect(report.latency.count).toBe(1750)
  expect(report.latency.maxMs).toBeGreaterThan(100)
  // Of 1,750 records fifty and more were due in it, not only those that were in flight.
  expect(report.latency.p99Ms).toBeGreaterThan(25)
}, 60_000)

test('leaders that die in mid-load cost retries, and no record is stored twice', async () => {
  const name = await topic('moved', 6)
  const { onProgress, running } = whenRunning()
  const load = runProduce({
    ...{ bootstrapServers, topic: name, recordSizeBytes: 200, durationMs: 6000, onProgress },
    ...{ producers: 2, batchBytes: 4096, retryBackoffMs: 20 },
  })
  await running
  // Dying, a leader has batches that its followers have too and whose producer has no answer.
  for (const nodeId of [1, 2, 3]) {
    await cluster.kill(nodeId)
    await sleep(300)
    await cluster.restart(nodeId)
    await sleep(300)
  }
  const report = await load
  expect(report.retries).toBeGreaterThan(0)
  expect(report.errors['disconnected']).toBeGreaterThan(0)
  expect(report.records).toBeGreaterThan(0)
  expect(await stored(name)).toBe(report.totalRecords)
}, 60_000)

test('leadership that moves in mid-load costs retries, and no record is stored twice', async () => {
  const name = await topic('handed', 6)
  const { onProgress, running } = whenRunning()
  const load = runProduce({
    ...{ bootstrapServers, topic: name, recordSizeBytes: 200, durationMs: 4000, onProgress },
    ...{ batchBytes: 4096, retryBackoffMs: 20 },
  })
  await running
  await cluster.restart(1)
  const report = await load
  expect(report.retries).toBeGreaterThan(0)
  expect(await stored(name)).toBe(report.totalRecords)
}, 60_000)

test('a group of three forms and reads everything once', async () => {
  const name = await topic('shared', 7)
  await runProduce({ bootstrapServers, topic: name, recordSizeBytes: 100, numRecords: 10_000 })
  const options = { bootstrapServers, topics: [name], group: 'three', members: 3 }
  const report = await runConsume({
    ...{ ...options, workers: 2, fromBeginning: true, untilEnd: true },
  })
  expect(report.records).toBe(10_000)
  expect(report.groupFormedMs).toBeGreaterThan(0)
  // It has committed: the same group has nothing left to read.
  const again = await runConsume({ ...options, fromBeginning: true, durationMs: 1000 })
  expect(again.records).toBe(0)
}, 60_000)

test('a consumer stops after so many records', async () => {
  const name = await topic('many')
  await runProduce({ bootstrapServers, topic: name, recordSizeBytes: 100, numRecords: 5000 })
  const report = await runConsume({
    ...{ bootstrapServers, topics: [name], fromBeginning: true, numRecords: 1000 },
    partitionMaxBytes: 1024,
  })
  expect(report.records).toBeGreaterThanOrEqual(1000)
  expect(report.records).toBeLessThan(5000)
})

test('end to end, both latencies are told', async () => {
  const name = await topic('round')
  // Records of others are not taken for its own.
  await runProduce({ bootstrapServers, topic: name, recordSizeBytes: 100, numRecords: 100 })
  const report = await runEndToEnd({
    ...{ bootstrapServers, topic: name, recordSizeBytes: 100, throughput: 200, numRecords: 200 },
  })
  expect(report.acknowledged.count).toBe(200)
  expect(report.endToEnd.count).toBe(200)
  expect(report.endToEnd.averageMs).toBeGreaterThan(0)
  expect(report.endToEnd.maxMs).toBeLessThan(5000)
})

test('an aborted load ends at once, tells what it has done, and leaves nothing behind', async () => {
  const name = await topic('aborted')
  const before = process.getActiveResourcesInfo().filter(each => each === 'MessagePort').length
  const loads = [
    (signal: AbortSignal) =>
      runProduce({
        ...{ bootstrapServers, topic: name, recordSizeBytes: 100, durationMs: 60_000, signal },
      }),
    (signal: AbortSignal) =>
      runConsume({ bootstrapServers, topics: [name], durationMs: 60_000, signal }),
    (signal: AbortSignal) =>
      runConsume({
        ...{ bootstrapServers, topics: [name], group: 'gone', members: 2, durationMs: 60_000 },
        signal,
      }),
    (signal: AbortSignal) =>
      runEndToEnd({
        ...{ bootstrapServers, topic: name, recordSizeBytes: 100, durationMs: 60_000 },
        ...{ throughput: 100, signal },
      }),
  ]
  for (const load of loads) {
    const startMs = performance.now()
    const report = await load(AbortSignal.timeout(700))
    expect(report.aborted).toBe(true)
    expect(performance.now() - startMs).toBeLessThan(5000)
  }
  expect(process.getActiveResourcesInfo().filter(each => each === 'MessagePort').length).toBe(
    before,
  )
}, 60_000)

test('a topic that does not exist, a partition it does not have, and a cluster that is not there', async () => {
  const options = { bootstrapServers, topic: 'missing', recordSizeBytes: 10, numRecords: 1 }
  await expect(runProduce(options)).rejects.toThrow(/trimaran topics create missing/)
  await topic('small', 2)
  await expect(runProduce({ ...options, topic: 'small', partitions: [5] })).rejects.toThrow(
    /no partition 5; it has 2/,
  )
  await expect(runProduce({ ...options, bootstrapServers: '127.0.0.1:1' })).rejects.toMatchObject({
    name: 'CliError',
    exitCode: 3,
  })
  await expect(
    runProduce({ ...options, topic: 'small', recordSizeBytes: 3_000_000 }),
  ).rejects.toThrow(/MESSAGE_TOO_LARGE|RECORD_LIST_TOO_LARGE|RECORD_TOO_LARGE/)
})
