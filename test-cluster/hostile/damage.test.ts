import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Prng } from '@trimaran/common'
import { ClusterClient, PartitionReader, Producer } from 'trimaran/client'
import { activeSegment, append, cut, filesOf, flipBit } from './support/damage.ts'
import { until, within } from './support/process-cluster.ts'
import type { NodeProcess } from './support/process-cluster.ts'
import { Scene } from './support/scene.ts'

const segmentBytes = 1024 * 1024
const filledCount = 3_000
const prng = new Prng(7)

let scene: Scene
beforeAll(async () => {
  scene = await Scene.open({
    port: 28_240,
    settings: { 'log.segment.bytes': String(segmentBytes) },
  })
  await scene.createTopic('filled')
  await fill()
})
afterEach(() => scene.expectHealthy())
afterAll(async () => {
  const { acknowledged, longestSilenceMs } = await scene.close()
  process.stdout.write(`bystander: ${acknowledged} records, silent ${longestSilenceMs | 0} ms\n`)
})

const valueOf = (at: number): string => `${at}/${'v'.repeat(1_000)}`

/** Three megabytes in segments of one, each record known by its offset. */
async function fill(): Promise<void> {
  const client = new ClusterClient({ bootstrapServers: scene.cluster.bootstrapServers })
  const failed: (string | null)[] = []
  const producer = new Producer(client, {
    topic: 'filled',
    acks: -1,
    batchBytes: 16 * 1024,
    onDelivery: ({ error }) => failed.push(error),
  })
  await producer.open()
  for (let at = 0; at < filledCount; at++) {
    await producer.send({ key: null, value: Buffer.from(valueOf(at)) }, 0)
  }
  await producer.flush()
  await client.close()
  expect(failed.filter(error => error !== null)).toEqual([])
}

/** Every record of `filled`, from whoever leads now. */
async function expectFilled(): Promise<void> {
  const client = new ClusterClient({ bootstrapServers: scene.cluster.bootstrapServers })
  const reader = new PartitionReader(client, { readCommitted: false })
  reader.assign([{ topic: 'filled', partition: 0, nextOffset: 0, highWatermark: -1 }])
  const seen: string[] = []
  await until('all of it is read', async () => {
    for (const { value } of await reader.poll()) seen.push(Buffer.from(value ?? []).toString())
    return seen.length >= filledCount
  })
  await client.close()
  expect(seen).toHaveLength(filledCount)
  expect(seen.findIndex((value, at) => value !== valueOf(at))).toBe(-1)
}

/** Kills the node in the middle of its writes, damages what it left, starts it again and waits until it has it all. */
async function crashWith(node: NodeProcess, damage: () => void): Promise<void> {
  await scene.bystander.madeProgress(20)
  await node.kill()
  damage()
  await scene.bystander.madeProgress(20)
  node.start()
  await scene.expectHealthy()
}

const partitions = [0, 1, 2]
const bystanderLogs = (node: NodeProcess): string[] =>
  partitions.map(partition => activeSegment(node.dataDirectory, 'bystander', partition))

const tails: readonly [what: string, damage: (path: string) => void][] = [
  ['garbage behind the last batch', path => append(path, prng.bytes(777))],
  ['zeros behind the last batch, as after a power loss', path => append(path, Buffer.alloc(4096))],
  ['half a header behind the last batch', path => append(path, Buffer.alloc(30, 1))],
  ['the last batch cut in half', path => cut(path, 40)],
  ['the last kilobyte lost', path => cut(path, 1_000)],
  ['the whole active segment lost', path => truncateSync(path, 0)],
]

test.each(tails)(
  'kill -9 while writing, and %s: nothing acknowledged is lost (F1, row 15)',
  async (_what, damage) => {
    const node = scene.cluster.node(prng.between(1, 3))
    await crashWith(node, () => bystanderLogs(node).forEach(damage))
  },
)

test('kill -9 of all nodes at once while they write: what was acknowledged is there again', async () => {
  await scene.bystander.madeProgress(50)
  await Promise.all(scene.cluster.nodes.map(node => node.kill()))
  for (const node of scene.cluster.nodes) {
    for (const path of bystanderLogs(node)) append(path, prng.bytes(100))
  }
  for (const node of scene.cluster.nodes) node.start()
  await scene.cluster.whenReady()
  await expectFilled()
})

test('a flipped bit in the active segment after a crash is found, and the replica has it all again (F2)', async () => {
  const node = scene.cluster.node(2)
  await crashWith(node, () => {
    for (const path of bystanderLogs(node)) flipBit(path, -300)
  })
})

const caches: readonly [what: string, damage: (directory: string) => void][] = [
  ['removed', directory => allCaches(directory).forEach(path => rmSync(path))],
  ['empty', directory => allCaches(directory).forEach(path => truncateSync(path, 0))],
  [
    'full of garbage',
    directory => allCaches(directory).forEach(path => writeFileSync(path, prng.bytes(500))),
  ],
  ['one byte too short', directory => allCaches(directory).forEach(path => cut(path, 1))],
]
const allCaches = (directory: string): string[] =>
  ['.index', '.timeindex', '.txnindex', '.snapshot', 'leader-epoch-checkpoint'].flatMap(suffix =>
    filesOf(directory, suffix),
  )

test.each(caches)(
  'indexes, snapshots and epochs that are %s after a clean stop change nothing (F4, F5, D4)',
  async (_what, damage) => {
    const leader = await scene.leaderOf('filled')
    await leader.stop()
    damage(join(leader.dataDirectory, 'filled-0'))
    leader.start()
    await scene.cluster.whenReady()
    await expectFilled()
  },
)

test('checkpoints of the directory that are garbage change nothing (F6)', async () => {
  const node = scene.cluster.node(1)
  await node.stop()
  for (const path of filesOf(node.dataDirectory, '-checkpoint')) writeFileSync(path, '0\n2\nx -7\n')
  node.start()
  await scene.cluster.whenReady()
  await expectFilled()
})

test('a wiped log of one partition is fetched again', async () => {
  const node = scene.cluster.node(3)
  await node.stop()
  rmSync(join(node.dataDirectory, 'filled-0'), { recursive: true })
  node.start()
  await scene.cluster.whenReady()
  await until('it is whole', async () => {
    const status = await node.status()
    return (
      status?.partitions.some(
        one => one.topic === 'filled' && one.local?.logEndOffset === filledCount,
      ) === true
    )
  })
  await expectFilled()
})

test('a damaged meta.properties is refused by name, and its repair is enough', async () => {
  const node = scene.cluster.node(2)
  await node.stop()
  const path = join(node.dataDirectory, 'meta.properties')
  const whole = readFileSync(path)
  writeFileSync(path, prng.bytes(100))
  node.start()
  const { code } = await within(node.exited, 10_000, 'a node without identity lives')
  expect(code).toBeGreaterThan(0)
  expect(node.log()).toContain(path)
  writeFileSync(path, whole)
  node.start()
})
