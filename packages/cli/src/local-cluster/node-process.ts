/**
 * What each process of a local cluster runs: `start --config FILE` without the parser of the command line, which would
 * cost every node as much as its configuration does. A file of its own, since it is where a process begins.
 */
import { enableCompileCache, registerHooks } from 'node:module'
import type { ResolveFnOutput } from 'node:module'

enableCompileCache()
// Our relative imports name the file itself, and our packages are the same for all of our files, so little needs to be
// looked up: 80 ms of CPU in each node. Parents are real paths already, which keeps every module's URL the one that it
// has without this.
const ownPackages = new Map<string, ResolveFnOutput>()
registerHooks({
  resolve(specifier, context, next) {
    if (specifier.startsWith('.') && specifier.endsWith('.ts')) {
      const url = new URL(specifier, context.parentURL).href
      return { url, format: 'module-typescript', shortCircuit: true }
    }
    if (!specifier.startsWith('@trimaran/')) return next(specifier, context)
    const known = ownPackages.get(specifier)
    if (known !== undefined) return known
    const found = next(specifier, context)
    ownPackages.set(specifier, { ...found, shortCircuit: true })
    return found
  },
})
const { runNode } = await import('@trimaran/server/run-node')
await runNode({
  configFile: process.argv[2] ?? null,
  overrides: {},
  environment: process.env,
}).catch((error: unknown) => {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
})
