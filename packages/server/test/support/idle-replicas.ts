/** With --expose-gc: prints what a replica that never had a record takes of the heap, in bytes, everything included. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startCluster } from '../../src/index.ts'

const partitions = 10
/** So that code is compiled and maps have some size. */
const warmUpTopics = 100
const topics = 300
/** Followers fetch, garbage is there to be collected. */
const settleMs = 1_000

const directory = mkdtempSync(join(tmpdir(), 'trimaran-idle-'))
const cluster = await startCluster({ inMemory: false, directory, logLevel: 'silent' })

async function make(prefix: string, count: number): Promise<number> {
  const configs = { 'min.insync.replicas': '2' }
  for (let at = 0; at < count; at++)
    await cluster.createTopic({
      name: `${prefix}-${at}`,
      partitions,
      replicationFactor: 3,
      configs,
    })
  await sleep(settleMs)
  await globalThis.gc?.({ type: 'major', execution: 'async' })
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

const before = await make('warm', warmUpTopics)
const after = await make('idle', topics)
process.stdout.write(`${Math.round((after - before) / (topics * partitions * 3))}\n`)
await cluster.stop()
rmSync(directory, { recursive: true, force: true })
