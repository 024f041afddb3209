/** Starts one cluster after another in this process; prints the milliseconds of each on a line of its own. */
import { enableCompileCache } from 'node:module'

enableCompileCache()
const rounds = Number(process.argv[2])
let startedMs = 0
const { untilFirstAck } = await import('./client.ts')
const { startCluster } = await import('trimaran')
for (let round = 0; round <= rounds; round++) {
  const cluster = await startCluster({ nodes: 3 })
  const addresses = cluster.bootstrapServers.split(',').map(server => {
    const [host = '', port = ''] = server.split(':')
    return { host, port: Number(port) }
  })
  await untilFirstAck(addresses)
  // The first one counts from the start of the process, the import included.
  process.stdout.write(`${performance.now() - startedMs}\n`)
  await cluster.stop()
  startedMs = performance.now()
}
