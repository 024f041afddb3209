/** Cuts the worst node to lose off, round after round; prints what each took on a line of its own. */
import { errorCodes } from '@trimaran/protocol'
import { startCluster } from 'trimaran'
import {
  addressesOf,
  connect,
  createTopic,
  layoutOf,
  prepareBatch,
  produce,
  untilGiven,
} from './client.ts'
import type { SilentRound } from './silent-partition.ts'

const patienceMs = 60_000
const steadyMs = 500
const topic = 'silent'

const sleep = (delayMs: number): Promise<void> =>
  new Promise(resolve => setTimeout(resolve, delayMs))

async function round(): Promise<SilentRound> {
  await using cluster = await startCluster({ nodes: 3 })
  const addresses = addressesOf(cluster.bootstrapServers)
  const cutOff = cluster.controller()
  if (cutOff === null) throw new Error('a cluster without a controller')
  const others = cluster.nodeIds.filter(nodeId => nodeId !== cutOff)
  const admin = await connect(addresses[(others[0] ?? 0) - 1] ?? { host: '', port: 0 })
  try {
    await createTopic(admin, { name: topic, replicas: [cutOff, ...others] })
    const batch = prepareBatch(1, 100)
    /** Null: not by another leader. */
    const ackedByAnother = async (): Promise<true | null> => {
      const layout = await layoutOf(admin, topic)
      const leader = layout?.leaders[0] ?? -1
      const address = layout?.addresses.get(leader)
      if (layout === null || leader === cutOff || address === undefined) return null
      const connection = await connect(address)
      try {
        return (await produce(connection, layout, 0, batch)) === errorCodes.NONE ? true : null
      } finally {
        connection.close()
      }
    }
    await sleep(steadyMs)
    const startMs = performance.now()
    cluster.partition([cutOff])
    await untilGiven('no other leader acknowledged a record', ackedByAnother, undefined, patienceMs)
    return { cutOff, tookMs: performance.now() - startMs }
  } finally {
    admin.close()
  }
}

const rounds = Number(process.argv[2])
for (let at = 1; at <= rounds; at++) process.stdout.write(`${JSON.stringify(await round())}\n`)
