import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Prng } from '@trimaran/common'
import { apis, decodeBatch, errorCodes, forEachBatch } from '@trimaran/protocol'
import { ClusterClient, PartitionReader, Producer } from 'trimaran/client'
import { activeSegment, append, cut, filesOf, flipBit } from './support/damage.ts'
import { until, within } from './support/process-cluster.ts'
import type { NodeProcess } from './support/process-cluster.ts'
import { RawClient } from './support/raw-client.ts'
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

const filled = Array.from({ length: filledCount }, (_, at) => valueOf(at))

/** Every value of `filled`, from whoever leads now. */
async function readFilled(): Promise<readonly string[]> {
  const client = new ClusterClient({ bootstrapServers: scene.cluster.bootstrapServers })
  const reader = new PartitionReader(client, { readCommitted: false })
  reader.assign([{ topic: 'filled', partition: 0, nextOffset: 0, highWatermark: -1 }])
  const seen: string[] = []
  await until('all of it is read', async () => {
    for (const { value } of await reader.poll()) seen.push(Buffer.from(value ?? []).toString())
    return seen.length >= filledCount
  })
  await client.close()
  return seen
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

type Damage = (path: string) => void
const garbage: Damage = path => append(path, prng.bytes(777))
const zeros: Damage = path => append(path, Buffer.alloc(4096))
const halfAHeader: Damage = path => append(path, Buffer.alloc(30, 1))
const cutInHalf: Damage = path => cut(path, 40)
const kilobyteLost: Damage = path => cut(path, 1_000)
const allLost: Damage = path => truncateSync(path, 0)

const tails: readonly [what: string, damages: readonly Damage[]][] = [
  [
    'garbage, zeros as after a power loss, or half a header behind the last batch',
    [garbage, zeros, halfAHeader],
  ],
  [
    'the last batch cut in half, the last kilobyte or the whole active segment lost',
    [cutInHalf, kilobyteLost, allLost],
  ],
]
for (const [what, damages] of tails) {
  test(`kill -9 while writing, and ${what}: nothing acknowledged is lost (F1, row 15)`, async () => {
    for (const node of scene.cluster.nodes) {
      await crashWith(node, () => {
        for (const [at, path] of bystanderLogs(node).entries()) damages[at]?.(path)
      })
    }
    const recoveries = scene.cluster.nodes.map(node => node.logged('log recovered').length)
    expect(Math.min(...recoveries)).toBeGreaterThan(0)
  })
}

test('kill -9 of all nodes at once while they write: what was acknowledged is there again', async () => {
  await scene.bystander.madeProgress(50)
  await Promise.all(scene.cluster.nodes.map(node => node.kill()))
  for (const node of scene.cluster.nodes) {
    for (const path of bystanderLogs(node)) append(path, prng.bytes(100))
  }
  for (const node of scene.cluster.nodes) node.start()
  await scene.cluster.whenReady()
  expect(await readFilled()).toEqual(filled)
})

test('a flipped bit in the active segment after a crash is found, and the replica has it all again (F2)', async () => {
  const node = scene.cluster.node(2)
  await crashWith(node, () => {
    for (const path of bystanderLogs(node)) flipBit(path, -300)
  })
  const noticed = [...node.logged('log recovered'), ...node.logged('log damaged')]
  expect(noticed.length).toBeGreaterThan(0)
})

const cachesIn = (directory: string): string[] =>
  ['.index', '.timeindex', '.txnindex', '.snapshot', 'leader-epoch-checkpoint'].flatMap(suffix =>
    filesOf(directory, suffix),
  )

test('indexes, snapshots and epochs that are removed, empty, garbage or too short after a clean stop change nothing (F4, F5, D4)', async () => {
  const leader = await scene.leaderOf('filled')
  await leader.stop()
  const damages: readonly Damage[] = [
    path => rmSync(path),
    path => truncateSync(path, 0),
    path => writeFileSync(path, prng.bytes(500)),
    path => cut(path, 1),
  ]
  for (const name of ['bystander-0', 'bystander-1', 'bystander-2', 'filled-0']) {
    for (const path of cachesIn(join(leader.dataDirectory, name))) prng.pick(damages)(path)
  }
  leader.start()
  await scene.cluster.whenReady()
  expect(await readFilled()).toEqual(filled)
})

test('checkpoints of the directory that are garbage change nothing (F6)', async () => {
  const node = scene.cluster.node(1)
  await node.stop()
  for (const path of filesOf(node.dataDirectory, '-checkpoint')) writeFileSync(path, '0\n2\nx -7\n')
  node.start()
  await scene.cluster.whenReady()
  expect(await readFilled()).toEqual(filled)
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
  expect(await readFilled()).toEqual(filled)
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

test('bits that flip under a running leader reach no consumer and no replica; others have them whole (F3, row 17)', async () => {
  const leader = await scene.leaderOf('filled')
  // Sealed long ago, so that nothing of it is in the leader's memory.
  const [first] = filesOf(join(leader.dataDirectory, 'filled-0'), '.log')
  const sealed = readFileSync(first as string)
  flipBit(first as string, 500_000, 2)
  const client = await RawClient.connect(leader.ports.client)
  const errors = new Set<number>()
  const wrong: number[] = []
  for (let offset = 0; offset < filledCount; offset += 7) {
    const { errorCode, records } = await fetchAt(client, offset)
    errors.add(errorCode)
    forEachBatch(records, (_header, at) => {
      for (const { offset: own, value } of decodeBatch(records, at).records) {
        if (Buffer.from(value ?? []).toString() !== valueOf(own)) wrong.push(own)
      }
    })
  }
  client.destroy()
  expect(wrong).toEqual([])
  // Until another one leads; from then on it is a follower that has not come so far.
  expect(errors).toContain(errorCodes.CORRUPT_MESSAGE)
  const { NONE, CORRUPT_MESSAGE, NOT_LEADER_OR_FOLLOWER, OFFSET_NOT_AVAILABLE } = errorCodes
  const allowed: number[] = [NONE, CORRUPT_MESSAGE, NOT_LEADER_OR_FOLLOWER, OFFSET_NOT_AVAILABLE]
  expect([...errors].filter(code => !allowed.includes(code))).toEqual([])
  await until('the log says so', () => leader.logged('damaged replica begins anew').length > 0)
  expect((await scene.leaderOf('filled')).nodeId).not.toBe(leader.nodeId)
  expect(await readFilled()).toEqual(filled)
  await scene.expectHealthy()
  await until('it has been fetched again', () => existsSync(first as string))
  await until('it is whole', () => readFileSync(first as string).equals(sealed))
})

async function fetchAt(
  client: RawClient,
  fetchOffset: number,
): Promise<{ errorCode: number; records: Uint8Array }> {
  const limits = { maxWaitMs: 0, minBytes: 0, maxBytes: 1, isolationLevel: 0 }
  const { responses } = await client.request(apis.fetch, 12, {
    ...limits,
    topics: [
      { topic: 'filled', partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1 }] },
    ],
    rackId: '',
  })
  const [answer] = responses[0]?.partitions ?? []
  if (answer === undefined) throw new Error('no answer')
  return { errorCode: answer.errorCode, records: answer.records ?? new Uint8Array(0) }
}
