import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Prng } from '@trimaran/common'
import { flipBit } from './support/damage.ts'
import { until, within } from './support/process-cluster.ts'
import type { NodeProcess } from './support/process-cluster.ts'
import { Scene } from './support/scene.ts'

const prng = new Prng(11)
const untrusted = /cannot be trusted|No such file/

let scene: Scene
beforeAll(async () => {
  scene = await Scene.open({ port: 28_280 })
  // Something in the quorum's log.
  for (let count = 0; count < 20; count++) await scene.createTopic(`topic-${count}`)
})
afterEach(() => scene.expectHealthy())
afterAll(async () => {
  const { acknowledged, longestSilenceMs } = await scene.close()
  process.stdout.write(`bystander: ${acknowledged} records, silent ${longestSilenceMs | 0} ms\n`)
})

const quorumDirectory = (node: NodeProcess): string => join(node.dataDirectory, 'quorum')

/** LevelDB's files, the largest last: that is where the entries are. */
const databaseFiles = (node: NodeProcess): string[] => {
  const directory = join(quorumDirectory(node), 'level')
  return readdirSync(directory)
    .filter(name => /\.(log|ldb)$/.test(name))
    .map(name => join(directory, name))
    .sort((a, b) => statSync(a).size - statSync(b).size)
}

/** Follower of the quorum, so that what is tested is the damage and not an election. */
async function follower(): Promise<NodeProcess> {
  const controllerId = await scene.cluster.controllerId()
  return scene.cluster.node((controllerId % 3) + 1)
}

/** A node that lost its place begins anew: an empty disk is another voter, or none. */
async function wipeAndReturn(node: NodeProcess): Promise<void> {
  rmSync(node.dataDirectory, { recursive: true, force: true })
  node.start()
  await scene.expectHealthy()
}

/** What a node said that does not start. */
async function refusal(node: NodeProcess): Promise<string> {
  const before = node.log().length
  node.start()
  const { code } = await within(node.exited, 10_000, 'a damaged voter lives')
  if (code === 0) throw new Error('a damaged voter stops as if nothing were wrong')
  return node.log().slice(before)
}

test('a flipped bit in the quorum\u2019s log stops the voter that has it, and names the place (F9)', async () => {
  const node = await follower()
  await node.stop()
  const path = databaseFiles(node).at(-1) as string
  flipBit(path, Math.floor(statSync(path).size / 2), 3)
  expect(await refusal(node)).toMatch(untrusted)
  await scene.bystander.madeProgress(50)
  await wipeAndReturn(node)
})

test('a quorum log without its end is not taken for a shorter one', async () => {
  const node = await follower()
  await node.stop()
  const path = databaseFiles(node).at(-1) as string
  const { size } = statSync(path)
  for (let at = size - 200; at < size; at += 10) flipBit(path, at, prng.between(0, 7))
  expect(await refusal(node)).toMatch(untrusted)
  await wipeAndReturn(node)
})

test.each([/^CURRENT$/, /^MANIFEST/, /\.(log|ldb)$/])(
  'a database without %s does not become an empty one (F9)',
  async pattern => {
    const node = await follower()
    await node.stop()
    const directory = join(quorumDirectory(node), 'level')
    for (const name of readdirSync(directory)) {
      if (pattern.test(name)) rmSync(join(directory, name))
    }
    node.start()
    // LevelDB can make up for some of its files by replaying others; then nothing may be missing.
    const end = await Promise.race([node.exited, scene.expectHealthy()])
    if (end === undefined) return
    expect(end.code).toBeGreaterThan(0)
    expect(node.log().slice(-4_000)).toMatch(untrusted)
    await wipeAndReturn(node)
  },
)

test('the marker of what was durable is missed when it is gone, and when the database is (F8)', async () => {
  const node = await follower()
  await node.stop()
  const marker = join(quorumDirectory(node), 'last-durable')
  const kept = readFileSync(marker)
  rmSync(marker)
  expect(await refusal(node)).toMatch(/last-durable is missing/)
  await wipeAndReturn(node)
  expect(kept.length).toBeGreaterThan(0)
  await node.stop()
  rmSync(join(quorumDirectory(node), 'level'), { recursive: true })
  expect(await refusal(node)).toMatch(/was durable/)
  await wipeAndReturn(node)
})

test('bits flipped while the node runs harm nobody until it restarts, and then it says so', async () => {
  const node = await follower()
  const path = databaseFiles(node).at(-1) as string
  flipBit(path, Math.floor(statSync(path).size / 3), 5)
  await scene.bystander.madeProgress(100)
  await scene.createTopic('while-damaged')
  await scene.expectHealthy()
  await node.kill()
  expect(await refusal(node)).toMatch(untrusted)
  await wipeAndReturn(node)
})

test('the controller\u2019s own disk is wiped while it is down: the others had elected another, and it follows', async () => {
  const node = scene.cluster.node(await scene.cluster.controllerId())
  await node.kill()
  rmSync(node.dataDirectory, { recursive: true, force: true })
  node.start()
  await scene.cluster.whenReady()
  await until('it has the whole log of the quorum', async () => {
    const statuses = await Promise.all(scene.cluster.nodes.map(each => each.status()))
    return new Set(statuses.map(status => status?.metadataOffset)).size === 1
  })
  expect(await scene.cluster.controllerId()).not.toBe(node.nodeId)
})
