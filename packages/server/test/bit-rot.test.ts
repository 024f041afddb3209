import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import type { NodeId } from '@trimaran/common'
import { errorCodes } from '@trimaran/protocol'
import type { Cluster } from '../src/index.ts'
import { leaderClient, start, until } from './support/clusters.ts'

const scratch = mkdtempSync(join(tmpdir(), 'trimaran-rot-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** More than a log keeps in memory of its end: the first segments are read from the disk. */
const values = Array.from({ length: 60 }, (_, at) => `${at} ${'x'.repeat(60_000)}`)
const config = { 'log.segment.bytes': '1048576' }

const firstSegment = (directory: string, nodeId: NodeId): string =>
  join(directory, `node-${nodeId}`, 'orders-0', '00000000000000000000.log')

function flipAByte(path: string): void {
  const bytes = readFileSync(path)
  bytes[200_000]! ^= 0x10
  writeFileSync(path, bytes, { flag: 'r+' })
}

async function filled(directory: string, replicationFactor: number): Promise<Cluster> {
  const cluster = await start({ inMemory: false, directory, config, nodes: replicationFactor })
  await cluster.createTopic({ name: 'orders', partitions: 1, replicationFactor })
  const client = leaderClient(cluster, 'orders', 0)
  for (const value of values) await client.produce('orders', 0, value)
  return cluster
}

async function readAll(cluster: Cluster): Promise<string[]> {
  const all: string[] = []
  while (all.length < values.length) {
    const got = await leaderClient(cluster, 'orders', 0).consume('orders', 0, all.length)
    if (got.errorCode !== 0) throw new Error(`error ${got.errorCode} at ${all.length}`)
    all.push(...got.values)
  }
  return all
}

test('a leader with a rotten segment hands over, and fetches what it had from the new one', async () => {
  const directory = join(scratch, 'three')
  const cluster = await filled(directory, 3)
  const rotten = cluster.leaderOf('orders', 0) as NodeId
  const whole = readFileSync(firstSegment(directory, rotten))
  flipAByte(firstSegment(directory, rotten))
  await expect(readAll(cluster)).rejects.toThrow(`error ${errorCodes.CORRUPT_MESSAGE}`)
  await until(() => ![null, rotten].includes(cluster.leaderOf('orders', 0)))
  expect(await readAll(cluster)).toEqual(values)
  const inSync = (): readonly NodeId[] =>
    cluster.node(rotten).image.topicsByName.get('orders')?.partitions[0]?.isr ?? []
  await until(() => inSync().length === 3)
  expect(readFileSync(firstSegment(directory, rotten)).equals(whole)).toBe(true)
  // What was there is kept for whoever wants to know what happened to the disk.
  expect(readdirSync(join(directory, `node-${rotten}`)).join()).toMatch(/orders-0\.[^,]*-stray/)
})

test('a replica that nobody can replace goes on with what is whole', async () => {
  const directory = join(scratch, 'one')
  const cluster = await filled(directory, 1)
  flipAByte(firstSegment(directory, 1))
  await expect(readAll(cluster)).rejects.toThrow(`error ${errorCodes.CORRUPT_MESSAGE}`)
  const client = leaderClient(cluster, 'orders', 0)
  expect(await client.produce('orders', 0, 'one more')).toMatchObject({ errorCode: 0 })
  const { values: rest } = await client.consume('orders', 0, 50)
  expect(rest).toEqual([...values.slice(50), 'one more'])
  expect(cluster.leaderOf('orders', 0)).toBe(1)
})
