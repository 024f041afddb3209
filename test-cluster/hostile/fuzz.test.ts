import { afterAll, beforeAll, expect, test } from 'vitest'
import { Prng } from '@trimaran/common'
import { apis } from '@trimaran/protocol'
import type { Api } from '@trimaran/protocol'
import { minimalFrame, mutated, versionsOf } from './support/mutations.ts'
import { framed, RawClient } from './support/raw-client.ts'
import { answerTimeMs, Scene } from './support/scene.ts'

const seed = Number(process.env['TRIMARAN_FUZZ_SEED'] ?? 20_260)
const durationMs = Number(process.env['TRIMARAN_FUZZ_MS'] ?? 12_000)
/** Connections at work at a time; each gets a few frames and is thrown away when the node has closed it. */
const connectionCount = 8
const framesPerConnection = 20
/** Connections of the scene's own, at any moment. */
const bystanders = 2

let scene: Scene
beforeAll(async () => {
  scene = await Scene.open({ port: 28_120 })
  await scene.createTopic('fuzzed')
})
afterAll(async () => {
  const { acknowledged, longestSilenceMs } = await scene.close()
  process.stdout.write(`bystander: ${acknowledged} records, silent ${longestSilenceMs | 0} ms\n`)
})

/** Whoever unregisters a broker that lives gets what he asks for. */
const fuzzedApis = Object.values(apis).filter(({ key }) => key !== apis.unregisterBroker.key)
const corpus: readonly Buffer[] = fuzzedApis.flatMap(api =>
  versionsOf(api as Api).flatMap(version =>
    ([0, 1] as const).map(elements => minimalFrame(api as Api, version, elements)),
  ),
)

test(`mutated requests of every api and version, and plain noise, cost nothing but their connection (seed ${seed})`, async () => {
  const prng = new Prng(seed)
  const socketsBefore = scene.cluster.nodes.map(node => node.socketCount(['client']))
  const deadlineMs = performance.now() + durationMs
  const counts = { connections: 0, frames: 0 }
  let slowestMs = 0
  const watching = (async () => {
    while (performance.now() < deadlineMs) {
      for (const { ports } of scene.cluster.nodes) {
        slowestMs = Math.max(slowestMs, await answerTimeMs(ports.client))
      }
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  })()
  const attacker = async (own: Prng): Promise<void> => {
    while (performance.now() < deadlineMs) {
      counts.connections++
      counts.frames += await attack(own)
    }
  }
  await Promise.all(Array.from({ length: connectionCount }, (_, at) => attacker(prng.fork(at))))
  await watching
  process.stdout.write(
    `${counts.frames} frames on ${counts.connections} connections; others waited ${slowestMs | 0} ms; ${scene.cluster.nodes.map(node => node.rssBytes() >> 20).join(', ')} MiB\n`,
  )
  await scene.expectHealthy()
  expect(slowestMs).toBeLessThan(100)
  for (const [at, node] of scene.cluster.nodes.entries()) {
    expect(node.rssBytes() / 2 ** 20).toBeLessThan(500)
    await node.untilSocketsAreClosed(['client'], (socketsBefore[at] as number) + bystanders)
    expect(node.logged('request failed'), 'no handler may fail').toEqual([])
  }
}, 60_000)

async function attack(prng: Prng): Promise<number> {
  const { ports } = prng.pick(scene.cluster.nodes)
  const client = await RawClient.connect(ports.client)
  let sent = 0
  while (sent < framesPerConnection && !client.isClosed) {
    client.send(anyBytes(prng))
    sent++
    await new Promise(resolve => setImmediate(resolve))
  }
  if (prng.chance(1, 2)) client.socket.resetAndDestroy()
  else {
    // Half-closed, it waits for the answers, some of which are long polls; but not for ever.
    client.socket.end()
    setTimeout(() => client.destroy(), prng.between(1, 100))
  }
  await client.closed
  return sent
}

function anyBytes(prng: Prng): Buffer {
  const frame = prng.pick(corpus)
  switch (prng.between(0, 9)) {
    case 0:
      return Buffer.from(prng.bytes(prng.between(1, 200)))
    case 1:
      return framed(prng.bytes(prng.between(1, 200)))
    case 2:
      return framed(frame)
    default:
      return framed(mutated(frame, prng))
  }
}
