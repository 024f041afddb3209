/**
 * What each process of a local cluster runs: `start --config FILE` without the parser of the command line, which would
 * cost every node as much as its configuration does. A file of its own, since it is where a process begins.
 */
import { enableCompileCache } from 'node:module'

enableCompileCache()
const { runNode } = await import('@trimaran/server/run-node')
await runNode({
  configFile: process.argv[2] ?? null,
  overrides: {},
  environment: process.env,
}).catch((error: unknown) => {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
})
