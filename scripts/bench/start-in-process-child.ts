/** Starts one cluster after another in this process; prints the times of each on a line of its own. */
import { enableCompileCache } from 'node:module'
import type { ClusterTimes } from './start-in-process.ts'

enableCompileCache()
const rounds = Number(process.argv[2])
const { addressesOf, untilFirstAck } = await import('./client.ts')
const { startCluster } = await import('trimaran')
// The first one counts from the start of the process, the import included.
let beganMs = 0
for (let round = 0; round <= rounds; round++) {
  const cluster = await startCluster({ nodes: 3 })
  await untilFirstAck(addressesOf(cluster.bootstrapServers))
  const upMs = performance.now()
  await cluster.stop()
  const times: ClusterTimes = { startMs: upMs - beganMs, stopMs: performance.now() - upMs }
  process.stdout.write(`${JSON.stringify(times)}\n`)
  beganMs = performance.now()
}
