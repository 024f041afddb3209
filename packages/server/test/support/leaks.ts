/**
 * With --expose-gc: starts clusters, one after the other, fails them in every way and stops them; prints what the process
 * has in use after the first ones and after all of them, as JSON.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { apis } from '@trimaran/protocol'
import { startCluster } from '../../src/index.ts'
import { KafkaClient } from './kafka-client.ts'

export interface Usage {
  /** Sockets, servers, timers and whatever else keeps an event loop alive, by kind. */
  readonly resources: Readonly<Record<string, number>>
  readonly heapBytes: number
}

/** So that code is compiled and caches have their size. */
const warmUpCount = 20
const count = Number(process.argv[2] ?? 100)
/** Sockets are closed in the turns after they were told to. */
const closedWithinMs = 2_000

async function once(round: number): Promise<void> {
  await using cluster = await startCluster({ nodes: 3 })
  await cluster.createTopic({ name: 'orders', partitions: 3 })
  const leader = cluster.leaderOf('orders', 0) ?? 0
  const client = new KafkaClient(Number(cluster.bootstrapServers.split(/[:,]/)[2 * leader - 1]))
  await client.produce('orders', 0, `round ${round}`)
  // Every stop finds something unfinished: a fault, a parked request, a connection, a paused node, a dead one.
  const [one = 0, other = 0] = [1, 2, 3].filter(nodeId => nodeId !== leader)
  cluster.failNext({ api: 'produce', error: 'REQUEST_TIMED_OUT', times: 10 })
  if (round % 4 === 0) await cluster.kill(one)
  if (round % 4 === 1) cluster.pause(leader)
  if (round % 4 === 2) cluster.partition([other])
  if (round % 4 === 3) await cluster.clock.advance(200)
  client.request(apis.metadata, 9, { topics: null }).catch(() => {})
  client.produce('orders', 0, 'unanswered').catch(() => {})
  if (round % 2 === 0) client.close()
}

async function usage(): Promise<Usage> {
  const untilMs = performance.now() + closedWithinMs
  let resources = resourcesNow()
  for (; performance.now() < untilMs; resources = resourcesNow()) {
    if (Object.keys(resources).every(kind => !/TCP|Timeout|Immediate/.test(kind))) break
    await sleep(50)
  }
  // The first collection runs finalizers, whose leavings the second one takes.
  for (let times = 0; times < 3; times++) {
    await globalThis.gc?.({ type: 'major', execution: 'async' })
    await sleep(10)
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return { resources, heapBytes: heapUsed + arrayBuffers }
}

function resourcesNow(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

for (let round = 0; round < warmUpCount; round++) await once(round)
const before = await usage()
for (let round = 0; round < count; round++) await once(round)
const after = await usage()
process.stdout.write(`${JSON.stringify({ before, after })}\n`)
